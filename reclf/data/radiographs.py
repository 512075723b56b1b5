"""Radiographs: from a file to a float image, into a square and back, and augmentation.

    file -> read_image (H, W) -> fit (size, size) and a Frame -> augment (B, 1, size, size)
    file -> read_fitted: both of the first, faster
    Frame, image -> read_film: the file's own pixels, to be shown under a map
    map or box in the square -> Frame.to_original -> pixels of the file

Everything here is float32 in [0, 1], bright where dense (MONOCHROME2), without flips: left and
right matter in reports. Positions are continuous, (0, 0) is the outer corner of the first pixel, so
that pixel i covers i to i + 1 and a box keeps its meaning at any size.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np

from .image_files import ImageError as ImageError
from .image_files import decode, has_drawn_alpha
from .image_files import image_size as image_size
from .study import Box

FITS = ("pad", "crop", "stretch")
ALIKE = 0.03  # mean difference of two readings of a film; of another film it is above 0.07


def read_image(path: str | Path, *, own_max: bool = False) -> np.ndarray:
    """Read a PNG, JPEG or DICOM file.

    8-bit images are divided by 255 and 16-bit ones by 65,535, so that one exposure stays
    comparable with the next. Color becomes gray by luma. DICOM: the modality transform, the first
    VOI table or window, MONOCHROME1 inverted; without a window that shows anything, 8-bit pixels
    are taken as they are and deeper ones stretched between the 0.5 and 99.5 percentiles. Padding
    pixels become 0. Pixels keep the order of the file: an EXIF orientation is not followed, for
    masks and boxes are given in these pixels.

    Args:
        own_max: divide PNG and JPEG by their own maximum instead. PadChest needs it: 12-bit and
            shallower pixels in 16-bit files.

    Returns:
        float32 (H, W) in [0, 1].

    Raises:
        ImageError: for a file that is missing, damaged, or not one two-dimensional image.
    """
    return decode(path, own_max=own_max)[0]


def read_fitted(
    path: str | Path, size: int, how: str = "pad", *, own_max: bool = False
) -> tuple[np.ndarray, "Frame"]:
    """Read a file into a square: `fit(read_image(path), size, how)`, several times faster.

    No more of a large file is decoded than the square shows, or twice that where it costs little.
    The pixels differ from those of the whole file by less than 0.004 on average, 0.008 for JPEG,
    and by less than 0.08 anywhere (`tests/test_decoding.py`).

    Args:
        size, how: see `fit`.
        own_max: see `read_image`. With a large JPEG, it is the maximum of what was decoded.

    Returns:
        float32 (size, size) in [0, 1], and the frame in pixels of the file.
    """
    _check_fit(how)
    pick = min if how == "pad" else max
    pixels, original = decode(path, lambda h, w: pick(size / h, size / w), own_max=own_max)
    image, frame = fit(pixels, size, how, original)
    return np.clip(image, 0, 1, out=image), frame  # a mean of ones can be 1.0000001


def read_film(frame: "Frame", image: np.ndarray, longest: int) -> np.ndarray:
    """The film that `image` was cut from: uint8 (h, w), its longer side at most `longest` pixels.

    Raises:
        ImageError: the file cannot be read, or does not show `image` (H, W): that was edited.
    """
    pixels, size = decode(frame.path, lambda *s: longest / max(s), own_max=frame.own_max)
    share = min(1.0, longest / max(size))
    width, height = (max(1, round(side * share)) for side in size[::-1])
    film = np.clip(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), 0, 1)
    again = cv2.resize(frame.from_original(film), image.shape[::-1])
    if size != (frame.height, frame.width) or np.abs(again - image).mean() > ALIKE:
        raise ImageError(f"{frame.path} is not the film of this image")
    return np.rint(film * np.float32(255)).astype(np.uint8)


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask: bool (H, W), True above half of the file's own maximum (0/1, 0/255, JPEG).

    Raises:
        ImageError: also for several gray levels, which are classes or a picture, and for a shape
            that is drawn in transparency alone. Edges may be soft: half of the pixels that are not
            black may lie between the two ends.
    """
    gray = read_image(path, own_max=True)
    levels = np.count_nonzero(np.bincount((gray * 255).astype(np.uint8).ravel()))
    if 2 < levels <= 10:
        raise ImageError(f"{path} has {levels} gray levels, a mask has two: write a mask per class")
    between = np.count_nonzero((gray > 0.15) & (gray < 0.85))
    if levels > 10 and between > max(0.5 * np.count_nonzero(gray > 0.15), 64):
        raise ImageError(
            f"{path} has {levels} gray levels and {between} pixels between black and white; a mask "
            "has two levels: write a mask per class"
        )
    if levels == 1 and has_drawn_alpha(path):
        raise ImageError(f"{path} is drawn in its transparency; save the mask as black and white")
    return gray > 0.5


@dataclass(frozen=True)
class Frame:
    """Where an original image lies in the fitted square, and the way back.

    fitted = original * scale + offset, per axis. A crop has negative offsets.

    Attributes:
        height, width: of the original, in pixels.
        size: side of the square, in pixels.
        scale: (y, x), fitted pixels per original pixel.
        offset: (y, x), fitted pixels.
        path, own_max: of the file, "" where it is not known, and how `read_image` reads it.
    """

    height: int
    width: int
    size: int
    scale: tuple[float, float]
    offset: tuple[int, int]
    path: str = field(default="", compare=False)
    own_max: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, saved: Any) -> "Frame":
        """The frame that was saved by `asdict`; ValueError or TypeError for what is none."""
        frame = cls(**(saved | {name: tuple(saved[name]) for name in ("scale", "offset")}))
        lengths = [frame.height * frame.scale[0], frame.width * frame.scale[1], frame.size]
        most = max(*lengths, *(abs(length) for length in frame.offset))
        if not 0 < min(lengths) <= most < 2**14 or not isinstance(frame.path, str):
            raise ValueError(f"{saved} is no place of an image in its file")
        return frame

    @overload
    def from_original(self, item: Box) -> Box | None: ...
    @overload
    def from_original(self, item: np.ndarray) -> np.ndarray: ...
    def from_original(self, item: Box | np.ndarray) -> Box | np.ndarray | None:
        """Bring a box, image or mask of the original into the square.

        Args:
            item: a `Box`, or an array (h, w) that shows the original, at any resolution. bool is
                sampled by the nearest pixel; else area when shrinking, bilinear when enlarging.

        Returns:
            The box, cut at the edge of the square, None when nothing of it is inside; or an array
            (size, size) of the given dtype, 0 or False where the original has no pixels.
        """
        if isinstance(item, Box):
            box = item.in_pixels(self.height, self.width)
            return _move(box, self.scale, self.offset, (self.size, self.size))
        top, left = self.offset
        height, width = round(self.height * self.scale[0]), round(self.width * self.scale[1])
        if item.dtype == bool:
            method = cv2.INTER_NEAREST_EXACT
        elif height <= item.shape[0] and width <= item.shape[1]:
            method = cv2.INTER_AREA
        else:
            method = cv2.INTER_LINEAR
        pixels = item.astype(np.uint8) if item.dtype == bool else item
        fitted = cv2.resize(pixels, (width, height), interpolation=method)
        square = np.zeros((self.size, self.size), dtype=item.dtype)
        inside = fitted[max(0, -top) : self.size - top, max(0, -left) : self.size - left]
        top, left = max(0, top), max(0, left)
        square[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        return square

    @overload
    def to_original(self, item: Box) -> Box | None: ...
    @overload
    def to_original(self, item: np.ndarray) -> np.ndarray: ...
    def to_original(self, item: Box | np.ndarray) -> Box | np.ndarray | None:
        """Bring a box or map of the square back to the pixels of the original.

        Args:
            item: a `Box`, or a map (h, w) of the whole square at any resolution, e.g. the 7 x 7
                regions of an encoder. bool is sampled by the nearest region, else bilinear.

        Returns:
            The box, cut at the edge of the original, None when nothing of it is inside; or a
            float32 map (height, width), NaN where the square never showed the original.
        """
        if isinstance(item, Box):
            scale = (1 / self.scale[0], 1 / self.scale[1])
            offset = (-self.offset[0] * scale[0], -self.offset[1] * scale[1])
            return _move(item, scale, offset, (self.height, self.width))
        values = item.astype(np.float32)
        for axis, length in enumerate((self.height, self.width)):
            cells = item.shape[axis]
            fitted = (np.arange(length) + 0.5) * self.scale[axis] + self.offset[axis]
            place = np.clip(fitted / self.size * cells - 0.5, 0, cells - 1)
            if item.dtype == bool:
                values = values.take(np.floor(place + 0.5).astype(int), axis)
            else:
                below = np.floor(place).astype(int)
                above = np.minimum(below + 1, cells - 1)
                share = np.expand_dims((place - below).astype(np.float32), 1 - axis)
                values = values.take(below, axis) * (1 - share) + values.take(above, axis) * share
            unseen = (fitted < 0) | (fitted > self.size)
            values[unseen if axis == 0 else (slice(None), unseen)] = np.nan
        return values


def _move(
    box: Box, scale: tuple[float, float], offset: tuple[float, float], size: tuple[int, int]
) -> Box | None:
    """Scale, shift, and cut at the edges of an image of `size`; all (y, x)."""
    edges = []
    for axis, (start, length) in enumerate([(box.y, box.height), (box.x, box.width)]):
        low = max(0.0, start * scale[axis] + offset[axis])
        high = min(float(size[axis]), (start + length) * scale[axis] + offset[axis])
        if high <= low:
            return None
        edges.append((low, high - low))
    (y, height), (x, width) = edges
    return Box(box.label, x, y, width, height)


def fit(
    image: np.ndarray, size: int, how: str = "pad", original: tuple[int, int] | None = None
) -> tuple[np.ndarray, Frame]:
    """Bring an image into a square.

    Args:
        image: float32 (H, W).
        size: side of the square, in pixels.
        how: "pad" keeps all of it and adds black at two sides, "crop" keeps the middle,
            "stretch" keeps all of it and not its proportions.
        original: height and width of the file, when `image` was read at a fraction of it.

    Returns:
        float32 (size, size), and the frame in pixels of the file.
    """
    height, width = original or image.shape[:2]
    frame = frame_of(height, width, size, how)
    return frame.from_original(image), frame


def frame_of(height: int, width: int, size: int, how: str = "pad") -> Frame:
    """Where `fit` puts an image of this height and width."""
    _check_fit(how)
    ratios = (size / height, size / width)
    if how != "stretch":
        ratio = min(ratios) if how == "pad" else max(ratios)
        ratios = (ratio, ratio)
    # Whole pixels: a film of 1000 x 3 still has one row.
    lengths = (max(1, round(height * ratios[0])), max(1, round(width * ratios[1])))
    return Frame(
        height,
        width,
        size,
        scale=(lengths[0] / height, lengths[1] / width),
        offset=((size - lengths[0]) // 2, (size - lengths[1]) // 2),
    )


def _check_fit(how: str) -> None:
    if how not in FITS:
        raise ValueError(f"fit must be one of {', '.join(FITS)}, got {how!r}")
