"""A run's records as the pages ask for them: one lean table, judged at an operating point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import TYPE_CHECKING

import numpy as np

from xai_core.runs.scoring import read_scores
from xai_core.runs.store import Run
from xai_core.runs.tables import judge, positive_of, threshold_of
from xai_core.scores.arrays import SCORE_NAMES

if TYPE_CHECKING:
    import pandas as pd

RIGHT, WRONG, UNKNOWN = "right", "wrong", "unknown"
FOR_CALL, FOR_OTHER = "the call", "another class"
SCORED = "scored"
# the same on every row of a run: read from its settings instead
PROVENANCE = ("method", "parameters", "layer", "seed", "classifier_digest", "versions")
TEXT = ("sample_id", "image", "image_hash", "error")


def once(question: Callable) -> Callable:
    """Return a function of (records, ...) that works its answer out once for the same records and keeps it with them.

    The answer is shared: nobody changes it.
    """

    @wraps(question)
    def answer(records: Records, *arguments):
        key = (question.__module__, question.__qualname__, *arguments)
        if key not in records.answers:
            records.answers[key] = question(records, *arguments)
        return records.answers[key]

    return answer


@dataclass(frozen=True)
class Joined:
    """Records and scores of a run under one region rule, before an operating point is chosen.

    Attributes
    ----------
    run : Run
    rule : str
    table : DataFrame
        A row for each record: columns of SPEC.md without provenance and probabilities; text that repeats is
        categorical; ``missing`` says why a record has no score (``scored`` where it has all three);
        ``positive_probability`` where a class is positive; ``excess_SCORE`` is score - random chance.
    probabilities : (N, C) float32
    """

    run: Run
    rule: str
    table: pd.DataFrame = field(repr=False)
    probabilities: np.ndarray = field(repr=False)


class Records:
    """A run's records at an operating point.

    Parameters
    ----------
    joined : Joined
    threshold : float, optional
        Probability of the positive class from which a sample is called positive; the run's own by default.

    Attributes
    ----------
    run, rule
    threshold : float or None
        None where no class is positive: then the largest probability decides.
    table : DataFrame
        Columns of `Joined`, and ``called``, ``outcome`` (right, wrong, unknown), ``correct``, ``pattern``, and
        ``speaks_for``: whether the explained class is the one called.
    """

    def __init__(self, joined: Joined, threshold: float | None = None) -> None:
        self.run, self.rule = joined.run, joined.rule
        self.probabilities = joined.probabilities
        self.threshold = threshold_of(joined.run, threshold)
        judged = judge(joined.run, joined.table, joined.probabilities, threshold)
        correct = judged["correct"]
        outcome = np.where(correct.isna(), UNKNOWN, np.where(correct.fillna(False), RIGHT, WRONG))
        chosen = {name: judged[name] for name in ("called", "correct", "pattern")}
        own = judged["called"] == joined.table["target"].astype(object).to_numpy()
        speaks_for = np.where(own, FOR_CALL, FOR_OTHER)
        self.table = _categorical(joined.table.assign(**chosen, outcome=outcome, speaks_for=speaks_for))
        self.answers: dict[tuple, object] = {}

    def __len__(self) -> int:
        return len(self.table)

    @property
    def positive(self) -> str | None:
        """Return the name of the positive class."""
        return self.run.settings["positive"]

    @cached_property
    def index(self) -> pd.Index:
        """Return the sample ids in record order, ready for look-up."""
        import pandas as pd

        return pd.Index(self.table["sample_id"])

    def position(self, sample_id: str | None) -> int | None:
        """Return the row of a sample, None where the run has none of that id."""
        return int(self.index.get_loc(sample_id)) if sample_id in self.index else None

    def recalled(self) -> int:
        """Return how many records are called otherwise than when their `predicted` target was chosen."""
        if self.threshold == self.run.settings["threshold"] or self.run.settings["target"] != "predicted":
            return 0
        answered = self.table["status"] == "ok"
        return int((self.table["called"].astype(object) != self.table["target"].astype(object))[answered].sum())

    @once
    def rank(self, column: str) -> np.ndarray:
        """Return (N,) float64 by which a column sorts: numbers as they are, text by its order; NaN where undefined."""
        import pandas as pd

        values = self.table[column]
        if isinstance(values.dtype, pd.CategoricalDtype):
            names = values.cat.categories
            by_code = np.append(np.argsort(np.argsort(names.astype(str))).astype(float), np.nan)
            return by_code[values.cat.codes.to_numpy()]
        if pd.api.types.is_numeric_dtype(values.dtype):
            return values.to_numpy(float, na_value=np.nan)
        codes = pd.factorize(values, sort=True)[0].astype(float)
        return np.where(codes < 0, np.nan, codes)


def join(run: Run, rule: str | None = None) -> Joined:
    """Return a run's records and scores under a region rule, the explainer's own by default."""
    import pandas as pd
    import pyarrow.parquet as pq

    rule = rule or run.settings["region_rule"]
    stored = pq.read_schema(run.folder / "records.parquet").names
    columns = [name for name in stored if name not in (*PROVENANCE, "probabilities")]
    scores = read_scores(run, rule).drop(columns="sample_id")
    table = pd.concat([run.records(columns), scores], axis=1)
    probabilities = run.probabilities()
    extra = {"missing": _missing(table)}
    positive = positive_of(run)
    if positive is not None:
        extra["positive_probability"] = probabilities[:, positive]
    extra |= {f"excess_{name}": table[name] - table[f"chance_random_{name}"] for name in SCORE_NAMES}
    return Joined(run, rule, _categorical(table.assign(**extra)), probabilities)


def _missing(table: pd.DataFrame) -> np.ndarray:
    reasons = [table[f"{name}_undefined"].to_numpy(object) for name in SCORE_NAMES]
    missing = np.full(len(table), "", object)
    for reason in reasons:
        missing = np.where(missing == "", reason, missing)
    return np.where(missing == "", SCORED, missing)


def _categorical(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text that repeats as categories: small, and quick to filter."""
    text = [name for name in table.select_dtypes(["object", "string"]) if name not in TEXT]
    return table.astype(dict.fromkeys(text, "category"))
