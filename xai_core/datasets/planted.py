"""A copy of a data set with a planted shortcut: a coloured patch in the images of some classes, and where it is.

A classifier that was trained on such images may look at the patch; how much it does can be measured, for the table
says where the patch is. The original files are only read.
"""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from xai_core.datasets import images
from xai_core.datasets.fingerprints import in_threads
from xai_core.datasets.regions import read_region
from xai_core.datasets.splitting import with_validation
from xai_core.datasets.synthetic.patch import add_patch
from xai_core.errors import BadInput
from xai_core.types import SPLITS, DataSet, MaskFile, Sample

TABLE = "samples.csv"
VIEW = 7 / 8
"""Side of the middle square at whose edge the patch lies, in shorter sides: a centre crop of 224 from 256 shows it."""

PLANTED = "planted"
BOX = ("planted_xmin", "planted_ymin", "planted_xmax", "planted_ymax")


@dataclass(frozen=True)
class Planting:
    """What is planted where: see `write`."""

    folder: Path
    seed: int
    longest_side: int
    chosen: frozenset[str]


def write(
    dataset: DataSet,
    out: str | Path,
    *,
    classes: Sequence[str] = ("benign",),
    splits: Sequence[str] = ("train", "validation"),
    share: float = 1.0,
    seed: int = 0,
    longest_side: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Return the spec, ``table:...``, of a copy of the data set with patches planted, written to the new folder `out`.

    The splits are those of the data set; a validation part is set aside as a training would (`with_validation`), so
    the copy's parts are the original's. Ids, labels, groups and metadata are kept. A file that stays as it is is
    copied byte by byte; one with a patch becomes a PNG that differs from the original inside the patch alone, which
    never touches the annotated region. Where no place is left an image is copied without. Column `PLANTED` says 1 or 0,
    the columns `BOX` the patch's half-open box in pixels of the copy; what an earlier planting said of an image that
    this one leaves alone stays true, and stays.

    Parameters
    ----------
    dataset : DataSet
    out : str or Path
        It appears whole or not at all.
    classes, splits : sequence of str
        Whose images get a patch.
    share : float
        Of those images, class by class and split by split, in [0, 1]: which ones follows from `seed` and their ids.
    seed : int
        Decides place, size and colours too, with an image's id.
    longest_side : int
        Larger images are scaled down to it; 0: none are.
    progress : callable, optional
        Called with (done, total) images.

    Raises
    ------
    BadInput
        Where a class, split or share is none, the folder holds something, or an image or region cannot be read.
    """
    out = Path(out).expanduser()
    _check(dataset, out, classes, splits, share)
    dataset = with_validation(dataset)
    fresh = out.with_name(f".{out.name}.{os.getpid()}.new")
    try:
        for name in ("images", "masks"):
            (fresh / name).mkdir(parents=True)
        planting = Planting(fresh, seed, longest_side, _chosen(dataset, classes, splits, share, seed))
        rows = in_threads(lambda sample: _copy(sample, dataset, planting), dataset.samples, progress)
        _write_table(fresh / TABLE, rows)
        if out.exists():
            out.rmdir()
        fresh.replace(out)
    except OSError as error:
        raise BadInput(
            where=out,
            expected="a folder that can be written and a disk with room",
            found=error.strerror or str(error),
            remedy="free some space or name another folder; nothing was left there",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return spec_of(dataset, out)


def spec_of(dataset: DataSet, out: Path) -> str:
    """Return what names the copy in `out` on the command line, with everything the table cannot say as options."""
    options = {"classes": ",".join(dataset.class_names), "bands": dataset.bands}
    if dataset.positive is not None:
        options["positive"] = dataset.class_names[dataset.positive]
    options |= {name: "true" for name in ("clinical", "synthetic") if getattr(dataset, name)}
    if options["bands"] == "quantile":
        del options["bands"]
    return f"table:{out / TABLE}?" + "&".join(f"{name}={_quoted(value)}" for name, value in options.items())


def _quoted(value: str) -> str:
    return value.replace("%", "%25").replace("&", "%26").replace("?", "%3F")


def _check(dataset: DataSet, out: Path, classes: Sequence[str], splits: Sequence[str], share: float) -> None:
    for name, given, known in (("classes", classes, dataset.class_names), ("splits", splits, SPLITS)):
        if not given or not set(given) <= set(known):
            raise BadInput(
                where=name, expected=f"some of {', '.join(known)}", found=", ".join(given) or "none", remedy="name them"
            )
    if not 0 <= share <= 1:
        raise BadInput(where="share", expected="0 to 1", found=str(share), remedy="change it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(where=out, expected="a new folder", found="something there", remedy="name another folder")


def _chosen(dataset: DataSet, classes: Sequence[str], splits: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """Return the ids of the images that are to have a patch: those whose lots are lowest."""
    chosen: set[str] = set()
    for split in splits:
        for name in classes:
            label = dataset.class_names.index(name)
            ids = [s.id for s in dataset.samples if s.split == split and s.label == label]
            chosen.update(sorted(ids, key=lambda id_: _lot(id_, seed))[: round(share * len(ids))])
    return frozenset(chosen)


def _lot(sample_id: str, seed: int) -> int:
    return int.from_bytes(sha256(f"{seed}/{sample_id}".encode()).digest()[:6])


def _copy(sample: Sample, dataset: DataSet, planting: Planting) -> dict[str, object]:
    """Return the sample's row after its image and mask are written."""
    image, region = images.read_image(sample.image), None
    if sample.annotation is not None:
        region = read_region(sample, image.shape[:2])
    small, region = _scaled(image, region, planting.longest_side)
    planted, box = small, None
    if sample.id in planting.chosen:
        avoid = np.zeros(small.shape[:2], bool) if region is None else region
        side = VIEW * min(avoid.shape)
        planted, box = add_patch(small, avoid, planting.seed, _lot(sample.id, planting.seed), view=(side, side))
    kept = small is image and box is None and sample.image.is_file()
    written = {"image": _write_image(sample, planted, planting.folder, kept=kept)}
    if region is not None:
        written["mask"] = _write_mask(sample, region, planting.folder, kept=kept)
    row = {
        **written,
        "id": sample.id,
        "label": "" if sample.label is None else dataset.class_names[sample.label],
        "split": sample.split,
        "group": sample.group or "",
    }
    given = {name: "" if value is None else value for name, value in sample.metadata.items()}
    unplanted = {PLANTED: 0} | dict.fromkeys(BOX, "")
    return unplanted | given | row | ({} if box is None else {PLANTED: 1} | dict(zip(BOX, box, strict=True)))


def _scaled(image: np.ndarray, region: np.ndarray | None, longest_side: int) -> tuple[np.ndarray, np.ndarray | None]:
    import cv2

    zoom = longest_side / max(image.shape[:2])
    if not longest_side or zoom >= 1:
        return image, region
    size = [max(1, round(side * zoom)) for side in image.shape[1::-1]]
    if region is not None:
        region = cv2.resize(region.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), region


def _write_image(sample: Sample, pixels: np.ndarray, folder: Path, *, kept: bool) -> str:
    from PIL import Image

    name = f"images/{sample.id}{sample.image.suffix.lower() if kept else '.png'}"
    if kept:
        shutil.copyfile(sample.image, folder / name)
    else:
        Image.fromarray(pixels).save(folder / name)
    return name


def _write_mask(sample: Sample, region: np.ndarray, folder: Path, *, kept: bool) -> str:
    from PIL import Image

    if kept and isinstance(sample.annotation, MaskFile):
        name = f"masks/{sample.id}{sample.annotation.path.suffix.lower()}"
        shutil.copyfile(sample.annotation.path, folder / name)
    else:
        name = f"masks/{sample.id}.png"
        Image.fromarray(region.astype(np.uint8) * 255).save(folder / name)
    return name


def _write_table(path: Path, rows: Sequence[dict[str, object]]) -> None:
    columns = ("image", "mask", "id", "label", "split", "group")
    columns = (*columns, *dict.fromkeys(name for row in rows for name in row if name not in (*columns, PLANTED, *BOX)))
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, [*columns, PLANTED, *BOX], restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
