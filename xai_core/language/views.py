"""The pictures a judge sees: a frame under its heatmap, in one of three views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xai_core.errors import BadInput

_TINY = 1e-8
MEANINGS = {
    "masked": "The picture is black except where the classifier found evidence: the more visible a part is, the more "
    "it spoke for the class.",
    "overlay": "The picture lies under a layer of colour that shows where the classifier found evidence: from black "
    "and violet (none) through red to pale yellow (the most).",
    "region": "The picture is black except for the region in which the classifier's strongest evidence lies.",
}


@dataclass(frozen=True)
class View:
    """How a judge is shown a record.

    Attributes
    ----------
    name : str
        ``masked``, ``overlay`` or ``region``.
    slope, position : float
        Of the sigmoid of ``masked``: how sharp it is, and at which strength half of a pixel shows.
    opacity : float
        Of the colours of ``overlay``, [0, 1].
    """

    name: str = "masked"
    slope: float = 25.0
    position: float = 0.4
    opacity: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in MEANINGS:
            raise BadInput(where="view", expected=f"one of {', '.join(MEANINGS)}", found=self.name, remedy="name one")

    @property
    def settings(self) -> dict:
        """Return what decides the picture, as plain JSON values."""
        own = {"masked": ("slope", "position"), "overlay": ("opacity",), "region": ()}[self.name]
        return {"name": self.name} | {name: float(getattr(self, name)) for name in own}

    @property
    def meaning(self) -> str:
        """Return what a judge has to know about the picture."""
        return MEANINGS[self.name]

    def picture(self, frame: np.ndarray, heatmap: np.ndarray, region: np.ndarray) -> np.ndarray:
        """Return what the judge sees: (H, W, 3) uint8 from the frame, its heatmap and its explanation region."""
        if self.name == "masked":
            return masked(frame, heatmap, self.slope, self.position)
        return overlay(frame, heatmap, self.opacity) if self.name == "overlay" else region_only(frame, region)


def visibility(strength: np.ndarray, slope: float = 25.0, position: float = 0.4) -> np.ndarray:
    """Return which share of a pixel shows at a strength in [0, 1]: ``1 / (1 + exp(slope * (position - strength)))``."""
    return 1 / (1 + np.exp(slope * (position - np.asarray(strength, np.float64))))


def strength(heatmap: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return the evidence for the class at a size, [0, 1]: (H, W) float64 from an (h, w) heatmap.

    Evidence against the class counts as none. The rest is scaled to the map's own range, then enlarged (bicubic, and
    what overshoots is clipped): all zeros for a map that is the same everywhere.
    """
    import cv2

    evidence = np.maximum(np.asarray(heatmap, np.float64), 0)
    low, high = evidence.min(), evidence.max()
    # relative to the range, for the maps of some explainers are smaller than any constant
    scaled = (evidence - low) / ((high - low) * (1 + _TINY)) if high > low else np.zeros_like(evidence)
    if scaled.shape != tuple(size):
        scaled = cv2.resize(scaled, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(scaled, 0, 1)


def masked(frame: np.ndarray, heatmap: np.ndarray, slope: float = 25.0, position: float = 0.4) -> np.ndarray:
    """Return the frame, black where there is no evidence: (H, W, 3) uint8 from (H, W, 3) uint8 and (h, w) float."""
    shown = visibility(strength(heatmap, frame.shape[:2]), slope, position)
    return (frame * shown[..., None]).astype(np.uint8)


def overlay(frame: np.ndarray, heatmap: np.ndarray, opacity: float = 0.5) -> np.ndarray:
    """Return the frame under the colours of its heatmap: (H, W, 3) uint8 from (H, W, 3) uint8 and (h, w) float."""
    import cv2

    levels = np.round(strength(heatmap, frame.shape[:2]) * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    return np.round(frame * (1 - opacity) + colours * opacity).astype(np.uint8)


def region_only(frame: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the frame, black outside a region: (H, W, 3) uint8 from (H, W, 3) uint8 and (H, W) bool."""
    return np.where(region[..., None], frame, np.uint8(0))


def png(picture: np.ndarray) -> bytes:
    """Return an (H, W, 3) uint8 picture as a PNG file's bytes: pixels, and nothing about them."""
    import cv2

    return cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes()
