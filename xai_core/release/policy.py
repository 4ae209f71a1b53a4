"""The release policy: what a classifier must show before it may be used, read from a TOML file and checked."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xai_core.errors import BadInput
from xai_core.scores.measures import NAMES

LOWER_IS_BETTER = ("ece", "brier")
ALL_STRATA = ["easy", "borderline", "failure"]
Share = Annotated[float, Field(ge=0, le=1)]
Excess = Annotated[float, Field(ge=-1, le=1)]
Margin = Annotated[float, Field(ge=0, le=1)]
Decides = Literal["bound", "point"]
Strata = Annotated[list[Literal["easy", "borderline", "failure"]], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class MetricRule(_Table):
    """What a metric over the whole held-out split must reach.

    Attributes
    ----------
    metric : str
        One of `scores.metrics.NAMES`.
    floor, ceiling : float, optional
        Least value; most value, for metrics of which less is better (ece, brier).
    not_worse_than_baseline_by : float, optional
        How much worse than the baseline it may be.
    decides : str
        ``bound``: the unfavourable end of the 95 % interval; ``point``: the value itself.
    """

    metric: Literal[NAMES]
    floor: Share | None = None
    ceiling: Annotated[float, Field(ge=0, le=2)] | None = None
    not_worse_than_baseline_by: Margin | None = None
    decides: Decides = "bound"

    @property
    def lower_is_better(self) -> bool:
        """Say whether less is better."""
        return self.metric in LOWER_IS_BETTER

    @model_validator(mode="after")
    def _asks_something(self) -> MetricRule:
        if self.floor is None and self.ceiling is None and self.not_worse_than_baseline_by is None:
            raise ValueError("a floor, a ceiling or not_worse_than_baseline_by is needed")
        if self.lower_is_better and self.floor is not None:
            raise ValueError(f"less {self.metric} is better: write ceiling in the place of floor")
        if not self.lower_is_better and self.ceiling is not None:
            raise ValueError(f"more {self.metric} is better: write floor in the place of ceiling")
        return self


class ExplanationRule(_Table):
    """What the explanations of the review set's items must reach, each score minus its own chance level.

    Attributes
    ----------
    score : str
        One of the three scores.
    excess_over : str
        The chance level that is taken away.
    floor : float, optional
        Least mean excess.
    not_worse_than_baseline_by : float, optional
        How far the mean excess may lie below the baseline's, paired on the same items.
    item_passes_from, least_share : float, optional
        An item passes from this excess on, and so many of the items have to; both or neither.
    decides : str
        ``bound`` or ``point``.
    strata : list of str
        Which items are looked at; all by default.
    each_class : bool
        Whether the rule has to hold within the items of each class by itself: a shortcut in one class alone hides in
        a mean over all.
    """

    score: Literal["explanation_coverage", "ground_truth_coverage", "iou"]
    excess_over: Literal["random", "centre", "other"] = "random"
    floor: Excess | None = None
    not_worse_than_baseline_by: Margin | None = None
    item_passes_from: Excess | None = None
    least_share: Share | None = None
    decides: Decides = "bound"
    strata: Strata = ALL_STRATA
    each_class: bool = False

    @model_validator(mode="after")
    def _asks_something(self) -> ExplanationRule:
        if (self.item_passes_from is None) != (self.least_share is None):
            raise ValueError("item_passes_from and least_share go together: write both or neither")
        if self.floor is None and self.not_worse_than_baseline_by is None and self.least_share is None:
            raise ValueError("a floor, not_worse_than_baseline_by or least_share is needed")
        return self


class RelianceRule(_Table):
    """How much better the classifier must call by the outlined region alone than by its surroundings alone.

    Attributes
    ----------
    floor : float, optional
        Least difference of the two AUCs, -1 to 1.
    not_worse_than_baseline_by : float, optional
        How far the difference may lie below the baseline's, paired on the same images.
    decides : str
        ``bound`` or ``point``.
    """

    floor: Excess | None = None
    not_worse_than_baseline_by: Margin | None = None
    decides: Decides = "bound"

    @model_validator(mode="after")
    def _asks_something(self) -> RelianceRule:
        if self.floor is None and self.not_worse_than_baseline_by is None:
            raise ValueError("a floor or not_worse_than_baseline_by is needed")
        return self


class PeopleRule(_Table):
    """Which share of the items people must have passed in the blind review; every item has to be reviewed.

    An item passes where somebody said ``right_reasons`` and nobody ``wrong_reasons``.
    """

    least_share: Share
    decides: Decides = "bound"
    strata: Strata = ALL_STRATA


class Policy(_Table):
    """A release policy.

    Attributes
    ----------
    metric : list of MetricRule
    explanation : list of ExplanationRule
    reliance : RelianceRule, optional
    people : PeopleRule, optional
    veto : str
        ``off``; ``given``: an item that somebody called ``wrong_reasons`` fails the candidate, items that nobody
        reviewed do not matter; ``asked``: the same, and every item has to be reviewed.
    randomisation_check : str
        ``required`` or ``ignored``.
    largest_share_undefined : float
        Largest share of items whose explanation may be empty.
    least_items : int
        Fewer items than this are warned of.
    least_items_of_class : int
        Fewer items of a class than this are warned of, where a rule has to hold within each class.
    sha256 : str
        Of the file's bytes.
    """

    name: Annotated[str, Field(min_length=1)]
    metric: Annotated[list[MetricRule], Field(min_length=1)]
    explanation: list[ExplanationRule] = []
    reliance: RelianceRule | None = None
    people: PeopleRule | None = None
    veto: Literal["off", "given", "asked"] = "given"
    randomisation_check: Literal["required", "ignored"] = "required"
    largest_share_undefined: Share = 0.05
    least_items: Annotated[int, Field(ge=0)] = 60
    least_items_of_class: Annotated[int, Field(ge=0)] = 30
    sha256: str = ""

    @model_validator(mode="after")
    def _looks_at_explanations(self) -> Policy:
        if not self.explanation and self.reliance is None and self.people is None:
            raise ValueError(
                "an [[explanation]] rule, a [reliance] or a [people] table is needed: a metric alone releases nothing"
            )
        return self

    @property
    def needs_baseline(self) -> bool:
        """Say whether a rule compares with a baseline."""
        rules = (*self.metric, *self.explanation, *filter(None, [self.reliance]))
        return any(rule.not_worse_than_baseline_by is not None for rule in rules)


def read(file: str | Path) -> Policy:
    """Return the policy in a TOML file.

    Raises
    ------
    BadInput
        Where the file cannot be read, is no TOML, or holds a key or a value that no policy has: the first is named.
    """
    file = Path(file)
    try:
        data = file.read_bytes()
    except OSError as error:
        raise BadInput(
            where=file, expected="a policy file", found=error.strerror or str(error), remedy="check the path"
        ) from error
    try:
        values = tomllib.loads(data.decode("utf-8"))
    except ValueError as error:
        raise BadInput(where=file, expected="a policy in TOML", found=str(error), remedy="mend that line") from error
    if "sha256" in values:
        raise _refused(file, "sha256", "a key that no policy has")
    try:
        return Policy(**values, sha256=hashlib.sha256(data).hexdigest())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in first["loc"]) or "the policy"
        found = "a key that no policy has" if first["type"] == "extra_forbidden" else _said(first)
        raise _refused(file, where, found) from error


def _said(error: dict) -> str:
    """Return what pydantic says of a value, and the value where it is short."""
    table = f"[[{error['loc'][0]}]]" if error["loc"] in (("metric",), ("explanation",)) else ""
    if error["type"] == "missing":
        return f"nothing: add one or more {table} rules" if table else "nothing: add it"
    if table and error["type"] == "list_type":
        return f"no list of rules: write {table}, with two brackets"
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    return f"{given!r}: {message}" if isinstance(given, str | int | float) else message


def _refused(file: Path, key: str, found: str) -> BadInput:
    return BadInput(
        where=f"{file}, {key}",
        expected="a policy as sample_data/policy.toml explains it",
        found=found,
        remedy="mend or remove it",
    )
