"""What lies between the lens and the lesion whatever its label: hairs, a ruler, bubbles in the gel."""

from __future__ import annotations

import numpy as np

from xai_core.datasets.synthetic.canvas import Canvas, blend, smoothstep

Box = tuple[int, int, int, int]


def draw_hairs(rng: np.random.Generator, canvas: Canvas, scene: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the scene (H, W, 3) with hairs, and their number: none in half of the pictures, else 1 to 14."""
    count = int(rng.integers(1, 15)) if rng.random() < 0.5 else 0
    colour = np.array([[38, 28, 24], [74, 50, 36], [112, 84, 60]][int(rng.integers(3))], np.float64)
    cover = np.zeros(canvas.size)
    for _ in range(count):
        _add_hair(rng, canvas, cover)
    return blend(scene, np.broadcast_to(colour, scene.shape), 0.85 * cover), count


def _add_hair(rng: np.random.Generator, canvas: Canvas, cover: np.ndarray) -> None:
    """Lay one hair over what is covered, (H, W) in [0, 1]: a bent line that thins towards its end."""
    height, width = canvas.size
    root = rng.random(2) * (height, width)
    turn, length = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(45.0, 130.0) * canvas.unit
    tip = root + length * np.array([np.sin(turn), np.cos(turn)])
    bend = (root + tip) / 2.0 + rng.standard_normal(2) * 0.16 * length
    t = np.linspace(0.0, 1.0, 25)[:, None]
    points = (1 - t) ** 2 * root + 2 * t * (1 - t) * bend + t**2 * tip
    thickness = rng.uniform(0.55, 1.0) * canvas.unit
    for k in range(len(points) - 1):
        reach = thickness * (1.0 - 0.6 * k / len(points))
        rows, columns, distance = _near_segment(canvas, points[k], points[k + 1], reach + 1.0)
        line = 1.0 - smoothstep(distance, reach - 0.6, reach + 0.6)
        cover[rows, columns] = np.maximum(cover[rows, columns], line)


def _near_segment(canvas: Canvas, start: np.ndarray, end: np.ndarray, reach: float) -> tuple[slice, slice, np.ndarray]:
    """Return the rows and columns around a segment, and each such pixel's distance from it."""
    low = np.floor(np.minimum(start, end) - reach).astype(int)
    high = np.ceil(np.maximum(start, end) + reach).astype(int) + 1
    rows, columns = (slice(max(a, 0), max(min(b, side), 0)) for a, b, side in zip(low, high, canvas.size, strict=True))
    along = end - start
    y, x = canvas.y[rows] - start[0], canvas.x[:, columns] - start[1]
    t = np.clip((y * along[0] + x * along[1]) / max(float(along @ along), 1e-9), 0.0, 1.0)
    return rows, columns, np.sqrt((y - t * along[0]) ** 2 + (x - t * along[1]) ** 2)


def draw_ruler(
    rng: np.random.Generator, canvas: Canvas, scene: np.ndarray, pixels_per_mm: float
) -> tuple[np.ndarray, Box | None]:
    """Return the scene with a millimetre scale along one edge in one picture of five, and its box (None without)."""
    if rng.random() >= 0.2:
        return scene, None
    edge = ("left", "right", "top", "bottom")[int(rng.integers(4))]
    upright = edge in ("left", "right")
    along, across = (canvas.y, canvas.x) if upright else (canvas.x, canvas.y)
    side = canvas.size[1 if upright else 0]
    inward = across if edge in ("left", "top") else side - across
    offset = rng.uniform(2.0, 5.0) * canvas.unit
    mark = (along - rng.uniform(0.0, pixels_per_mm)) / pixels_per_mm
    nearest = np.round(mark)
    reach = np.where(nearest % 5 == 0, 11.0, 6.0) * canvas.unit
    tick = 1.0 - smoothstep(np.abs(mark - nearest) * pixels_per_mm, 0.3, 1.1)
    cover = tick * (inward >= offset) * (inward <= offset + reach)
    colour = np.array([[32, 32, 34], [238, 238, 236]][int(rng.random() < 0.35)], np.float64)
    return blend(scene, np.broadcast_to(colour, scene.shape), 0.8 * cover), box_of(cover > 0.5)


def draw_bubbles(rng: np.random.Generator, canvas: Canvas, scene: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the scene with bubbles in the contact gel, and their number: none in 7 pictures of 10, else 1 to 5."""
    count = int(rng.integers(1, 6)) if rng.random() < 0.3 else 0
    for _ in range(count):
        centre = (rng.uniform(0.0, canvas.size[0]), rng.uniform(0.0, canvas.size[1]))
        radius = rng.uniform(3.0, 9.0) * canvas.unit
        distance = canvas.distance(centre)
        facing = ((canvas.y - centre[0]) + (canvas.x - centre[1])) / (radius * np.sqrt(2.0))
        wall = 1.0 - smoothstep(np.abs(distance - radius), 0.3, 1.3)
        scene = scene * (1.0 - 0.3 * wall * smoothstep(facing, -0.3, 1.0))[..., None]
        scene = blend(scene, np.full_like(scene, 250.0), 0.55 * wall * smoothstep(-facing, -0.3, 1.0))
        glint = canvas.disc((centre[0] - 0.45 * radius, centre[1] - 0.45 * radius), 0.2 * radius, 0.8)
        scene = blend(scene, np.full_like(scene, 255.0), 0.9 * glint)
        scene = scene * (1.0 + 0.05 * canvas.disc(centre, radius))[..., None]
    return scene, count


def box_of(mask: np.ndarray) -> Box | None:
    """Return the half-open box (xmin, ymin, xmax, ymax) around a bool mask's True pixels; None where it has none."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return None
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
