"""DICOM files to gray pixels.

file -> attributes -> stored values, at a fraction of their size when less will do
     -> modality transform -> window, or a stretch -> MONOCHROME2, float32 in [0, 1]
"""

import io
import math
import os
import zlib
from typing import Any, BinaryIO

import cv2
import numpy as np
import pydicom
from PIL import Image
from pydicom.encaps import generate_frames
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from .decoded import MOST_BYTES, Decoded, Scale, draft, last_bytes, needed_share, refuse_size

_FRAMES = ("JPEG", "JPEG2000")  # whatever else a frame may hold: PostScript would be run
_STEPS = (0.5, 99.5)  # percentiles that become black and white without a window

_ATTRIBUTES = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated",
    "BitsStored", "PixelRepresentation",
)  # fmt: skip


def refuse_dicom(header: pydicom.Dataset) -> None:
    """Refuse by the attributes what is not one radiograph of known pixels."""
    missing = [name for name in _ATTRIBUTES if header.get(name) in (None, "")]
    missing += [] if "TransferSyntaxUID" in header.file_meta else ["TransferSyntaxUID"]
    if missing:
        raise ValueError(f"it lacks the DICOM attribute {', '.join(missing)}")
    if int(header.get("HighBit") or 0) >= int(header.BitsStored):
        raise ValueError(
            f"HighBit {header.HighBit} is not the last of {header.BitsStored} BitsStored, so that "
            "values are not where a decoder looks; write it again with values from bit 0 on"
        )
    if min(header.Rows, header.Columns) < 1:
        raise ValueError(f"it has {header.Rows} Rows and {header.Columns} Columns")
    refuse_size(header.Rows, header.Columns * header.SamplesPerPixel)
    if int(header.get("NumberOfFrames") or 1) > 1:
        raise ValueError(
            f"it holds {header.NumberOfFrames} frames, a radiograph has one; "
            "save the frame wanted as a file of its own"
        )


def open_dicom(file: BinaryIO, **options: Any) -> pydicom.FileDataset:
    """A data set; one that is deflated as a whole may unpack to MOST_BYTES, which pydicom does not
    ask for."""
    read_preamble(file, force=True)
    if _read_file_meta_info(file).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        unpacked = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacked.decompress(file.read(), MOST_BYTES)
        if unpacked.unconsumed_tail:
            raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
    file.seek(0)
    return pydicom.dcmread(file, **options)


def has_its_pixels(header: pydicom.Dataset, file: BinaryIO) -> bool:
    """Whether all pixels follow the header, which was just read; False where that is not seen."""
    syntax, end = header.file_meta.TransferSyntaxUID, last_bytes(file)
    if syntax.is_compressed:
        return b"\xfe\xff\xdd\xe0" in end and _ends_well(end, syntax)  # Sequence Delimitation Item
    bits = header.Rows * header.Columns * header.SamplesPerPixel * header.BitsAllocated
    return os.fstat(file.fileno()).st_size - file.tell() >= bits / 8


def _ends_well(pixels: bytes, syntax: UID) -> bool:
    """Whether compressed pixels have their end marker: some decoders fill up what is missing."""
    return "JPEG" not in syntax.name or b"\xff\xd9" in pixels[-64:]


def read_dicom(file: BinaryIO, scale: Scale | None, own_max: bool) -> Decoded:
    dataset = open_dicom(file)
    refuse_dicom(dataset)
    if not dataset.get("PixelData"):
        raise ValueError("it holds no PixelData")
    if not _ends_well(dataset.PixelData, dataset.file_meta.TransferSyntaxUID):
        raise ValueError("its compressed pixels end too early; copy or download it again")
    size = int(dataset.Rows), int(dataset.Columns)
    if small := _decode_small(dataset, needed_share(scale, size)):
        stored, step, first = small
        return Decoded(_shade(stored, dataset), size, step, first)
    stored, top = dataset.pixel_array, 2 ** int(dataset.BitsStored) - 1
    if dataset.PhotometricInterpretation == "PALETTE COLOR":
        stored = apply_color_lut(stored, dataset)
        top = np.iinfo(stored.dtype).max
    if stored.ndim == 3:
        gray = stored @ np.array([0.299, 0.587, 0.114], dtype=np.float32) / np.float32(top)
        return Decoded(gray.astype(np.float32), size)
    return Decoded(_shade(stored, dataset), size)


def _decode_small(dataset: pydicom.Dataset, needed: float) -> tuple[np.ndarray, int, float] | None:
    """Stored values at a fraction of their size, with step and first of `Decoded`; None where
    the file does not give them so."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if (
        needed > 0.5
        or syntax not in (JPEGBaseline8Bit, JPEG2000, JPEG2000Lossless)
        or (dataset.SamplesPerPixel, dataset.PixelRepresentation) != (1, 0)
        or not dataset.PhotometricInterpretation.startswith("MONOCHROME")
        or "PixelPaddingValue" in dataset  # its pixels must stay apart from their neighbors
    ):
        return None
    frame = next(generate_frames(dataset.PixelData, number_of_frames=1))
    with Image.open(io.BytesIO(frame), formats=_FRAMES) as image:
        if image.size != (dataset.Columns, dataset.Rows) or image.mode not in ("L", "I;16"):
            return None  # for the whole decoder to refuse
        if syntax == JPEGBaseline8Bit:
            step = draft(image, needed)
            return np.asarray(image), step, step / 2
    # The last of the codestream's fixed fields: sign and bits of the only component (ISO 15444-1).
    if frame[42] != int(dataset.BitsStored) - 1:
        return None
    # Smaller ones are less smooth than a mean, so twice what is needed is decoded.
    for levels in range(int(-math.log2(2 * needed)), 0, -1):
        with Image.open(io.BytesIO(frame), formats=_FRAMES) as image:
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
        image[_is_padding(stored, dataset)] = 0
    return image


def _is_padding(stored: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Where stored values are padding: from its value to the limit of its range (DICOM PS3.3,
    C.7.5.1.1.2). Both are taken by their bits, for signed values may be written as unsigned."""
    known = (dataset.get(name) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit"))
    ends = [int(value) for value in known if value is not None]
    if dataset.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    if stored.dtype.kind in "iu" and stored.itemsize > 1:
        bits = 8 * stored.itemsize
        ends = [int(np.array(end % 2**bits, f"u{bits // 8}").view(stored.dtype)) for end in ends]
    return (stored >= min(ends)) & (stored <= max(ends))


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
    has_padding = "PixelPaddingValue" in dataset
    padding = _is_padding(levels, dataset) if has_padding else np.zeros(len(levels), bool)
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
