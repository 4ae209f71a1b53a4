"""Ground-truth regions: boxes from text and XML, and the region of a sample as a boolean mask."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from xai_core.datasets import images
from xai_core.errors import SampleError
from xai_core.types import Boxes, MaskFile, Sample

_XML_BYTES = 1 << 20
_BOX = "boxes as 'xmin ymin xmax ymax', repeated, separated by spaces or ';'"


def read_region(sample: Sample, size: tuple[int, int]) -> np.ndarray | None:
    """Return the region a human drew on the sample: (H, W) bool on the original image; None where there is none.

    Several boxes give their union. A mask or boxes drawn on the pixels as stored, of an image whose EXIF orientation
    lays it on its side, are turned with it: their size says so.

    Parameters
    ----------
    sample : Sample
    size : (height, width)
        Of the image as `images.read_image` returns it.

    Raises
    ------
    SampleError
        ``mask_size``, ``mask_empty``, ``box_reversed``, ``box_outside``, ``file_missing``, ``file_unreadable``,
        ``image_too_large``. One bad box spoils the sample's region, for the rest of it would be wrong unseen.
    """
    annotation = sample.annotation
    if annotation is None:
        return None
    if isinstance(annotation, Boxes):
        return _read_boxes(sample, annotation, tuple(size))
    return _read_mask(sample, annotation, tuple(size))


def box_faults(sample: Sample, size: tuple[int, int]) -> Iterator[SampleError]:
    """Yield an error for each box of the sample that is reversed or leaves the image of `size` (height, width)."""
    boxes = sample.annotation
    height, width = boxes.frame or size
    for xmin, ymin, xmax, ymax in boxes.corners:
        text = f"{xmin:g} {ymin:g} {xmax:g} {ymax:g}"
        parts = {"where": boxes.source or sample.image, "remedy": f"correct the box of {sample.id}"}
        if xmax <= xmin or ymax <= ymin:
            yield SampleError("box_reversed", expected="xmin < xmax and ymin < ymax", found=text, **parts)
        elif xmin < 0 or ymin < 0 or xmax > width or ymax > height:
            yield SampleError("box_outside", expected=f"a box within {width} x {height} pixels", found=text, **parts)


def parse_boxes(text: str, where: object) -> tuple[tuple[float, float, float, float], ...]:
    """Return the corners of the boxes that a text lists as ``xmin ymin xmax ymax``, repeated; spaces or ';' between.

    Raises
    ------
    SampleError
        ``file_unreadable`` where the text is not finite numbers in fours.
    """
    words = text.replace(";", " ").split()
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = [math.nan]
    if len(numbers) % 4 or not all(map(math.isfinite, numbers)):
        raise SampleError("file_unreadable", where=where, expected=_BOX, found=repr(text[:60]), remedy="correct them")
    return tuple(tuple(numbers[k : k + 4]) for k in range(0, len(numbers), 4))


def read_xml(path: Path) -> tuple[str, Boxes]:
    """Return the first object's name, and the boxes of all objects, from a PASCAL VOC style annotation file.

    The layout is that of METHODS 5b: ``size/{width,height}``, ``object/name``, ``object/bndbox/{xmin,...}``.

    Raises
    ------
    SampleError
        ``file_unreadable`` (damaged, over 1 MiB, entities, a box left out), ``mask_empty`` where it has no object.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import ParseError, fromstring

    try:
        with path.open("rb") as file:
            data = file.read(_XML_BYTES + 1)
        if len(data) > _XML_BYTES:
            raise ValueError("more than 1 MiB")
        root = fromstring(data, forbid_dtd=True)
        named = [(o.findtext("name") or "", _corners(o)) for o in root.iter("object")]
        frame = tuple(int(root.findtext(f"size/{side}") or 0) for side in ("height", "width"))
    except (OSError, ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SampleError(
            "file_unreadable",
            where=path,
            expected="an annotation with object/bndbox/{xmin,ymin,xmax,ymax}",
            found=str(error) or type(error).__name__,
            remedy="fetch the file anew",
        ) from None
    if not named:
        raise SampleError(
            "mask_empty", where=path, expected="at least one object", found="none", remedy="draw it, or remove the file"
        )
    # some tools write 0 x 0 where they do not know the size
    return named[0][0], Boxes(tuple(c for _, c in named), frame if min(frame) > 0 else None, path)


def _corners(element) -> tuple[float, float, float, float]:
    corners = tuple(float(element.findtext(f"bndbox/{k}") or "nan") for k in ("xmin", "ymin", "xmax", "ymax"))
    if not all(map(math.isfinite, corners)):
        raise ValueError("an object without a whole box")
    return corners


def _read_boxes(sample: Sample, boxes: Boxes, size: tuple[int, int]) -> np.ndarray:
    for fault in box_faults(sample, size):
        raise fault
    frame = boxes.frame or size
    turn = _turn(sample, frame, size)
    height, width = frame if turn else size
    rows, columns = height / frame[0], width / frame[1]
    region = np.zeros((height, width), bool)
    for xmin, ymin, xmax, ymax in boxes.corners:
        left, top = min(_round(xmin * columns), width - 1), min(_round(ymin * rows), height - 1)
        right, bottom = max(_round(xmax * columns), left + 1), max(_round(ymax * rows), top + 1)
        region[top:bottom, left:right] = True
    return images.turn(region, turn) if turn else region


def _read_mask(sample: Sample, mask: MaskFile, size: tuple[int, int]) -> np.ndarray:
    region = images.read_mask(mask.path)
    if turn := _turn(sample, region.shape, size):
        region = images.turn(region, turn)
    if region.shape != size:
        raise SampleError(
            "mask_size",
            where=mask.path,
            expected=f"{size[1]} x {size[0]} pixels as the image {sample.id}",
            found=f"{region.shape[1]} x {region.shape[0]}",
            remedy="draw the mask on the image itself, or scale it with nearest neighbour",
        )
    return region


def _turn(sample: Sample, drawn_on: tuple[int, int], size: tuple[int, int]) -> int | None:
    if drawn_on == size or drawn_on != size[::-1]:
        return None
    turn = images.orientation(sample.image)
    return turn if turn >= 5 else None


def _round(value: float) -> int:
    return math.floor(value + 0.5)
