"""The exact mapping between an original image and the model frame, the square the network sees.

Sizes are (height, width). Images move with the frame's interpolation, masks with nearest neighbour, heatmaps with
bilinear interpolation; every overlay on an original goes through a `Placement`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

FITS = ("crop", "squash", "pad_zero", "pad_mean", "pad_reflect", "pad_white", "pad_grey")
INTERPOLATIONS = ("bilinear", "bicubic", "lanczos", "nearest")
GREY = 128


@dataclass(frozen=True)
class Frame:
    """How an image of any size becomes the picture a network sees.

    Attributes
    ----------
    size : (height, width)
        Of the model frame, in pixels.
    fit : str
        ``crop``: scale the shorter side to `resize`, keep the centre. ``squash``: scale both sides, whatever the
        shape. ``pad_*``: pad the image to the frame's shape (zero, its own mean colour, reflection, white, grey),
        then scale: nothing is lost.
    resize : int
        The shorter side after scaling, in pixels; used by ``crop`` alone (0 elsewhere).
    interpolation : str
        One of `INTERPOLATIONS`, with antialiasing, as PIL does it.
    """

    size: tuple[int, int] = (224, 224)
    fit: str = "crop"
    resize: int = 256
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if self.fit not in FITS:
            raise ValueError(f"fit is one of {', '.join(FITS)}, not {self.fit!r}")
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation is one of {', '.join(INTERPOLATIONS)}, not {self.interpolation!r}")
        if self.fit == "crop" and self.resize < max(self.size):
            raise ValueError(f"a crop of {self.size} cannot be cut from a shorter side of {self.resize}")

    def as_dict(self) -> dict:
        """Return the settings as plain JSON values."""
        return asdict(self) | {"size": list(self.size)}

    def place(self, original: tuple[int, int]) -> Placement:
        """Return where an image of `original` (height, width) lies in this frame."""
        height, width = int(original[0]), int(original[1])
        if self.fit == "squash":
            return Placement((height, width), (height, width), (0, 0), self.size, (0, 0), self)
        if self.fit == "crop":
            return self._place_crop(height, width)
        return self._place_pad(height, width)

    def _place_crop(self, height: int, width: int) -> Placement:
        # torchvision's Resize(int) and CenterCrop, whose rounding the published classifiers were trained with
        if height <= width:
            scaled = (self.resize, max(int(self.resize * width / height), self.resize))
        else:
            scaled = (max(int(self.resize * height / width), self.resize), self.resize)
        offset = tuple(round((s - f) / 2) for s, f in zip(scaled, self.size, strict=True))
        return Placement((height, width), (height, width), (0, 0), scaled, offset, self)

    def _place_pad(self, height: int, width: int) -> Placement:
        rows, columns = self.size
        if height * columns >= width * rows:
            padded = (height, max(width, round(height * columns / rows)))
        else:
            padded = (max(height, round(width * rows / columns)), width)
        margin = ((padded[0] - height) // 2, (padded[1] - width) // 2)
        return Placement((height, width), padded, margin, self.size, (0, 0), self)


@dataclass(frozen=True)
class Placement:
    """Where one image lies in the model frame: pad by `margin` to `padded`, scale to `scaled`, cut at `offset`.

    All are (height, width) or (top, left) in pixels. `Frame.place` makes it.
    """

    original: tuple[int, int]
    padded: tuple[int, int]
    margin: tuple[int, int]
    scaled: tuple[int, int]
    offset: tuple[int, int]
    frame: Frame

    def image(self, image: np.ndarray) -> np.ndarray:
        """Return the image in the model frame: (h, w, 3) uint8 from (H, W, 3) uint8."""
        self._check(image)
        padded = self._pad(image)
        return self._cut(_scale(padded, self.scaled, self.frame.interpolation))

    def mask(self, mask: np.ndarray) -> np.ndarray:
        """Return the mask in the model frame, nearest neighbour: (h, w) bool from (H, W) bool; padding is False."""
        self._check(mask)
        (top, left), (height, width) = self.margin, self.original
        padded = np.zeros(self.padded, np.uint8)
        padded[top : top + height, left : left + width] = mask
        return self._cut(_scale(padded, self.scaled, "nearest")).astype(bool)

    def share_inside(self, mask: np.ndarray) -> float:
        """Return the share of the True pixels of a (H, W) bool mask whose centres lie in the model frame, [0, 1]."""
        self._check(mask)
        rows, columns = ((a >= -0.5) & (a < size - 0.5) for a, size in zip(self._axes(), self.frame.size, strict=True))
        return float(mask[np.ix_(rows, columns)].sum() / max(mask.sum(), 1))

    def heatmap_on_original(self, heatmap: np.ndarray) -> np.ndarray:
        """Return a frame-sized heatmap on the original: (H, W) float32 from (h, w), bilinear, NaN outside the crop."""
        if heatmap.shape != self.frame.size:
            heatmap = upsample(heatmap[None], self.frame.size)[0]
        return self._sample_on_original(heatmap.astype(np.float32), linear=True)

    def mask_on_original(self, mask: np.ndarray) -> np.ndarray:
        """Return a frame mask on the original: (H, W) bool from (h, w) bool, nearest, False outside the crop."""
        return self._sample_on_original(mask.astype(np.float32), linear=False) > 0.5

    def _sample_on_original(self, values: np.ndarray, *, linear: bool) -> np.ndarray:
        import cv2

        axes = self._axes()
        inside = [(a >= -0.5) & (a < size - 0.5) for a, size in zip(axes, values.shape, strict=True)]
        y, x = (np.clip(a, 0, size - 1) for a, size in zip(axes, values.shape, strict=True))
        if not linear:
            y, x = np.round(y), np.round(x)
        columns, rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
        flag = cv2.INTER_LINEAR if linear else cv2.INTER_NEAREST
        moved = cv2.remap(np.ascontiguousarray(values, np.float32), columns, rows, flag)
        return np.where(inside[0][:, None] & inside[1][None, :], moved, np.nan if linear else 0.0).astype(np.float32)

    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the frame coordinates (y, x) of the original's pixel centres; pixel k spans [k - 0.5, k + 0.5)."""
        return tuple(
            (np.arange(length) + 0.5 + margin) * scaled / padded - 0.5 - offset
            for length, margin, scaled, padded, offset in zip(
                self.original, self.margin, self.scaled, self.padded, self.offset, strict=True
            )
        )

    def _check(self, picture: np.ndarray) -> None:
        if picture.shape[:2] != self.original:
            raise ValueError(f"this placement is for {self.original} (height, width), not {picture.shape[:2]}")

    def _pad(self, image: np.ndarray) -> np.ndarray:
        if self.padded == self.original:
            return image
        (top, left), (height, width) = self.margin, self.original
        widths = ((top, self.padded[0] - height - top), (left, self.padded[1] - width - left), (0, 0))
        if self.frame.fit == "pad_reflect":
            # "reflect" needs two pixels along an axis; a line of one has only itself to repeat
            return np.pad(image, widths, "reflect" if min(height, width) > 1 else "edge")
        canvas = np.empty((*self.padded, 3), np.uint8)
        canvas[:] = self._fill(image)
        canvas[top : top + height, left : left + width] = image
        return canvas

    def _fill(self, image: np.ndarray) -> np.ndarray:
        if self.frame.fit == "pad_mean":
            return np.round(image.reshape(-1, 3).mean(0)).astype(np.uint8)
        return np.uint8({"pad_zero": 0, "pad_white": 255, "pad_grey": GREY}[self.frame.fit])

    def _cut(self, picture: np.ndarray) -> np.ndarray:
        (top, left), (height, width) = self.offset, self.frame.size
        return np.ascontiguousarray(picture[top : top + height, left : left + width])


def _scale(picture: np.ndarray, size: tuple[int, int], interpolation: str) -> np.ndarray:
    if picture.shape[:2] == tuple(size):
        return picture
    from PIL import Image

    method = getattr(Image.Resampling, interpolation.upper())
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), method))


def upsample(heatmaps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return heatmaps at another size: (N, *size) float32 from (N, h, w), bilinear between pixel centres.

    The same as ``torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`` when enlarging.
    """
    import cv2

    heatmaps = np.asarray(heatmaps, np.float32)
    if heatmaps.shape[1:] == tuple(size):
        return heatmaps
    resized = np.empty((len(heatmaps), *size), np.float32)
    for k, heatmap in enumerate(heatmaps):
        resized[k] = cv2.resize(np.ascontiguousarray(heatmap), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return resized
