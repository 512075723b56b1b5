"""The regions of an image as blocks of pixels: hide them, add up in them, draw maps on them.

    image (H, W_px), grid (h, w) -> copies with regions hidden | sums per region | maps in pixels

Shape letters: B = copies of the image, R = h * w regions, row by row from the top left; h, w =
region grid, H, W_px = image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

FILLS = ("blur", "mean")


def filled(image: np.ndarray, fill: str) -> np.ndarray:
    """What stands where nothing is to be seen, float32 (H, W_px).

    Args:
        fill: "blur" (Gaussian, sigma an eighth of the shorter side: places stay as bright as their
            surroundings) or "mean" (the image's mean everywhere, which makes edges at the holes).
    """
    if fill not in FILLS:
        raise ValueError(f"fill must be one of {', '.join(FILLS)}, got {fill!r}")
    image = np.asarray(image, dtype=np.float32)
    if fill == "mean":
        return np.full_like(image, image.mean())
    return cv2.GaussianBlur(image, (0, 0), min(image.shape) / 8)


def cell_of_pixel(shape: Sequence[int], grid: tuple[int, int]) -> np.ndarray:
    """The region each pixel lies in, int64 (H, W_px), row by row from the top left."""
    rows, columns = (np.arange(n) * cells // n for n, cells in zip(shape, grid, strict=True))
    return rows[:, None] * grid[1] + columns


def sum_in_cells(pixels: np.ndarray, grid: tuple[int, int], mean: bool = False) -> np.ndarray:
    """Pixels (H, W_px) added up (or averaged) in each region, float32 (h, w)."""
    cells = cell_of_pixel(pixels.shape, grid).ravel()
    total = np.bincount(cells, pixels.ravel(), minlength=grid[0] * grid[1])
    count = np.bincount(cells, minlength=grid[0] * grid[1]) if mean else 1
    return (total / count).reshape(grid).astype(np.float32)


def without_cells(
    image: np.ndarray, fill: np.ndarray, keep: np.ndarray, grid: tuple[int, int]
) -> Tensor:
    """Copies of an image that show `fill` in the regions not kept: float32 (B, 1, H, W_px).

    Args:
        keep: bool (B, h * w).
    """
    kept = keep[:, cell_of_pixel(image.shape, grid)]  # (B, H, W_px)
    return torch.from_numpy(np.where(kept, image, fill).astype(np.float32))[:, None]


def random_map(grid: tuple[int, int], seed: int) -> np.ndarray:
    """Uniform noise, float32 (h, w)."""
    return np.random.default_rng(seed).random(grid).astype(np.float32)


def centre_prior(shape: Sequence[int], width: float = 0.25) -> np.ndarray:
    """A Gaussian around the middle, float32 of that shape, its maximum at most 1.

    Args:
        shape: (h, w) of a grid, or (H, W_px).
        width: standard deviation, as a share of the sides.
    """
    squares = [(((np.arange(n) + 0.5) / n - 0.5) / width) ** 2 for n in shape]
    return np.exp(-(squares[0][:, None] + squares[1]) / 2).astype(np.float32)


def heat_in_pixels(heat: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """A map (h, w) on the pixels (H, W_px); a region stays a block, as it was computed."""
    grid = (heat.shape[0], heat.shape[1])
    return heat.ravel()[cell_of_pixel(shape, grid)]
