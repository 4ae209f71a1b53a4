"""A small track on drawn pictures whose structure is known, for the page that shows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from i2x_fixtures import make_track
from i2x_made import GROUND, made

from xai_core.i2x.options import Options
from xai_core.i2x.store import Track
from xai_core.i2x.structure import structure

GRID, SIZE, FRAME = (4, 6), (60, 45), (32, 48)
"""Places of a track, height and width of its pictures, and of the model frame they are cut for: none of one shape."""

OPTIONS = Options(permutations=99, resamples=40, repeats=2, pairs=3)
HOSTILE = ("<img src=x onerror=alert(1)>", "**bold** [x](http://evil.test)", "a, b", "${7*7}")


def drawn_track(
    folder: Path,
    *,
    class_names: tuple[str, ...] | None = None,
    seed: int = 3,
    pictures: bool = True,
    analysed: bool = True,
) -> Track:
    """Return a track of `i2x_made.made`: each prototype but the ground on two places of its own.

    Without `pictures` its images are absent; without `analysed` there is no structure.json.
    """
    evidence = made(samples=160, seed=seed)
    carried, height = evidence.share > 0, GRID[0] * GRID[1]
    places = np.full((len(carried), height), GROUND)
    for k in range(carried.shape[1]):
        if k != GROUND:
            places[np.ix_(carried[:, k], [k, k + 12])] = k
    rows = np.arange(len(places))[:, None]
    heatmaps = {step: evidence.intensity[at][rows, places] for at, step in enumerate(evidence.steps)}
    track = make_track(
        folder,
        places=places,
        heatmaps=heatmaps,
        probabilities=dict(zip(evidence.steps, evidence.probabilities, strict=True)),
        labels=evidence.labels,
        class_names=class_names or evidence.class_names,
        grid=GRID,
        prototypes=carried.shape[1],
        model="models/small",
        target="label",
        frame={"size": list(FRAME), "fit": "crop", "resize": 48, "interpolation": "bilinear"},
    )
    if pictures:
        _draw(folder, track)
    if analysed:
        structure(track, OPTIONS)
    return track


def _draw(folder: Path, track: Track) -> None:
    from PIL import Image

    (folder / "images").mkdir()
    for k, image in enumerate(track.samples["image"]):
        pixels = np.random.default_rng(k).integers(60, 200, (*SIZE, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / image)
