"""Small pictures and data sets of every layout, to be damaged by tests; never square, never centred."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (60, 84)
TRAIN_LIST = "ISBI2016_ISIC_Part3_Training_GroundTruth.csv"
TEST_LIST = "ISBI2016_ISIC_Part3_Test_GroundTruth.csv"
BOX = (10, 5, 40, 33)


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Return a picture with detail at several scales, as different from another seed's as two photographs are."""
    rng = np.random.default_rng(seed)
    image = np.zeros((*size, 3))
    for cells in (3, 6, 12, 24):
        grid = (rng.random((cells, cells, 3)) * 255).astype(np.uint8)
        image += np.asarray(Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC), float) / cells**0.3
    image -= image.min()
    return (image / image.max() * 255).astype(np.uint8)


def save(path: Path, image: np.ndarray, **settings) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, **settings)
    return path


def mask(size: tuple[int, int] = SIZE, box: tuple[int, int, int, int] = BOX) -> np.ndarray:
    """Return an off-centre rectangle: (H, W) uint8 of 0 and 255."""
    drawn = np.zeros(size, np.uint8)
    xmin, ymin, xmax, ymax = box
    drawn[ymin:ymax, xmin:xmax] = 255
    return drawn


def make_isic(root: Path, *, train: int = 4, test: int = 2) -> Path:
    """Write a whole data set in the layout of ISIC 2016; of each split every second one is malignant."""
    names = [f"ISIC_{k:07d}" for k in range(train + test)]
    for k, name in enumerate(names):
        save(root / "images" / f"{name}.jpg", picture(k), quality=95)
        save(root / "masks" / f"{name}_Segmentation.png", mask())
    words = ("benign", "malignant")
    write_rows(root / TRAIN_LIST, ((n, words[k % 2]) for k, n in enumerate(names[:train])))
    write_rows(root / TEST_LIST, ((n, f"{k % 2}.0") for k, n in enumerate(names[train:])))
    header = ("image_id", "split", "label", "age", "sex", "site")
    rows = [(n, "?", "?", "" if k == 1 else 30 + k, ("female", "male")[k % 2], f"0{k}") for k, n in enumerate(names)]
    write_rows(root / "metadata.csv", [header, *rows])
    return root


def make_table(root: Path, *, count: int = 6, columns: dict[str, list] | None = None) -> Path:
    """Write a table of samples with masks, and further `columns`."""
    rows = []
    for k in range(count):
        save(root / f"pictures/{k}.png", picture(k))
        save(root / f"masks/{k}.png", mask())
        rows.append((f"pictures/{k}.png", ("benign", "malignant")[k % 2], f"masks/{k}.png"))
    header = ("image", "label", "mask", *(columns or {}))
    rows = [(*row, *(values[k] for values in (columns or {}).values())) for k, row in enumerate(rows)]
    return write_rows(root / "samples.csv", [header, *rows])


def write_rows(path: Path, rows: Iterable[tuple]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), encoding="utf-8")
    return path


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def write_xml(path: Path, boxes: Iterable[tuple], *, wnid: str = "n01440764", frame: tuple[int, int] = SIZE) -> Path:
    objects = "".join(
        f"<object><name>{wnid}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d in boxes
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frame
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    path.write_text(f"<annotation>{size}{objects}</annotation>")
    return path


def png_header(width: int, height: int) -> bytes:
    """Return a PNG whose header claims any size, with next to nothing behind it."""
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    data[29:33] = zlib.crc32(bytes(data[12:29])).to_bytes(4, "big")
    return bytes(data)
