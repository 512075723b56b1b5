"""The regions of an image on its pixels: hide them, sum over them, draw maps on them.

    image (H, W_px), grid (h, w), center -> copies with regions hidden | sums | maps in pixels

`center` says where in its block of pixels a region looks, in regions from the block's top left,
the same on both axes: 0.5 is the middle, as for the patches of a ViT; a ResNet's regions look at
the corner (`reclf.models.receptive_field` finds it). A pixel belongs to the region whose center is
nearest. All is numpy, so that a saved explanation is drawn by the same rule without torch.

Shape letters: B = copies of the image, R = h * w regions, row by row from the top left; h, w =
region grid, H, W_px = image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

MIDDLE = 0.5
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


def region_of_pixel(
    shape: Sequence[int], grid: tuple[int, int], center: float = MIDDLE
) -> np.ndarray:
    """The region whose center is nearest to each pixel, int64 (H, W_px), row by row.

    With regions centered near their corners the first rows and columns of blocks are smaller and
    the last ones larger. Of two that are equally near it is the first.
    """
    rows, columns = (
        # the middle of a pixel against the borders halfway between centers
        np.searchsorted((np.arange(count - 1) + 0.5 + center) * n / count, np.arange(n) + 0.5)
        for n, count in zip(shape, grid, strict=True)
    )
    return rows[:, None] * grid[1] + columns


def sum_in_regions(
    pixels: np.ndarray, grid: tuple[int, int], center: float = MIDDLE, mean: bool = False
) -> np.ndarray:
    """Pixels (H, W_px) added up (or averaged) in each region, float32 (h, w)."""
    regions = region_of_pixel(pixels.shape, grid, center).ravel()
    total = np.bincount(regions, pixels.ravel(), minlength=grid[0] * grid[1])
    count = np.bincount(regions, minlength=grid[0] * grid[1]) if mean else 1
    return (total / count).reshape(grid).astype(np.float32)


def without_regions(
    image: np.ndarray,
    fill: np.ndarray,
    keep: np.ndarray,
    grid: tuple[int, int],
    center: float = MIDDLE,
) -> np.ndarray:
    """Copies of an image that show `fill` in the regions not kept: float32 (B, 1, H, W_px).

    Args:
        keep: bool (B, h * w).
    """
    kept = keep[:, region_of_pixel(image.shape, grid, center)]  # (B, H, W_px)
    return np.where(kept, image, fill).astype(np.float32)[:, None]


def random_map(grid: tuple[int, int], seed: int) -> np.ndarray:
    """Uniform noise, float32 (h, w)."""
    return np.random.default_rng(seed).random(grid).astype(np.float32)


def center_prior(shape: Sequence[int], width: float = 0.25, center: float = MIDDLE) -> np.ndarray:
    """A Gaussian around the middle of the image, float32 of that shape, its maximum at most 1.

    Args:
        shape: (h, w) of a grid, or (H, W_px).
        width: standard deviation, as a share of the sides.
        center: of the regions of a grid.
    """
    squares = [(((np.arange(n) + center) / n - 0.5) / width) ** 2 for n in shape]
    return np.exp(-(squares[0][:, None] + squares[1]) / 2).astype(np.float32)


def heat_in_pixels(
    heat: np.ndarray, shape: Sequence[int], center: float = MIDDLE, smooth: bool = False
) -> np.ndarray:
    """Maps (..., h, w) on the pixels, (..., H, W_px).

    Args:
        smooth: linear between the centers; by default a region stays a block, as it was computed.
    """
    *maps, height, width = heat.shape
    if smooth:
        rows, columns = (shares(n, c, center) for n, c in zip(shape, (height, width), strict=True))
        return rows @ heat @ columns.T
    regions = region_of_pixel(shape, (height, width), center)
    return heat.reshape(*maps, height * width).take(regions, axis=-1)


def shares(pixels: int, regions: int, center: float = MIDDLE) -> np.ndarray:
    """How much of each region a pixel of one side takes when a map is interpolated linearly.

    Returns:
        float32 (pixels, regions); rows sum to 1.
    """
    at = (np.arange(pixels) + 0.5) * regions / pixels - center
    at = np.clip(at, 0, regions - 1)
    below = np.minimum(at.astype(int), max(regions - 2, 0))
    taken = np.zeros((pixels, regions), dtype=np.float32)
    every = np.arange(pixels)
    taken[every, below] = 1 - (at - below)
    if regions > 1:
        taken[every, below + 1] = at - below
    return taken
