"""Tiles of the gallery: a thumbnail of the whole original with the outlines of ground truth and explanation."""

from __future__ import annotations

import base64
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xai_core.errors import SampleError
from xai_core.geometry import Frame, Placement
from xai_core.review.kept import Kept, Place, rows_of
from xai_core.review.outlines import path_on
from xai_core.runs import rows
from xai_core.runs.scoring import regions_of
from xai_core.runs.spread import over_threads
from xai_core.runs.store import Run
from xai_core.scores import regions as region_rules

LONGER_SIDE = 176
QUALITY = 80
BATCH = 64
SCALE_RECORDS, SCALE_PIXELS = 1000, 20_000_000
_GREY, _INK = 205, 70


@dataclass(frozen=True)
class Tile:
    """A record in the gallery.

    Attributes
    ----------
    sample_id : str
    src : str
        Data URL of a JPEG of the whole original; of a grey picture that says why where it cannot be shown.
    width, height : int
        Of the picture, pixels.
    truth, explanation : str
        SVG path data in pixels of the picture; '' where there is no such region, or no picture.
    """

    sample_id: str
    src: str
    width: int
    height: int
    truth: str
    explanation: str


@dataclass(frozen=True)
class _Picture:
    """A thumbnail; one that is not ``whole`` says why instead, and is not kept: the file may come back."""

    jpeg: bytes
    height: int
    width: int
    whole: bool = True


def tiles(run: Run, rule: str | None, sample_ids: Sequence[str]) -> list[Tile]:
    """Return a tile for each id, in the order asked for; those that are not kept yet are made.

    Parameters
    ----------
    run : Run
    rule : str or None
        Region rule of the explanation's outline; the explainer's own without one.
    sample_ids : sequence of str
        A page of them, 24 to 120.

    Raises
    ------
    BadInput
        Where the run has no such sample, or the rule does not fit the run's maps.
    """
    pictures, outlines = _complete(run, rule, sample_ids, workers=2)
    return [_tile(sample_id, pictures[sample_id], outlines[sample_id]) for sample_id in sample_ids]


def prepare_tiles(
    run: Run, rule: str | None = None, progress: Callable[[int, int], object] | None = None, workers: int = 2
) -> None:
    """Make all tiles of a run that are not kept yet, with `workers` threads; call ``progress(done, total)``."""
    # in the order of the parts: each row group is read once or twice
    sample_ids = [place.sample_id for place in Kept(run).find()]
    for start in range(0, len(sample_ids), BATCH):
        _complete(run, rule, sample_ids[start : start + BATCH], workers)
        if progress:
            progress(min(start + BATCH, len(sample_ids)), len(sample_ids))


def scale_of(run: Run) -> float:
    """Return the run's 99th percentile of |heatmap|: the strength that maps of different explainers are divided by.

    Over the pixels, at the maps' own resolution, of a seeded sample of at most `SCALE_RECORDS` records (fewer where
    maps are large); 0.0 where there are none, or zeros nearly everywhere.
    """
    kept = Kept(run)
    known = kept.about("scale")
    if known is None:
        known = repr(_scale(run, kept))
        kept.add("about", [("scale", known)])
    return float(known)


def placement_of(run: Run, size: tuple[int, int]) -> Placement:
    """Return where an original of `size` (height, width) lies in the run's model frame."""
    return Frame(**run.settings["frame"]).place(size)


def picture_path(run: Run, image: str) -> Path:
    """Return the file of a record's `image`; raises SampleError where it is absent or outside the data set's root."""
    from xai_core.datasets.format import inside

    return inside(Path(os.path.realpath(run.folder / run.settings["dataset_root"])), image, "the run")


def no_picture(error: SampleError, size: tuple[int, int]) -> bytes:
    """Return a grey JPEG of `size` (height, width) that says why there is no picture."""
    from PIL import Image, ImageDraw, ImageFont

    reason = {
        "file_missing": "image not found",
        "image_too_large": "image too large",
        "path_outside": "outside the data set",
    }.get(error.kind, "image not usable")
    height, width = size
    image = Image.new("RGB", (width, height), (_GREY,) * 3)
    font = ImageFont.load_default(size=max(8, width / 12))
    ImageDraw.Draw(image).text((width / 2, height / 2), reason, (_INK,) * 3, font, anchor="mm")
    return encode_jpeg(np.asarray(image), QUALITY)


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    """Return an (H, W, 3) uint8 RGB image as JPEG."""
    import cv2

    return cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def data_url(data: bytes, kind: str = "jpeg") -> str:
    """Return a picture's bytes as a data URL."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def check_unchanged(own: tuple[int, int], recorded: tuple[int, int], path: Path) -> None:
    """Raise SampleError where an image is not of the (height, width) that was explained: no outline would fit it."""
    if recorded != (0, 0) and own != recorded:
        raise SampleError(
            where=path,
            expected=f"the image that was explained, {recorded[1]} x {recorded[0]}",
            found=f"{own[1]} x {own[0]}",
            remedy="restore the file, or explain it anew",
        )


def _complete(
    run: Run, rule: str | None, sample_ids: Sequence[str], workers: int
) -> tuple[dict[str, _Picture], dict[str, tuple[str, str]]]:
    """Return pictures and outlines (truth, explanation) by id, after making those that are not kept."""
    rule = str(region_rules.parse(rule or run.settings["region_rule"]))
    kept = Kept(run)
    pictures = {row[0]: _Picture(*row[1:]) for row in kept.of_samples("pictures", sample_ids)}
    outlines = {row[0]: row[2:] for row in kept.of_samples("outlines", sample_ids, "rule = ?", rule)}
    missing = [i for i in dict.fromkeys(sample_ids) if i not in pictures or i not in outlines]
    places = kept.places(missing) if missing else []
    lacking = [place for place in places if place.sample_id not in outlines]
    drawn = {sample_id: paths for sample_id, *paths in _outlines(run, rule, lacking)}
    kept.add("outlines", [(sample_id, rule, *paths) for sample_id, paths in drawn.items()])
    lacking = [place for place in places if place.sample_id not in pictures]
    taken = dict(over_threads(lambda place: (place.sample_id, _picture(run, place)), lacking, workers=workers))
    kept.add("pictures", [(i, p.jpeg, p.height, p.width) for i, p in taken.items() if p.whole])
    return pictures | taken, outlines | drawn


def _tile(sample_id: str, picture: _Picture, outlines: tuple[str, str]) -> Tile:
    truth, explanation = outlines if picture.whole else ("", "")
    return Tile(sample_id, data_url(picture.jpeg), picture.width, picture.height, truth, explanation)


def _picture(run: Run, place: Place) -> _Picture:
    from xai_core.datasets.images import read_small

    try:
        path = picture_path(run, place.image)
        own, image = read_small(path, LONGER_SIDE)
        check_unchanged(own, (place.height, place.width), path)
    except SampleError as error:
        size = _thumbnail(place.height, place.width) if place.height else (132, LONGER_SIDE)
        return _Picture(no_picture(error, size), *size, whole=False)
    return _Picture(encode_jpeg(image, QUALITY), *image.shape[:2])


def _thumbnail(height: int, width: int) -> tuple[int, int]:
    zoom = min(1.0, LONGER_SIDE / max(height, width))
    return max(1, round(height * zoom)), max(1, round(width * zoom))


def _outlines(run: Run, rule: str, places: Sequence[Place]) -> Iterator[tuple[str, str, str]]:
    """Yield sample id, truth and explanation as paths in pixels of the thumbnail."""
    for start in range(0, len(places), BATCH):
        batch = places[start : start + BATCH]
        maps = list(rows_of(run, batch, ["sample_id", "status", *rows.MAP_COLUMNS]))
        explained = [row for row in maps if row["status"] == "ok"]
        regions = regions_of(run, explained, rule) if explained else ()
        explanations = {row["sample_id"]: region for row, region in zip(explained, regions, strict=True)}
        for place, row in zip(batch, maps, strict=True):
            truth = None if row["region"] is None else rows.decode_region(row["region"], run.frame_size)
            yield place.sample_id, *_paths(run, place, [truth, explanations.get(place.sample_id)])


def _paths(run: Run, place: Place, masks: Iterable[np.ndarray | None]) -> list[str]:
    if not place.height:
        return ["", ""]
    placement, size = placement_of(run, (place.height, place.width)), _thumbnail(place.height, place.width)
    return ["" if mask is None else path_on(placement, mask, size) for mask in masks]


def _scale(run: Run, kept: Kept) -> float:
    sample_ids = sorted(place.sample_id for place in kept.find())
    drawn = np.random.default_rng(0).permutation(sample_ids)
    shapes = rows_of(run, kept.places(drawn[:BATCH].tolist()), ["heatmap_height", "heatmap_width"])
    # a map of segments has the size of the model frame, and no shape of its own
    pixels = max((s["heatmap_height"] * s["heatmap_width"] for s in shapes if s["heatmap_height"]), default=0)
    records = min(SCALE_RECORDS, SCALE_PIXELS // (pixels or math.prod(run.frame_size)))
    places = kept.places(drawn[:records].tolist())
    columns = [name for name in ("status", *rows.MAP_COLUMNS) if name != "region"]
    maps = (row for row in rows_of(run, places, columns) if row["status"] == "ok")
    values = [np.abs(rows.decode_heatmap(row, run.frame_size)).ravel() for row in maps]
    return float(np.percentile(np.concatenate(values), 99)) if values else 0.0
