"""Pictures from files, safely: formats from an allow-list, a limit on pixels, orientation as it is meant to be seen."""

from __future__ import annotations

import io
import os
import threading
import warnings
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xai_core.datasets import members
from xai_core.errors import SampleError

if TYPE_CHECKING:
    from PIL import Image

# TIFF, GIF, EPS and the rest stay out: their decoders are where Pillow's advisories are (PEERS section 4)
FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MAX_PIXELS = 89_478_485
"""Pillow's own limit, above which it suspects a decompression bomb."""

_TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
          6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}  # fmt: skip
_ORIENTATION = 0x0112
# Pillow warns of a bomb while it opens; catching that swaps a list that all threads share
_OPENING = threading.Lock()


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Return the picture as it is meant to be seen: (H, W, 3) uint8 RGB, EXIF orientation applied.

    16 bits are scaled to 8; grey, palette and CMYK become RGB; alpha is dropped, as torchvision's loader does; of an
    animation the first frame is read.

    Parameters
    ----------
    path : Path
    max_pixels : int
        At most `MAX_PIXELS`.

    Raises
    ------
    SampleError
        ``file_missing``, ``file_unreadable`` (no picture, cut off, of a format not on the list) or ``image_too_large``.
    """
    return _decode(path, max_pixels, lambda image: np.asarray(_as_rgb(image)))


def read_grey(path: Path, least: int, *, max_pixels: int = MAX_PIXELS) -> tuple[tuple[int, int], np.ndarray]:
    """Return the picture's own (height, width), and a grey copy that may be smaller: (h, w) uint8.

    Every byte is decoded, so it fails where `read_image` fails, but a large JPEG at a fraction of its resolution, not
    under `least` pixels a side.
    """

    def shrink(image: Image.Image) -> tuple[tuple[int, int], np.ndarray]:
        own = image.height, image.width
        turned = _orientation(image) in (5, 6, 7, 8)
        image.draft("L", (least, least))
        return own[::-1] if turned else own, np.asarray(_as_rgb(image).convert("L"))

    return _decode(path, max_pixels, shrink)


def read_small(path: Path, longest: int, *, max_pixels: int = MAX_PIXELS) -> tuple[tuple[int, int], np.ndarray]:
    """Return the picture's own (height, width), and a thumbnail whose longer side is at most `longest`.

    The thumbnail is (h, w, 3) uint8 RGB, the whole of what `read_image` returns, never larger than it. A large JPEG is
    decoded at a fraction of its resolution; every byte is, so it fails where `read_image` fails.
    """

    def shrink(image: Image.Image) -> tuple[tuple[int, int], np.ndarray]:
        turn, zoom = _orientation(image), min(1.0, longest / max(image.size))
        own, size = image.size, [max(1, round(side * zoom)) for side in image.size]
        # the reduced picture's last row and column may be part padding: the box leaves that out
        drafted = image.draft("RGB", (longest, longest))
        small = _without_turn(image).resize(size, box=drafted and drafted[1], reducing_gap=3.0)
        return own if turn in (5, 6, 7, 8) else own[::-1], np.asarray(_turned(small, turn))

    return _decode(path, max_pixels, shrink)


def read_mask(path: Path) -> np.ndarray:
    """Return a mask file's pixels inside: (H, W) bool.

    Inside is what is brighter than 127 of 255 in any colour channel (alpha counts as brightness), or not zero where
    the file's largest value is 1.

    Raises
    ------
    SampleError
        As `read_image`; ``mask_empty`` where no pixel is inside.
    """
    values = _decode(path, MAX_PIXELS, _brightness)
    largest = int(values.max(initial=0))
    if largest > 255:
        values = values / 257.0
    inside = values > 0 if largest == 1 else values > 127
    if not inside.any():
        raise SampleError(
            "mask_empty",
            where=path,
            expected="pixels brighter than 127, or a mask of zeros and ones",
            found=f"none (the largest value is {largest})",
            remedy="draw the region, or take the mask out: a sample without one is kept, unscored",
        )
    return inside


def orientation(path: Path) -> int:
    """Return the EXIF orientation, 1 to 8; 1 where the file has none."""
    with _open(path, MAX_PIXELS) as image:
        return _orientation(image)


def turn(picture: np.ndarray, orientation: int) -> np.ndarray:
    """Return an (H, W) bool array turned as an image of that EXIF orientation is turned to be seen."""
    from PIL import Image

    return np.asarray(_turned(Image.fromarray(picture.astype(np.uint8)), orientation)).astype(bool)


def image_hash(path: Path) -> str:
    """Return the SHA-256 of the file's bytes, in hexadecimal; of a container's member its own (`members`)."""
    if found := members.container_of(path):
        return sha256(members.member_bytes(*found)).hexdigest()
    try:
        return sha256(_regular(path).read_bytes()).hexdigest()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from None


def _decode(path: Path, max_pixels: int, convert: Callable[[Image.Image], object]):
    with _open(path, max_pixels) as image:
        try:
            return convert(image)
        except Exception as error:  # a damaged file makes the decoders raise whatever they meet first
            raise _unreadable(path, str(error) or type(error).__name__) from None


def _open(path: Path, max_pixels: int) -> Image.Image:
    from PIL import Image

    source: Path | io.BytesIO = path
    if found := members.container_of(path):
        member = members.read(*found)
        if isinstance(member, np.ndarray):
            return Image.fromarray(member)
        source = io.BytesIO(member)
    else:
        _regular(path)
    try:
        with _OPENING, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(source, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise _too_large(path, "more", max_pixels) from None
    except Exception as error:  # as above: a damaged header
        reason = "not a picture of these formats" if isinstance(error, Image.UnidentifiedImageError) else str(error)
        raise _unreadable(path, reason) from None
    if image.width * image.height > max_pixels:
        image.close()
        raise _too_large(path, f"{image.width} x {image.height}", max_pixels)
    return image


def _as_rgb(image: Image.Image) -> Image.Image:
    return _turned(_without_turn(image), _orientation(image))


def _without_turn(image: Image.Image) -> Image.Image:
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray(np.round(np.asarray(image, np.float32).clip(0, 65535) / 257.0).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _brightness(image: Image.Image) -> np.ndarray:
    image = _turned(image, _orientation(image))
    if image.mode.startswith("I"):
        return np.asarray(image)
    rgba = np.asarray(image.convert("RGBA")).astype(np.uint16)
    return rgba[..., :3].max(-1) * rgba[..., 3] // 255


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF that cannot be read says nothing about the pixels
        return 1
    return value if value in _TURNS else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    from PIL import Image

    return image.transpose(getattr(Image.Transpose, _TURNS[orientation])) if orientation in _TURNS else image


def _regular(path: Path) -> Path:
    if not os.path.lexists(path):
        raise SampleError("file_missing", where=path, expected="a file", found="nothing there", remedy="add the file")
    if not path.is_file():
        # a pipe would block whoever opens it
        raise _unreadable(path, "a folder, or another thing that is no file")
    return path


def _unreadable(path: Path, reason: str) -> SampleError:
    return SampleError(
        "file_unreadable",
        where=path,
        expected=f"a whole picture ({', '.join(FORMATS)})",
        found=reason.strip().rstrip("."),
        remedy="fetch the file anew, or save it in one of these formats",
    )


def _too_large(path: Path, found: str, max_pixels: int) -> SampleError:
    return SampleError(
        "image_too_large",
        where=path,
        expected=f"at most {max_pixels:,} pixels",
        found=found,
        remedy="scale the image down, or cut out the part that counts",
    )
