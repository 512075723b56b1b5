"""Drawing on layers: smooth outlines, thin lines, blur, and stored noise.

A layer is uint8 (S, S), 255 where a tissue is in full. OpenCV draws anti-aliased lines in uint8
only, and blurs uint8 several times faster than float32; the film's noise hides the 256 steps.

OpenCV's thread setting is left as it is: it is global to the process, and images of this size are
too small for it to matter (measured at 96 px: equal with and without threads).
"""

import math
from functools import lru_cache
from random import Random

import cv2
import numpy as np

_SHIFT = 4  # cv2 takes points in 1/16 pixel
_SPLINE_STEPS = 6
_TILE = 512


def empty(size: int) -> np.ndarray:
    return np.zeros((size, size), np.uint8)


def fill(
    layer: np.ndarray, points: np.ndarray, smooth: bool = True, value: int = 255
) -> np.ndarray:
    """Fill a closed outline (N, 2), or several (M, N, 2), in pixels; returns the layer."""
    if smooth:
        points = _spline(points.shape[-2]) @ points
    return cv2.fillPoly(layer, _fixed(points), value, cv2.LINE_AA, _SHIFT)


def stroke(layer: np.ndarray, lines: np.ndarray, thickness: float, value: int = 255) -> None:
    """Draw open lines (N, 2) or (M, N, 2). Those thinner than a pixel fade instead."""
    whole = max(1, round(thickness))
    value = round(value * min(1.0, thickness / whole))
    cv2.polylines(layer, _fixed(lines), False, value, whole, cv2.LINE_AA, _SHIFT)


def blur(layer: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur by `sigma` pixels, also of float32.

    Wide ones at a quarter of the resolution, where nobody sees the difference; narrow ones with a
    kernel cut at 2.2 sigma, since OpenCV's own is twice as wide and as slow.
    """
    if sigma >= 2.4:
        small = cv2.resize(layer, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        small = blur(small, sigma / 4)
        return cv2.resize(small, layer.shape[::-1], interpolation=cv2.INTER_LINEAR)
    width = 2 * math.ceil(2.2 * sigma) + 1
    return cv2.GaussianBlur(layer, (width, width), sigma)


def product(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Product of two layers, 255 counting as 1."""
    return cv2.multiply(one, other, scale=1 / 255)


def noise(size: int, grain: float, random: Random) -> np.ndarray:
    """Gaussian noise, float32 (S, S), unit variance, blurred by `grain` pixels.

    It is cut at random from a stored tile: drawing it anew would take longer than all else.
    """
    side = max(512, 2 * size)
    tile = _noise_tile(side, grain)
    row, column = random.randrange(side - size + 1), random.randrange(side - size + 1)
    cut = tile[row : row + size, column : column + size]
    return cut[:, ::-1] if random.random() < 0.5 else cut


@lru_cache(maxsize=8)
def _noise_tile(side: int, grain: float) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(20240501))
    tile: np.ndarray = generator.standard_normal((side, side), dtype=np.float32)
    if grain > 0:
        tile = cv2.GaussianBlur(tile, (0, 0), grain)
    return (tile / tile.std()).astype(np.float32, copy=False)


def _fixed(points: np.ndarray) -> list[np.ndarray]:
    fixed = np.rint(points * np.float32(1 << _SHIFT)).astype(np.int32)
    return [fixed] if fixed.ndim == 2 else list(fixed)


@lru_cache(maxsize=32)
def _spline(count: int) -> np.ndarray:
    """Matrix (steps * N, N) that runs a closed Catmull-Rom curve through N points."""
    t = np.arange(_SPLINE_STEPS, dtype=np.float32) / _SPLINE_STEPS
    weights = [
        -t + 2 * t**2 - t**3,
        2 - 5 * t**2 + 3 * t**3,
        t + 4 * t**2 - 3 * t**3,
        -(t**2) + t**3,
    ]
    matrix = np.zeros((count, _SPLINE_STEPS, count), np.float32)
    for n in range(count):
        for k, weight in enumerate(weights):
            matrix[n, :, (n + k - 1) % count] += np.float32(0.5) * weight
    return matrix.reshape(-1, count)
