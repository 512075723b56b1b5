"""Pixels as they come out of a file, possibly at a fraction of its size; what decoders share."""

import math
import os
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image

MOST_PIXELS = 2**26  # of a file: a mammogram, the largest radiograph, has 2^24
MOST_BYTES = 2**28  # of a file, and of what it unpacks to
Scale = Callable[[int, int], float]  # height, width of the file -> the scale that is needed


class Decoded(NamedTuple):
    pixels: np.ndarray  # float32 (h, w)
    size: tuple[int, int]  # height and width of the file
    step: int = 1  # pixels of the file from one of these to the next
    first: float = 0.5  # place of the center of the first one, in pixels of the file


def align(decoded: Decoded) -> np.ndarray:
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


def needed_share(scale: Scale | None, size: tuple[int, int]) -> float:
    """The share of height and width that is needed, 1 for all of it."""
    return 1.0 if scale is None else min(1.0, scale(*size))


def draft(image: Image.Image, needed: float) -> int:
    """Let a JPEG be decoded small, as gray; returns its step, 1 for another format."""
    width = image.width
    if needed < 1:
        image.draft("L", (max(1, int(width * needed)), max(1, int(image.height * needed))))
    return round(width / image.width)


def refuse_size(height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        raise ValueError(f"{height} x {width} pixels; at most {MOST_PIXELS:,} are decoded")


def last_bytes(file: BinaryIO) -> bytes:
    length = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), 64, max(0, length - 64))
