"""Radiographs: from a file to a float image, into a square and back, and augmentation.

    file -> read_image (H, W) -> fit (size, size) and a Frame -> augment (B, 1, size, size)
    map or box in the square -> Frame.to_original -> pixels of the file

Everything here is float32 in [0, 1], bright where dense (MONOCHROME2), without flips: left and
right matter in reports. Positions are continuous, (0, 0) is the outer corner of the first pixel, so
that pixel i covers i to i + 1 and a box keeps its meaning at any size.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import cv2
import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi
from torch import Tensor
from torch.nn import functional as F

from .batches import Box

FITS = ("pad", "crop", "stretch")


class ImageError(ValueError):
    """A file that cannot be read as one radiograph; the message names the file and the reason."""


def read_image(
    path: str | Path, *, own_max: bool = False, min_side: int | None = None
) -> np.ndarray:
    """Read a PNG, JPEG or DICOM file.

    8-bit images are divided by 255 and 16-bit ones by 65,535, so that one exposure stays
    comparable with the next. Colour becomes grey by luma. DICOM: the modality transform, the first
    VOI table or window, MONOCHROME1 inverted; without a window that shows anything, 8-bit pixels
    are taken as they are and deeper ones stretched between the 0.5 and 99.5 percentiles. Padding
    pixels become 0.

    Args:
        own_max: divide PNG and JPEG by their own maximum instead. PadChest needs it: 12-bit and
            shallower pixels in 16-bit files.
        min_side: the shorter side need not be longer than this; a large JPEG is then decoded at
            1/2, 1/4 or 1/8 of its size, several times faster.

    Returns:
        float32 (H, W) in [0, 1].

    Raises:
        ImageError: for a file that is missing, damaged, or not one two-dimensional image.
    """
    path = Path(path)
    try:
        if _is_dicom(path):
            return _read_dicom(path)
        with Image.open(path) as image:
            if min_side is not None:
                shrink = min(1.0, min_side / min(image.size))
                image.draft(
                    "L", (math.ceil(image.width * shrink), math.ceil(image.height * shrink))
                )
            pixels = _grey(image)
    except ImageError:
        raise
    # Decoders raise whatever their plugin raises (AttributeError, struct.error, ...).
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error
    top = float(pixels.max() if own_max else np.iinfo(pixels.dtype).max)
    return pixels.astype(np.float32) / np.float32(top or 1.0)


def read_mask(path: str | Path) -> np.ndarray:
    """Read a mask: bool (H, W), True above half of the file's own maximum (0/1, 0/255, JPEG)."""
    return read_image(path, own_max=True) > 0.5


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width by the header alone; raises `ImageError` as `read_image` does.

    PNG checksums are verified. A damage inside the pixels of another format shows on reading.
    """
    path = Path(path)
    try:
        if _is_dicom(path):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            return int(header.Rows), int(header.Columns)
        with Image.open(path) as image:
            width, height = image.size
            image.verify()
            return height, width
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return str(error).strip() or type(error).__name__


def _is_dicom(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


def _grey(image: Image.Image) -> np.ndarray:
    """uint8 or uint16 (H, W)."""
    if image.mode.startswith("I"):  # 16-bit PNG; older Pillow opens it as 32-bit
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"pixels from {pixels.min()} to {pixels.max()} are not 16-bit")
        return pixels.astype(np.uint16)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it as 16-bit PNG")
    # Through RGB, for alpha is not brightness and a palette index neither.
    return np.asarray(image if image.mode == "L" else image.convert("RGB").convert("L"))


def _read_dicom(path: Path) -> np.ndarray:
    dataset = pydicom.dcmread(path)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise ImageError(
            f"cannot read {path}: it holds {dataset.NumberOfFrames} frames, a radiograph has one; "
            "save the frame wanted as a file of its own"
        )
    stored = dataset.pixel_array
    if stored.ndim == 3:
        grey = stored @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return (grey / np.float32(2 ** int(dataset.BitsStored) - 1)).astype(np.float32)
    padding = stored == dataset.get("PixelPaddingValue", np.nan)
    values = apply_modality_lut(stored, dataset)
    image = _apply_voi(values, dataset)
    # A window written for other values leaves one shade of grey.
    if image is None or np.ptp(image) < 0.05:
        if int(dataset.BitsStored) == 8 and values.min() >= 0 and values.max() <= 255:
            image = values / 255.0
        else:
            shown = values[~padding] if not padding.all() else values
            low, high = np.percentile(shown, (0.5, 99.5))
            image = np.clip((values - low) / max(high - low, 1e-6), 0, 1)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        image = 1 - image
    image[padding] = 0
    return image.astype(np.float32)


def _apply_voi(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """The first VOI table or window, onto [0, 1] (DICOM PS3.3 C.11.2); None when there is none."""
    if tables := dataset.get("VOILUTSequence"):
        bits = int(tables[0].LUTDescriptor[2])
        return apply_voi(values, dataset, index=0) / float(2**bits - 1)
    centre, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    function = dataset.get("VOILUTFunction", "LINEAR")
    if centre is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    if function == "SIGMOID":
        # Beyond 80 the result is 0 to float32 rounding, and exp would warn of overflow.
        return 1 / (1 + np.exp(np.clip(-4 * (values - np.float32(centre)) / width, -80, 80)))
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    return np.clip((values - np.float32(centre)) / np.float32(width) + 0.5, 0, 1)


def _first(value) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)


@dataclass(frozen=True)
class Frame:
    """Where an original image lies in the fitted square, and the way back.

    fitted = original * scale + offset, per axis. A crop has negative offsets.

    Attributes:
        height, width: of the original, in pixels.
        size: side of the square, in pixels.
        scale: (y, x), fitted pixels per original pixel.
        offset: (y, x), fitted pixels.
    """

    height: int
    width: int
    size: int
    scale: tuple[float, float]
    offset: tuple[int, int]

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
            return _move(item, self.scale, self.offset, (self.size, self.size))
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
                regions of an encoder. bool is sampled by the nearest cell, else bilinear.

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
    if how not in FITS:
        raise ValueError(f"fit must be one of {', '.join(FITS)}, got {how!r}")
    height, width = original or image.shape[:2]
    ratios = (size / height, size / width)
    if how != "stretch":
        ratio = min(ratios) if how == "pad" else max(ratios)
        ratios = (ratio, ratio)
    # Whole pixels: a film of 1000 x 3 still has one row.
    lengths = (max(1, round(height * ratios[0])), max(1, round(width * ratios[1])))
    frame = Frame(
        height,
        width,
        size,
        scale=(lengths[0] / height, lengths[1] / width),
        offset=((size - lengths[0]) // 2, (size - lengths[1]) // 2),
    )
    return frame.from_original(image), frame


@torch.no_grad()
def augment(
    images: Tensor,
    generator: torch.Generator,
    *,
    degrees: float = 5.0,
    zoom: float = 0.08,
    shift: float = 0.04,
    brightness: float = 0.08,
    contrast: float = 0.15,
    gamma: float = 0.2,
) -> Tensor:
    """A slightly different position and exposure for every image of a batch.

    Args:
        images: (B, 1, H, W) in [0, 1], on any device.
        generator: decides everything; the same state gives the same images.
        degrees: most rotation, either way.
        zoom: most enlargement or reduction, 0.08 = 8 %.
        shift: most shift, as a share of height and width.
        brightness: most that is added or taken.
        contrast: most change of the factor around mid-grey.
        gamma: most change of log(gamma).

    Returns:
        As `images`; black where the position shows what was outside.
    """
    draws = torch.rand(7, len(images), generator=generator, device=generator.device)
    angle, size, right, down, light, factor, curve = (2 * draws - 1).to(images.device)
    height, width = images.shape[-2:]
    cos = torch.cos(angle * math.radians(degrees)) * torch.exp(size * zoom)
    sin = torch.sin(angle * math.radians(degrees)) * torch.exp(size * zoom)
    # Positions run from -1 to 1 along either side, so an oblong image needs its proportions.
    across = torch.stack([cos, -sin * height / width, 2 * shift * right], dim=-1)
    along = torch.stack([sin * width / height, cos, 2 * shift * down], dim=-1)
    grid = F.affine_grid(torch.stack([across, along], 1), list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid.to(images.dtype), align_corners=False)

    def each(values: Tensor) -> Tensor:
        return values.to(images.dtype)[:, None, None, None]

    exposed = (moved - 0.5) * (1 + contrast * each(factor)) + 0.5 + brightness * each(light)
    return exposed.clamp(0, 1) ** torch.exp(gamma * each(curve))
