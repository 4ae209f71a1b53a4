"""Rows of pictures of a track: prototypes on whole images, and one image at every checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from xai_core.i2x.patches import spread
from xai_core.ui import components
from xai_core.ui.structure_data import Shown, maps_over_time, picture_of

OWN, OTHERS = 6, 3
SAMPLE = "sample"


def open_sample(sample_id: str) -> None:
    """Show one sample, from a callback."""
    st.query_params[SAMPLE] = sample_id


def tile(shown: Shown, row: int, cells: np.ndarray | None, caption: str, note: str, said: str) -> dict:
    """Return a sample as the strips draw it; `said` tells readers without eyes what is outlined on it."""
    picture, sample_id = picture_of(shown, row), str(shown.ids[row])
    return {
        "id": sample_id,
        "src": picture.src,
        "width": picture.width,
        "height": picture.height,
        "outline": "" if cells is None else picture.outline(cells),
        "frame": picture.frame(),
        "heat": None,
        "caption": caption,
        "note": note,
        "alt": f"{sample_id}, {said}" + ("" if picture.placement else "; the image cannot be shown"),
        "selected": False,
    }


def carrier(shown: Shown, row: int, prototype: int, caption: str, note: str | None = None) -> dict:
    """Return a tile of a sample with the places of a prototype outlined."""
    cells, label = shown.cells(row, prototype), shown.names[shown.labels[row]]
    said = f"label {label}: prototype {prototype} on {cells.sum()} of {cells.size} places"
    return tile(shown, row, cells, caption, str(shown.ids[row]) if note is None else note, said)


def carriers(shown: Shown, prototype: int, label: int, own: int = OWN, others: int = OTHERS) -> list[dict]:
    """Return tiles of a prototype: carriers of a class, evenly spread over them, and one of each class that has most.

    Classes of which fewer than one in twenty carry it are not shown beside it.
    """
    found = []
    most = np.argsort(-np.nan_to_num(shown.coverage[prototype]), kind="stable")
    beside = [k for k in most.tolist() if k != label and np.nan_to_num(shown.coverage[prototype, k]) >= 0.05]
    for k, count in [(label, own), *((k, 1) for k in beside[:others])]:
        rows = spread(np.flatnonzero(shown.carried[:, prototype] & (shown.labels == k)), count)
        found += [carrier(shown, row, prototype, shown.names[k]) for row in rows.tolist()]
    return found


def over_time(
    shown: Shown, rows: Sequence[tuple[int, str, str]], unit: str, label: int | None, prototype: int | None, key: str
) -> None:
    """Draw samples at every checkpoint, their Grad-CAM on one colour scale.

    Parameters
    ----------
    shown : Shown
    rows : sequence of (row, title, text)
        Samples.
    unit : str
    label : int or None
        The class whose confidence stands below a picture; each sample's own label without.
    prototype : int or None
        Whose places are outlined.
    key : str
    """
    places = [row for row, _, _ in rows]
    maps, confidence = maps_over_time(shown, places, unit)
    limit = float(maps.max(initial=0)) or 1.0
    drawn = []
    for k, (row, title, text) in enumerate(rows):
        of = int(shown.labels[row]) if label is None else label
        cells = None if prototype is None else shown.cells(row, prototype)
        tiles = []
        for at, step in enumerate(shown.track.steps):
            says = f"{shown.names[of]}: {confidence[at, k, of]:.2f}"
            said = f"after {step} updates: confidence in {says}, mean Grad-CAM {maps[at, k].mean():.3g}"
            heat = np.round(255 * maps[at, k] / limit).astype(int).tolist()
            tiles.append(tile(shown, row, cells, f"{step:,}", says, said) | {"heat": heat})
        drawn.append({"title": title, "text": text, "badge": "", "claimed": True, "tiles": tiles})
    means = "Grad-CAM of the label" if shown.track.settings["target"] == "label" else "Grad-CAM of the final call"
    divided = ", each checkpoint divided by its mean over all samples" if unit == "normalised" else ""
    scale = {
        "high": f"{limit:.3g}",
        "unit": f"{means}{divided}: one scale over all checkpoints and pictures of this list",
    }
    components.strips({"rows": drawn, "scale": scale}, key=key)
