"""A region's outline as an SVG path, on any picture of the original image."""

from __future__ import annotations

import numpy as np

from xai_core.geometry import Placement

TOLERANCE = 0.8
"""How far, in pixels of the picture, a simplified outline may lie from the exact one; under the width of its line."""

_SPECK = 1.5


def path_of(
    mask: np.ndarray,
    scale: tuple[float, float] = (1.0, 1.0),
    origin: tuple[float, float] = (0.0, 0.0),
    size: tuple[float, float] | None = None,
) -> str:
    """Return the outline of a mask as SVG path data, to be filled by the even-odd rule; '' for an empty mask.

    Parameters
    ----------
    mask : (h, w) bool
    scale : (sy, sx)
        Size of a pixel of the mask, in pixels of the picture.
    origin : (y, x)
        Where the mask's top left corner lies in the picture.
    size : (height, width), optional
        Of the picture: the outline is drawn in to its border.

    Returns
    -------
    str
        A closed subpath for each outline and each hole, along the edges of the pixels (pixel k spans [k, k + 1]), so
        that a region at the border of the picture closes there; simplified by `TOLERANCE`, one decimal. Specks that
        could not be seen are left out, unless there is nothing else.
    """
    polygons = [_on_picture(corners, scale, origin, size) for corners in _corners(mask)]
    if not polygons:
        return ""
    seen = [p for p in polygons if _area(p) >= _SPECK] or [max(polygons, key=_area)]
    return "".join(_text(_simple(polygon)) for polygon in seen)


def path_on(placement: Placement, mask: np.ndarray, size: tuple[int, int]) -> str:
    """Return the outline of a region of the model frame, on a picture of the whole original.

    Parameters
    ----------
    placement : Placement
        Where the original lies in the model frame.
    mask : (h, w) bool
        In the model frame.
    size : (height, width)
        Of the picture, which shows the original at any scale: the unit of the path.
    """
    (top, left), (step_y, step_x) = frame_on_original(placement)
    zoom_y, zoom_x = (shown / own for shown, own in zip(size, placement.original, strict=True))
    rows = _touches(top, step_y, mask.shape[0], placement.original[0])
    columns = _touches(left, step_x, mask.shape[1], placement.original[1])
    inside = mask & rows[:, None] & columns[None, :]
    return path_of(inside, (step_y * zoom_y, step_x * zoom_x), (top * zoom_y, left * zoom_x), size)


def frame_on_original(placement: Placement) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return where the model frame lies on the original: ((top, left), (height, width) of a frame pixel).

    In pixels of the original, whose top left corner is (0, 0); negative where the frame holds padding.
    """
    steps = tuple(padded / scaled for padded, scaled in zip(placement.padded, placement.scaled, strict=True))
    corner = tuple(o * s - m for o, s, m in zip(placement.offset, steps, placement.margin, strict=True))
    return corner, steps


def _touches(start: float, step: float, count: int, length: int) -> np.ndarray:
    """Return which of a frame's rows (or columns) reach the middle of a pixel of the original: others are padding."""
    edge = start + np.arange(count) * step
    return (edge + step > 0.5) & (edge < length - 0.5)


def _corners(mask: np.ndarray) -> list[np.ndarray]:
    """Return the exact outlines of a mask, those of holes too: (P, 2) float64 corners (x, y) at pixel edges.

    A pixel becomes the nine points of its closed square on a grid of half pixels. The border that OpenCV follows
    there runs along pixel edges, except that it cuts inner corners: those are put back.
    """
    import cv2

    height, width = mask.shape
    grid = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    grid[1::2, 1::2] = mask
    grid = cv2.dilate(grid, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(grid, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [_with_inner_corners(contour[:, 0]) / 2 for contour in contours]


def _with_inner_corners(points: np.ndarray) -> np.ndarray:
    following = np.roll(points, -1, axis=0)
    diagonal = (points != following).all(1)
    # a diagonal step joins the middles of two pixel edges; the corner they share has two even coordinates
    corners = np.where(points % 2 == 0, points, following)
    doubled = np.stack([points, corners], axis=1).reshape(-1, 2)
    return doubled[np.stack([np.ones_like(diagonal), diagonal], axis=1).ravel()]


def _on_picture(
    corners: np.ndarray, scale: tuple[float, float], origin: tuple[float, float], size: tuple[float, float] | None
) -> np.ndarray:
    placed = corners * scale[::-1] + origin[::-1]
    return placed if size is None else placed.clip(0, size[::-1])


def _area(polygon: np.ndarray) -> float:
    x, y = polygon.T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _simple(polygon: np.ndarray) -> np.ndarray:
    """Return the polygon with fewer corners; at least a triangle, or only without the points on straight lines."""
    import cv2

    points = polygon.astype(np.float32)[:, None]
    simple = cv2.approxPolyDP(points, TOLERANCE, True)
    return (simple if len(simple) > 2 else cv2.approxPolyDP(points, 1e-3, True))[:, 0]


def _text(polygon: np.ndarray) -> str:
    return f"M{' '.join(f'{x:.1f},{y:.1f}'.replace('.0', '') for x, y in polygon)}Z"
