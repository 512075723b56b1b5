"""Image files to gray pixels: PNG, JPEG and DICOM.

    file -> stored pixels, at a fraction of their size when less will do -> float32 in [0, 1]

Most of the time goes into undoing the compression. A JPEG can be decoded at 1/2, 1/4 or 1/8 of its
size from fewer coefficients of each block, a JPEG 2000 from fewer levels of its wavelet; other
files are decoded whole and then halved, which costs little and makes the last resize cheap.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_modality_lut, apply_voi
from pydicom.uid import JPEG2000, JPEG2000Lossless, JPEGBaseline8Bit

Scale = Callable[[int, int], float]  # height, width of the file -> the scale that is needed

_STEPS = (0.5, 99.5)  # percentiles that become black and white without a window


class ImageError(ValueError):
    """A file that cannot be read as one radiograph; the message names the file and the reason."""


def decode(
    path: str | Path, scale: Scale | None = None, *, own_max: bool = False
) -> tuple[np.ndarray, tuple[int, int]]:
    """Gray pixels of a file; see `reclf.data.radiographs.read_image`.

    Args:
        scale: how much smaller than the file the pixels will be resized, from its height and width.
            They come at 1, 1/2, 1/4, ... of the size and not smaller than needed; where it costs
            little, they are twice as large, for a better last resize. None: as they are.
        own_max: divide PNG and JPEG by their own maximum.

    Returns:
        float32 (H, W) in [0, 1], and height and width of the file.

    Raises:
        ImageError: for a file that is missing, damaged, or not one two-dimensional image.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            read = _read_dicom if _is_dicom(path, file) else _read_picture
            stored = read(file, scale, own_max)
    # Decoders raise whatever their plugin raises (AttributeError, struct.error, ...).
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error
    pixels, needed = _align(stored), _needed(scale, stored.size) * stored.step
    while needed <= 0.25:
        half = (math.ceil(pixels.shape[1] / 2), math.ceil(pixels.shape[0] / 2))
        pixels, needed = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), needed * 2
    return pixels, stored.size


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width by the header alone; raises `ImageError` as `decode` does.

    PNG checksums are verified. A damage inside the pixels of another format shows on reading.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            if _is_dicom(path, file):
                header = pydicom.dcmread(file, stop_before_pixels=True)
                return int(header.Rows), int(header.Columns)
            with Image.open(file) as image:
                width, height = image.size
                image.verify()
                return height, width
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error


def _needed(scale: Scale | None, size: tuple[int, int]) -> float:
    """The share of height and width that is needed, 1 for all of it."""
    return 1.0 if scale is None else min(1.0, scale(*size))


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return str(error).strip() or type(error).__name__


def _is_dicom(path: Path, file: BinaryIO) -> bool:
    marker = file.read(132)[128:]
    file.seek(0)
    return marker == b"DICM" or path.suffix.lower() in (".dcm", ".dicom")


class _Decoded(NamedTuple):
    pixels: np.ndarray  # float32 (h, w)
    size: tuple[int, int]  # height and width of the file
    step: int = 1  # pixels of the file from one of these to the next
    first: float = 0.5  # place of the center of the first one, in pixels of the file


def _align(decoded: _Decoded) -> np.ndarray:
    """Pixels that span the file evenly.

    Small pixels of a JPEG are blocks, the last of which may reach beyond the file; those of a
    wavelet sit on every 2^n-th pixel of the file and not between them.
    """
    lengths = [math.ceil(length / decoded.step) for length in decoded.size]
    # Pixel j of the result, of n, lies at (j + 0.5) * length / n in the file.
    (a, b), (c, d) = (
        (length / n / decoded.step, (length / n / 2 - decoded.first) / decoded.step)
        for length, n in zip(decoded.size, lengths, strict=True)
    )
    if (a, b, c, d) == (1, 0, 1, 0):
        return decoded.pixels
    matrix, how = np.array([[c, 0, d], [0, a, b]]), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        decoded.pixels, matrix, lengths[::-1], flags=how, borderMode=cv2.BORDER_REPLICATE
    )


# -- PNG, JPEG ---------------------------------------------------------------------------------


def _read_picture(file: BinaryIO, scale: Scale | None, own_max: bool) -> _Decoded:
    with Image.open(file) as image:
        size = image.height, image.width
        step = _draft(image, _needed(scale, size))
        pixels = _gray(image)
    top = float(pixels.max() if own_max else np.iinfo(pixels.dtype).max)
    return _Decoded(pixels.astype(np.float32) / np.float32(top or 1.0), size, step, step / 2)


def _draft(image: Image.Image, needed: float) -> int:
    """Let a JPEG be decoded small, as gray; returns its step, 1 for another format."""
    width = image.width
    if needed < 1:
        image.draft("L", (max(1, int(width * needed)), max(1, int(image.height * needed))))
    return round(width / image.width)


def _gray(image: Image.Image) -> np.ndarray:
    """uint8 or uint16 (H, W)."""
    if image.mode.startswith("I"):  # 16-bit PNG; older Pillow opens it as 32-bit
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"pixels from {pixels.min()} to {pixels.max()} are not 16-bit")
        return pixels.astype(np.uint16, copy=False)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it as 16-bit PNG")
    # Through RGB, for alpha is not brightness and a palette index neither.
    return np.asarray(image if image.mode == "L" else image.convert("RGB").convert("L"))


# -- DICOM -------------------------------------------------------------------------------------


def _read_dicom(file: BinaryIO, scale: Scale | None, own_max: bool) -> _Decoded:
    dataset = pydicom.dcmread(file)
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise ValueError(
            f"it holds {dataset.NumberOfFrames} frames, a radiograph has one; "
            "save the frame wanted as a file of its own"
        )
    size = int(dataset.Rows), int(dataset.Columns)
    if small := _decode_small(dataset, _needed(scale, size)):
        stored, step, first = small
        return _Decoded(_shade(stored, dataset), size, step, first)
    stored = dataset.pixel_array
    if stored.ndim == 3:
        gray = stored @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        gray = gray / np.float32(2 ** int(dataset.BitsStored) - 1)
        return _Decoded(gray.astype(np.float32), size)
    return _Decoded(_shade(stored, dataset), size)


def _decode_small(dataset: pydicom.Dataset, needed: float) -> tuple[np.ndarray, int, float] | None:
    """Stored values at a fraction of their size, with step and first of `_Decoded`; None where
    the file does not give them so."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if (
        needed > 0.5
        or syntax not in (JPEGBaseline8Bit, JPEG2000, JPEG2000Lossless)
        or (dataset.SamplesPerPixel, dataset.PixelRepresentation) != (1, 0)
        or "PixelPaddingValue" in dataset  # its pixels must stay apart from their neighbors
    ):
        return None
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    if syntax == JPEGBaseline8Bit:
        with Image.open(io.BytesIO(frame)) as image:
            step = _draft(image, needed)
            return (np.asarray(image), step, step / 2) if image.mode == "L" else None
    # The last of the codestream's fixed fields: sign and bits of the only component (ISO 15444-1).
    if frame[42] != int(dataset.BitsStored) - 1:
        return None
    # Smaller ones are less smooth than a mean, so twice what is needed is decoded.
    for levels in range(int(-math.log2(2 * needed)), 0, -1):
        with Image.open(io.BytesIO(frame)) as image:
            image.reduce = levels  # type: ignore[assignment, method-assign]
            try:
                pixels = np.asarray(image)
            # Fewer levels than that, or sizes that Pillow and OpenJPEG round differently.
            except OSError:
                continue
        if pixels.dtype == np.uint16:
            pixels = pixels >> (16 - int(dataset.BitsStored))  # Pillow moves them up to 16 bits
        return pixels, 2**levels, 0.5
    return None


def _shade(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Stored values to gray, float32 (H, W) in [0, 1].

    Everything that decides a gray is worked out once per stored value and not once per pixel.
    """
    if stored.dtype.kind in "iu" and stored.itemsize <= 2:
        unsigned = np.dtype(f"u{stored.itemsize}")
        levels = np.arange(2 ** (8 * stored.itemsize)).astype(unsigned).view(stored.dtype)
        index = np.ascontiguousarray(stored).view(unsigned)
    else:
        levels, index = np.unique(stored, return_inverse=True)

    def look_up(table: np.ndarray) -> np.ndarray:
        table = table.astype(np.float32, copy=False)
        return cv2.LUT(index, table) if index.dtype.itemsize <= 2 else table[index]

    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    values = apply_modality_lut(levels, dataset)
    table = _apply_voi(values, dataset)
    image = None if table is None else look_up(1 - table if inverted else table)
    # A window written for other values leaves one shade of gray.
    if image is None or image.max() - image.min() < 0.05:
        table = _stretch(levels, values, _count(index, len(levels)), dataset)
        image = look_up(1 - table if inverted else table)
    if "PixelPaddingValue" in dataset:
        image[stored == dataset.PixelPaddingValue] = 0
    return image


def _count(index: np.ndarray, levels: int) -> np.ndarray:
    """How many pixels have each stored value."""
    if index.dtype.itemsize > 2:
        return np.bincount(index.ravel(), minlength=levels)
    # Five times faster than bincount; exact for up to 2^24 pixels of one value.
    return cv2.calcHist([index], [0], None, [levels], [0, levels]).ravel()


def _stretch(
    levels: np.ndarray, values: np.ndarray, counts: np.ndarray, dataset: pydicom.Dataset
) -> np.ndarray:
    """Gray of every stored value without a window."""
    shown = values[counts > 0]
    if int(dataset.BitsStored) == 8 and shown.min() >= 0 and shown.max() <= 255:
        return np.clip(values / 255.0, 0, 1)
    padding = levels == dataset.get("PixelPaddingValue", np.nan)
    counts = np.where(padding, 0, counts) if counts[~padding].any() else counts
    order = np.argsort(values, kind="stable")
    ranks = np.array(_STEPS) / 100 * (counts.sum(dtype=np.float64) - 1)
    below, above = (
        values[order][np.searchsorted(counts[order].cumsum(dtype=np.float64), rank, "right")]
        for rank in (np.floor(ranks), np.ceil(ranks))
    )
    low, high = below + (above - below) * (ranks - np.floor(ranks))
    return np.clip((values - low) / max(high - low, 1e-6), 0, 1)


def _apply_voi(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray | None:
    """The first VOI table or window, onto [0, 1] (DICOM PS3.3 C.11.2); None when there is none."""
    if tables := dataset.get("VOILUTSequence"):
        bits = int(tables[0].LUTDescriptor[2])
        return apply_voi(values, dataset, index=0) / float(2**bits - 1)
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    function = dataset.get("VOILUTFunction", "LINEAR")
    if center is None or width is None or width <= (1 if function == "LINEAR" else 0):
        return None
    if function == "SIGMOID":
        # Beyond 80 the result is 0 to float32 rounding, and exp would warn of overflow.
        return 1 / (1 + np.exp(np.clip(-4 * (values - np.float32(center)) / width, -80, 80)))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    return np.clip((values - np.float32(center)) / np.float32(width) + 0.5, 0, 1)


def _first(value) -> float | None:
    if value is None or value == "":
        return None
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
