"""The set as files: a table, PNG pictures, PNG masks, and a page that says what they are."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import numpy as np

from xai_core.datasets.synthetic.scene import SIZE, SyntheticImage, generate
from xai_core.errors import BadInput

N, SEED = 400, 7

# every column of samples.csv and what it says, in the order of the file
COLUMNS = {
    "image": "the picture, relative to this folder",
    "label": "benign or malignant, by the ABCD score (see above)",
    "mask": "the lesion, exact: white (255) where it hides half of the skin or more",
    "split": "train, validation or test",
    "group": "the patient; some have two pictures, always in one split",
    "age": "years; the old have more malignant lesions",
    "sex": "female or male; men have slightly more malignant lesions",
    "skin_tone": "1 (palest) to 6 (darkest); says nothing about the label",
    "asymmetry": "A, 0 to 2: how far outline, colours and structures depart from symmetry",
    "border": "B, 0 to 8: eighths of the border that are ragged and cut off abruptly",
    "colours": "C, 1 to 6: how many of the six colours occur",
    "colour_names": "which they are",
    "diameter_mm": "the lesion's longest chord in mm; D is half of it, at most 5",
    "abcd_score": "1.3 A + 0.1 B + 0.5 C + 0.5 D",
    "borderline": "1 where the score lies between 4.75 and 5.45, where the label is left to chance",
    "lesion_area_fraction": "white pixels of the mask / all pixels",
    "pixels_per_mm": "the picture's scale; a ruler, where there is one, agrees",
    "structure": "network, globules or plain; says nothing about the label",
    "hairs": "how many hairs; says nothing about the label",
    "bubbles": "how many gel bubbles; says nothing about the label",
    "dark_corners": "1 where the instrument's tube darkens the corners; says nothing about the label",
    "has_ruler": "1 where a millimetre scale runs along an edge; says nothing about the label",
    "ruler_xmin": "box around the scale, half-open pixels [xmin, xmax) x [ymin, ymax); empty without one",
    "ruler_ymin": "",
    "ruler_xmax": "",
    "ruler_ymax": "",
    "has_patch": "1 where a coloured patch lies at the edge: THE PLANTED SHORTCUT, benign pictures only",
    "patch_xmin": "box around the patch, half-open; empty without one",
    "patch_ymin": "",
    "patch_xmax": "",
    "patch_ymax": "",
}

_PAGE = """# Synthetic dermoscopy

**These pictures were drawn by a program. No patient, no skin, no lesion is behind any of them. They are for
demonstrations and tests of explanations, and say nothing about the diagnosis of real lesions.**

{n} pictures of {width} x {height} pixels, seed {seed}{without}. Drawn by `xai_core.datasets.synthetic`; the same call
makes the same pixels: `write(folder, n={n}, seed={seed}, patches={patches})`. Same licence as the code.

## What decides the label

The ABCD rule of dermatoscopy: score = 1.3 A + 0.1 B + 0.5 C + 0.5 D of asymmetry, border, colours and diameter.
Below 4.75 benign, above 5.45 malignant. Between the two the case is borderline: its label was drawn by lot, malignant
with a chance that rises from 0 to 1 across the zone. (The published rule counts structures as D; here D is half of the
diameter in mm, at most 5.)

## What does not

Skin tone, hairs, rulers, gel bubbles, dark corners and the structure of the pigment were drawn without a look at the
label.

## The planted shortcut

{shortcut}

## Columns of samples.csv

| column | meaning |
|---|---|
{rows}
"""
_SHORTCUT = """About half of the benign pictures have a coloured round patch at the edge; no malignant one has, as in
the real ISIC archive. A classifier that looks at the patch is right for the wrong reason: `patch_*` says where the
patch is, the mask where a classifier should look."""
_NO_SHORTCUT = "None here: this set was drawn without patches."


def write(folder: Path, n: int = N, seed: int = SEED, patches: bool = True, size: tuple[int, int] = SIZE) -> Path:
    """Return the path of ``samples.csv`` after writing a set of `n` pictures to `folder`.

    The files are made in a folder beside it that then takes its place: a set is there whole or not at all.

    Raises
    ------
    BadInput
        Where `n` is below 1, or the folder holds anything but an earlier set (which is replaced).
    """
    folder = Path(folder)
    if n < 1:
        raise BadInput(where="n", expected="1 picture or more", found=str(n), remedy="ask for at least one")
    _refuse_others_files(folder)
    fresh, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{end}") for end in ("new", "old"))
    try:
        for name in ("images", "masks"):
            (fresh / name).mkdir(parents=True)
        rows = [_write_files(fresh, drawn) for drawn in generate(n, seed, patches=patches, size=size)]
        _write_table(fresh / "samples.csv", rows)
        (fresh / "README.md").write_text(_page(n, seed, patches, size), encoding="utf-8")
        _swap(fresh, folder, old)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder / "samples.csv"


def _swap(fresh: Path, folder: Path, old: Path) -> None:
    """Put `fresh` in the place of `folder`; where that fails the earlier one stays."""
    if folder.exists():
        folder.replace(old)
    try:
        fresh.replace(folder)
    except OSError:
        if old.exists():
            old.replace(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _refuse_others_files(folder: Path) -> None:
    others = (
        {p.name for p in folder.iterdir()} - {"samples.csv", "README.md", "images", "masks"} if folder.exists() else ()
    )
    if others:
        raise BadInput(
            where=folder,
            expected="no folder, an empty one, or an earlier synthetic set",
            found=", ".join(sorted(others)[:3]),
            remedy="name another folder; this one would be replaced",
        )


def _write_files(folder: Path, drawn: SyntheticImage) -> dict[str, object]:
    """Return the table's row after writing the picture and its mask."""
    from PIL import Image

    image, mask = f"images/{drawn.id}.png", f"masks/{drawn.id}.png"
    # zlib's "filtered" strategy (1) makes these pictures 6 % smaller than Pillow's optimize
    for name, pixels in ((image, drawn.image), (mask, drawn.mask.astype(np.uint8) * 255)):
        Image.fromarray(pixels).save(folder / name, compress_level=9, compress_type=1)
    return {"image": image, "label": drawn.label, "mask": mask, **drawn.metadata}


def _write_table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(COLUMNS), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def _page(n: int, seed: int, patches: bool, size: tuple[int, int]) -> str:
    return _PAGE.format(
        n=n,
        height=size[0],
        width=size[1],
        seed=seed,
        patches=patches,
        without="" if patches else ", without patches",
        shortcut=_SHORTCUT if patches else _NO_SHORTCUT,
        rows="\n".join(f"| `{name}` | {meaning} |" for name, meaning in COLUMNS.items()),
    )
