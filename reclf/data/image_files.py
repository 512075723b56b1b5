"""Image files to gray pixels: PNG, JPEG and DICOM.

    file -> stored pixels, at a fraction of their size when less will do -> float32 in [0, 1]

Most of the time goes into undoing the compression. A JPEG can be decoded at 1/2, 1/4 or 1/8 of its
size from fewer coefficients of each block, a JPEG 2000 from fewer levels of its wavelet; other
files are decoded whole and then halved, which costs little and makes the last resize cheap.
"""

import math
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from reclf.config.foreign_files import check_size

from .decoded import MOST_BYTES, Decoded, Scale, align, draft, last_bytes, needed_share, refuse_size
from .dicom_files import has_its_pixels, open_dicom, read_dicom, refuse_dicom
from .study import ImageError as ImageError

# Of the formats of Pillow those of pictures; of others, one starts Ghostscript.
FORMATS = ("PNG", "JPEG", "JPEG2000", "TIFF", "BMP", "PPM", "GIF", "WEBP")
_ENDS = {"PNG": b"IEND", "JPEG": b"\xff\xd9"}  # stand last, or in front of a little padding


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
    try:
        check_size(Path(path), MOST_BYTES)
        with open(path, "rb") as file:
            read = read_dicom if _is_dicom(path, file) else _read_picture
            stored = read(file, scale, own_max)
    # Decoders raise whatever their plugin raises (AttributeError, struct.error, ...).
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error
    pixels, needed = align(stored), needed_share(scale, stored.size) * stored.step
    while needed <= 0.25:
        half = (math.ceil(pixels.shape[1] / 2), math.ceil(pixels.shape[0] / 2))
        pixels, needed = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA), needed * 2
    return pixels, stored.size


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a file that looks whole; raises `ImageError` as `decode` does.

    Of PNG, JPEG and DICOM only the first and the last bytes are read, so that a damage between
    them shows on reading; a file of another format, or without the end of its format, is decoded.
    """
    try:
        check_size(Path(path), MOST_BYTES)
        with open(path, "rb") as file:
            if _is_dicom(path, file):
                header = open_dicom(file, stop_before_pixels=True)
                refuse_dicom(header)
                if not has_its_pixels(header, file):
                    file.seek(0)
                    read_dicom(file, None, False)
                return int(header.Rows), int(header.Columns)
            with Image.open(file, formats=FORMATS) as image:
                _refuse_picture(image)
                if _ENDS.get(str(image.format), b"no end") not in last_bytes(file):
                    _gray(image)
                return image.height, image.width
    except Exception as error:
        raise ImageError(f"cannot read {path}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    return " ".join(str(error).split()) or type(error).__name__


def _is_dicom(path: str | Path, file: BinaryIO) -> bool:
    marker = file.read(132)[128:]
    file.seek(0)
    return marker == b"DICM" or str(path).lower().endswith((".dcm", ".dicom"))


def _read_picture(file: BinaryIO, scale: Scale | None, own_max: bool) -> Decoded:
    with Image.open(file, formats=FORMATS) as image:
        if image.format == "PNG":  # else pixels that fail their checksum are black without a word
            image.verify()
    file.seek(0)
    with Image.open(file, formats=FORMATS) as image:
        _refuse_picture(image)
        size = image.height, image.width
        step = draft(image, needed_share(scale, size))
        pixels = _gray(image)
    top = float(pixels.max() if own_max else np.iinfo(pixels.dtype).max)
    return Decoded(pixels.astype(np.float32) / np.float32(top or 1.0), size, step, step / 2)


def _refuse_picture(image: Image.Image) -> None:
    """Refuse by the header what is not one radiograph of known brightness."""
    refuse_size(image.height, image.width)
    if getattr(image, "is_animated", False) and image.format != "MPO":  # a photograph's preview
        raise ValueError("it holds several images, a radiograph is one; save it alone")
    tags = getattr(image, "tag_v2", {})
    if tags.get(262) == 0 and image.mode.startswith("I"):  # 8 bits are turned around by Pillow
        raise ValueError("its zero is white (TIFF, PhotometricInterpretation 0); save it as PNG")
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range; save it as 16-bit PNG")


def _gray(image: Image.Image) -> np.ndarray:
    """uint8 or uint16 (H, W)."""
    if image.mode.startswith("I"):  # 16-bit PNG; older Pillow opens it as 32-bit
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"pixels from {pixels.min()} to {pixels.max()} are not 16-bit")
        return pixels.astype(np.uint16, copy=False)
    # Through RGB, for alpha is not brightness and a palette index neither.
    return np.asarray(image if image.mode == "L" else image.convert("RGB").convert("L"))


def has_drawn_alpha(path: str | Path) -> bool:
    """Whether a picture has a transparency that differs from pixel to pixel."""
    if str(path).lower().endswith((".dcm", ".dicom")):
        return False
    with Image.open(path, formats=FORMATS) as image:
        if "A" not in image.getbands():
            return False
        low, high = image.getchannel("A").getextrema()
        return low != high
