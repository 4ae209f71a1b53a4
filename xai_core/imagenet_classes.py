"""The thousand classes of ILSVRC 2012, in the order every published classifier uses."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

# METHODS 5c: the 42 classes of ImageNet-9's super-class "wheeled vehicle", as indices into the thousand
VEHICLES = (
    407, 408, 428, 436, 444, 468, 511, 547, 555, 561, 565, 569, 573, 586, 603, 609, 612, 627, 656, 661, 665,
    670, 671, 675, 690, 705, 717, 734, 751, 757, 791, 802, 803, 817, 820, 829, 847, 864, 866, 867, 870, 880,
)  # fmt: skip


@cache
def _table() -> tuple[tuple[str, ...], tuple[str, ...]]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(r["wnid"] for r in rows), tuple(r["name"] for r in rows)


def wnids() -> tuple[str, ...]:
    """Return the thousand WordNet ids, sorted: position = class index."""
    return _table()[0]


def names() -> tuple[str, ...]:
    """Return the thousand class names, each unique ("crane (n02012849)" where two classes share a word)."""
    return _table()[1]
