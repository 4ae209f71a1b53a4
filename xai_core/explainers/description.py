"""What an explainer says of itself, and what it answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xai_core.errors import BadInput

if TYPE_CHECKING:
    import torch

    from xai_core.explainers.request import Request


@dataclass(frozen=True)
class Parameter:
    """One setting of a method: its type (int, float or str), default, inclusive range and meaning."""

    type: type
    default: int | float | str
    low: float | None
    high: float | None
    help: str

    @property
    def range(self) -> str:
        """Return the values allowed, for forms and messages."""
        return "text" if self.type is str else f"{self.type.__name__} from {self.low:g} to {self.high:g}"

    def check(self, value: object, where: str) -> int | float | str:
        """Return the value in the parameter's type; `BadInput` where it is of another kind or out of range."""
        numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
        fits = isinstance(value, str) if self.type is str else numeric and math.isfinite(value)
        if fits and self.type is not str:
            fits = self.low <= value <= self.high and (self.type is float or value == int(value))
        if not fits:
            raise BadInput(
                where=where, expected=self.range, found=repr(value), remedy=f"the default is {self.default!r}"
            )
        return self.type(value)


@dataclass(frozen=True)
class Description:
    """A method, described for forms, help and tables, and the function that does it.

    Attributes
    ----------
    title, paper : str
        For people; where it is published.
    signed : bool
        Whether negative values mean evidence against the target.
    needs : {'predict', 'gradients'}
        What it asks of the network.
    default_rule : str
        The region rule that suits its heatmaps (`scores.regions`).
    run : callable
        Returns one `Explanation` for each target vector of a `Request`.
    class_agnostic : bool
        True where the heatmap is the same whatever the target.
    parameters : mapping of str to Parameter
    segmentation : str
        Names how it cuts frames into segments (`lime.segment`), which can be done ahead; '' where it does not.
    """

    title: str
    paper: str
    signed: bool
    needs: str
    default_rule: str
    run: Callable[[Request], list[Explanation]]
    class_agnostic: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    segmentation: str = ""

    def settle(self, given: Mapping[str, object] | None) -> dict[str, int | float | str]:
        """Return all parameters: those given, checked, the others at their defaults; `BadInput` for unknown ones."""
        given = dict(given or {})
        unknown = sorted(set(given) - set(self.parameters))
        if unknown:
            names = ", ".join(self.parameters) or "no parameters"
            raise BadInput(where=self.title, expected=names, found=", ".join(unknown), remedy="leave it out")
        return {
            name: parameter.check(given.get(name, parameter.default), f"{self.title}, {name}")
            for name, parameter in self.parameters.items()
        }


@dataclass(frozen=True)
class Explanation:
    """Heatmaps of N images for one target vector, on the classifier's device, raw, and what belongs to them.

    Attributes
    ----------
    heatmaps : (N, h, w) float32
        Evidence at the method's own resolution, not rescaled.
    targets : (N,) int64
        The classes the heatmaps speak for.
    probabilities : (N, C) float32
        Of the unperturbed images, from the same pass where the method has one.
    layer : str or None
        The module whose output was explained.
    segments : (N, h, w) int64 or None
        LIME: the segment of each pixel of the model frame.
    coefficients : (N, S) float64 or None
        LIME: one for each segment, NaN beyond an image's own number of segments.
    intercepts, r2 : (N,) float64 or None
        LIME: intercept and weighted R squared of the surrogate.
    stability : (N,) float64 or None
        LIME: how well the five strongest positive segments survive a bootstrap, [0, 1].
    """

    heatmaps: torch.Tensor
    targets: torch.Tensor
    probabilities: torch.Tensor
    layer: str | None = None
    segments: torch.Tensor | None = None
    coefficients: torch.Tensor | None = None
    intercepts: torch.Tensor | None = None
    r2: torch.Tensor | None = None
    stability: torch.Tensor | None = None
