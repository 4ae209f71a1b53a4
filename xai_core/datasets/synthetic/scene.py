"""One synthetic dermoscopy picture, drawn from its seed and number, and a stream of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from xai_core.datasets.synthetic.artefacts import Box, draw_bubbles, draw_hairs, draw_ruler
from xai_core.datasets.synthetic.canvas import Canvas, stream, to_pixels
from xai_core.datasets.synthetic.outline import Outline, draw_outline
from xai_core.datasets.synthetic.patch import add_patch, wears_patch
from xai_core.datasets.synthetic.patient import Patient, draw_patient
from xai_core.datasets.synthetic.pigment import paint_lesion
from xai_core.datasets.synthetic.rule import Traits, draw_traits, is_borderline
from xai_core.datasets.synthetic.skin import draw_light, draw_skin

SIZE = (144, 192)


@dataclass(frozen=True)
class SyntheticImage:
    """A picture with everything that is true of it.

    Attributes
    ----------
    id : str
        Unique for one seed.
    image : (H, W, 3) uint8 RGB
    mask : (H, W) bool
        The lesion, exact.
    label : str
        'benign' or 'malignant'.
    metadata : dict of str to str, int, float or None
        ``split`` and ``group``, patient, traits of the rule, and where each artefact is; None where it has none.
    """

    id: str
    image: np.ndarray
    mask: np.ndarray
    label: str
    metadata: dict[str, str | int | float | None]


def generate(n: int, seed: int, *, patches: bool = True, size: tuple[int, int] = SIZE) -> Iterator[SyntheticImage]:
    """Yield images 0 to n - 1 of a seed; image k owes nothing to `n` nor to the images before it.

    With ``patches=False`` the same pictures come without the planted shortcut, equal in every other pixel.
    """
    for index in range(n):
        yield draw(index, seed, patches=patches, size=size)


def draw(index: int, seed: int, *, patches: bool = True, size: tuple[int, int] = SIZE) -> SyntheticImage:
    """Return image `index` of a seed; `size` is (height, width) in pixels."""
    canvas, patient = Canvas(size), draw_patient(seed, index)
    traits, label = draw_traits(stream(seed, index, "rule"), patient.risk)
    outline = draw_outline(stream(seed, index, "outline"), canvas, traits)
    light = draw_light(stream(seed, index, "light"), canvas, outline.mask)
    tone, scene = draw_skin(stream(seed, index, "skin"), canvas, patient.skin_tone)
    scene, structure = paint_lesion(stream(seed, index, "pigment"), canvas, outline, traits, scene, tone)
    scene, hairs = draw_hairs(stream(seed, index, "hairs"), canvas, scene)
    scene, ruler = draw_ruler(stream(seed, index, "ruler"), canvas, scene, outline.pixels_per_mm)
    scene, bubbles = draw_bubbles(stream(seed, index, "bubbles"), canvas, scene)
    image, patch = to_pixels(scene * light.brightness[..., None] * light.tint), None
    if patches and wears_patch(seed, index, label):
        image, patch = add_patch(image, outline.mask | _filled(canvas, ruler), seed, index)
    metadata = _of_patient_and_lesion(patient, traits, outline) | {
        "structure": structure,
        "hairs": hairs,
        "bubbles": bubbles,
        "dark_corners": int(light.dark_corners),
        **_box_columns("ruler", ruler),
        **_box_columns("patch", patch),
    }
    return SyntheticImage(f"synthetic_{seed}_{index:05d}", image, outline.mask, label, metadata)


def _of_patient_and_lesion(patient: Patient, traits: Traits, outline: Outline) -> dict[str, str | int | float]:
    return {
        "split": patient.split,
        "group": patient.group,
        "age": patient.age,
        "sex": patient.sex,
        "skin_tone": patient.skin_tone,
        "asymmetry": traits.asymmetry,
        "border": traits.border,
        "colours": len(traits.colours),
        "colour_names": "+".join(traits.colours),
        "diameter_mm": traits.diameter,
        "abcd_score": traits.score,
        "borderline": int(is_borderline(traits.score)),
        "lesion_area_fraction": round(float(outline.mask.mean()), 5),
        "pixels_per_mm": round(outline.pixels_per_mm, 3),
    }


def _box_columns(name: str, box: Box | None) -> dict[str, int | None]:
    corners = (f"{name}_{corner}" for corner in ("xmin", "ymin", "xmax", "ymax"))
    return {f"has_{name}": int(box is not None)} | dict(zip(corners, box or (None,) * 4, strict=True))


def _filled(canvas: Canvas, box: Box | None) -> np.ndarray:
    mask = np.zeros(canvas.size, bool)
    if box:
        mask[box[1] : box[3], box[0] : box[2]] = True
    return mask
