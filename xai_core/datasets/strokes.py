"""A small drawn set whose every part is known: classes made of strokes, one stroke shared by two of them.

It plants a truth for methods that name the parts a network goes by (I2X, METHODS 2). A picture is 36 x 48 pixels of
grey noise, in four fields of 18 x 24; each stroke of a sample lies in a field of its own, drawn by lot, moved by lot
within it. `STROKES` says which strokes a class has:

- A and B have the ``ring`` in all samples, and nothing else: no network can do better than guess between them;
- C has the ``cross`` in all samples;
- D has the ``bar`` in all samples, and the ``slash`` in one half of them, the ``post`` in the other;
- E has no stroke of its own: whatever a network goes by where it sees none is E's;
- the ``corner`` is in half of all samples of every class and says nothing of A to D.

``strokes:FOLDER`` draws the set into the folder the first time, and reads it from then on. A column for each stroke
says where it lies, ``xmin ymin xmax ymax``, half-open, in pixels (`box_of`); the region of a sample is the boxes of
the strokes that speak for its class.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from xai_core.datasets import table
from xai_core.datasets.format import Format
from xai_core.errors import BadInput
from xai_core.files import read_json, write_json
from xai_core.types import DataSet, Sample

SIZE, FIELDS = (36, 48), (2, 2)
SIDE, WIDTH = 14, 2.4
"""Side of a stroke's box and width of its line, in pixels."""

BACKGROUND, NOISE = 70.0, 4.0
INK = 130.0
"""What a stroke adds to the background's grey level."""

STROKES = {
    "A": (("ring",),),
    "B": (("ring",),),
    "C": (("cross",),),
    "D": (("bar",), ("slash", "post")),
    "E": (),
}
"""Class -> its groups of strokes: a sample has one stroke of each group, a different one in turn."""

IDLE = "corner"
"""The stroke that says nothing."""

# lines from point to point in a square of side 1, y down; the ring is a line of many points
_ARC = np.linspace(0.0, 2.0 * np.pi, 25)
_LINES: Mapping[str, tuple] = {
    "ring": ([(0.5 + 0.5 * np.cos(t), 0.5 + 0.5 * np.sin(t)) for t in _ARC],),
    "cross": ([(0, 0), (1, 1)], [(0, 1), (1, 0)]),
    "bar": ([(0, 0.25), (1, 0.25)], [(0, 0.75), (1, 0.75)]),
    "slash": ([(0, 1), (1, 0)],),
    "post": ([(0.5, 0), (0.5, 1)],),
    "corner": ([(0, 0), (1, 0), (1, 1)],),
}
NAMES = tuple(_LINES)

N, SEED = 720, 0
PAIR = ("A", "B")
TURNS = 4
"""After so many samples of every class all that a class has occurred alike; the splits take them by turns."""

_SPLITS = ("train", "train", "train", "train", "validation", "test")
TABLE, ABOUT = "samples.csv", "about.json"
_OPTIONS = {"n": f"how many pictures to draw, {N} where it is left out", "seed": f"decides them all; {SEED}"}


def read(path: Path, options: Mapping[str, str]) -> DataSet:
    """Return the set in the folder `path`, after drawing it there where there is none.

    Raises
    ------
    BadInput
        Where the folder holds something else, or a set that was drawn with other options.
    """
    asked = {name: _whole(name, text) for name, text in options.items()}
    if not (path / ABOUT).is_file():
        write(path, **asked)
    found = read_json(path / ABOUT)
    for name, value in asked.items():
        if found.get(name) != value:
            raise BadInput(
                where=path,
                expected=f"strokes drawn with {name}={value}",
                found=f"some drawn with {name}={found.get(name)}",
                remedy="name another folder, or leave the option out",
            )
    return table.read(path / TABLE, {"classes": ",".join(STROKES), "synthetic": "true", "bands": "objects"})


def write(folder: Path, n: int = N, seed: int = SEED) -> Path:
    """Return the path of the table after drawing a set of `n` pictures into a new folder; it is there whole or not.

    Raises
    ------
    BadInput
        Where `n` leaves a split without some kind of sample, or the folder holds something.
    """
    folder = Path(folder)
    if n < (least := len(STROKES) * TURNS * len(_SPLITS)):
        raise BadInput(where="n", expected=f"{least} pictures or more", found=str(n), remedy="ask for more")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(where=folder, expected="a new folder", found="something there", remedy="name another folder")
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    try:
        (fresh / "images").mkdir(parents=True)
        rows = [_write_sample(fresh, k, seed) for k in range(n)]
        with (fresh / TABLE).open("w", encoding="utf-8", newline="") as file:
            lines = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
            lines.writeheader()
            lines.writerows(rows)
        write_json(fresh / ABOUT, {"n": n, "seed": seed})
        if folder.exists():
            folder.rmdir()
        fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder / TABLE


def kind(index: int) -> tuple[str, tuple[str, ...], str]:
    """Return class, strokes and split of a sample: classes take turns, then a group's strokes, then the idle one."""
    turn, k = divmod(index, len(STROKES))
    label = tuple(STROKES)[k]
    own = tuple(group[turn % len(group)] for group in STROKES[label])
    idle = (IDLE,) if turn // 2 % 2 else ()
    return label, own + idle, _SPLITS[turn // TURNS % len(_SPLITS)]


def draw(strokes: Sequence[str], rng: np.random.Generator) -> tuple[np.ndarray, dict[str, tuple[int, int, int, int]]]:
    """Return a picture of some strokes, (H, W) uint8, and where they lie: name -> (xmin, ymin, xmax, ymax)."""
    height, width = (side // fields for side, fields in zip(SIZE, FIELDS, strict=True))
    picture = BACKGROUND + NOISE * rng.standard_normal(SIZE)
    places = {}
    for name, field in zip(strokes, rng.permutation(FIELDS[0] * FIELDS[1]), strict=False):
        row, column = divmod(int(field), FIELDS[1])
        ymin = row * height + int(rng.integers(1, height - SIDE))
        xmin = column * width + int(rng.integers(1, width - SIDE))
        places[name] = (xmin, ymin, xmin + SIDE, ymin + SIDE)
        picture[ymin : ymin + SIDE, xmin : xmin + SIDE] += INK * _cover(name)
    return np.clip(np.round(picture), 0, 255).astype(np.uint8), places


def box_of(sample: Sample, name: str) -> tuple[int, int, int, int] | None:
    """Return where a stroke lies in a sample, (xmin, ymin, xmax, ymax); None where the sample is without it."""
    text = sample.metadata[name]
    return None if text is None else tuple(map(int, str(text).split()))


@cache
def _cover(name: str) -> np.ndarray:
    """Return how much of each pixel a stroke covers, (SIDE, SIDE) in [0, 1]; the line's ends stay inside."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    inner = SIDE - WIDTH - 1.0
    nearest = np.full((SIDE, SIDE), np.inf)
    for line in _LINES[name]:
        points = np.array(line, np.float64) * inner + (SIDE - inner) / 2.0
        for (x0, y0), (x1, y1) in pairwise(points):
            along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
            along = np.clip(along, 0.0, 1.0)
            nearest = np.minimum(nearest, np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)))
    return np.clip((WIDTH + 1.0) / 2.0 - nearest, 0.0, 1.0)


def _write_sample(folder: Path, index: int, seed: int) -> dict[str, str]:
    from PIL import Image

    label, names, split = kind(index)
    picture, places = draw(names, np.random.default_rng((seed, index)))
    image = f"images/s{index:05d}.png"
    Image.fromarray(picture).save(folder / image)
    texts = {name: " ".join(map(str, box)) for name, box in places.items()}
    return {
        "image": image,
        "label": label,
        "split": split,
        "boxes": "; ".join(text for name, text in texts.items() if name != IDLE),
        **{name: texts.get(name, "") for name in NAMES},
    }


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise BadInput(where=f"option {name}", expected="a whole number", found=repr(text), remedy="correct it")
    return int(text)


FORMAT = Format("a drawn set with a planted truth, strokes:FOLDER: drawn there the first time", read, _OPTIONS)
