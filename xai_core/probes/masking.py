"""Pictures of an outlined region without its surroundings, and of the surroundings without the region."""

from __future__ import annotations

import numpy as np

from xai_core.probes.causal import fill_in

PARTS = {
    "region": "only the outlined region is visible",
    "surroundings": "only the surroundings of the outlined region are visible",
}
MARGIN = 1 / 32  # by which the region is grown before it is taken out, as a share of the frame's longer side


def grown(region: np.ndarray) -> np.ndarray:
    """Return (h, w) bool: a region with all that lies within `MARGIN` of it, so that no rim is left of what is cut."""
    from scipy.ndimage import distance_transform_edt

    return distance_transform_edt(~region) <= MARGIN * max(region.shape)


def maskable(region: np.ndarray) -> bool:
    """Say whether both parts of an image have something to show."""
    return bool(region.any() and not grown(region).all())


def only(part: str, image: np.ndarray, region: np.ndarray, fill: str) -> np.ndarray:
    """Return an image of which one part is visible: (h, w, 3) uint8.

    Parameters
    ----------
    part : str
        A key of `PARTS`.
    image : (h, w, 3) uint8
    region : (h, w) bool
        `maskable`.
    fill : str
        A key of `causal.FILLS`: made from what is visible alone, so that none of the colours that are hidden show.

    Notes
    -----
    The outline itself does show, as an edge where the fill begins.
    """
    return fill_in(image, ~region if part == "region" else grown(region), fill)
