"""Augmentation of radiographs: small changes of position and exposure, never a flip."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


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

    One grid for all images, and nothing waits for the device.

    Args:
        images: (B, 1, H, W) in [0, 1], on any device.
        generator: decides everything; the same state gives the same images.
        degrees: most rotation, either way.
        zoom: most enlargement or reduction, 0.08 = 8 %.
        shift: most shift, as a share of height and width.
        brightness: most that is added or taken.
        contrast: most change of the factor around mid-gray.
        gamma: most change of log(gamma).

    Returns:
        As `images`; black where the position shows what was outside.
    """
    draws = torch.rand(7, len(images), generator=generator, device=generator.device)
    angle, size, right, down, light, factor, curve = (
        2 * draws.to(images.device, non_blocking=True) - 1
    )
    height, width = images.shape[-2:]
    cos = torch.cos(angle * math.radians(degrees)) * torch.exp(size * zoom)
    sin = torch.sin(angle * math.radians(degrees)) * torch.exp(size * zoom)
    # Positions run from -1 to 1 along either side, so an oblong image needs its proportions.
    x, y = (_positions(n, images.device) for n in (width, height))
    grid = torch.empty(len(images), height, width, 2, device=images.device)
    _lay(grid[..., 0], 2 * shift * right, cos, x, -sin * (height / width), y)
    _lay(grid[..., 1], 2 * shift * down, sin * (width / height), x, cos, y)
    moved = F.grid_sample(images, grid.to(images.dtype), align_corners=False)

    def each(values: Tensor) -> Tensor:
        return values.to(images.dtype)[:, None, None, None]

    moved.sub_(0.5).mul_(1 + contrast * each(factor)).add_(0.5 + brightness * each(light))
    return moved.clamp_(0, 1).pow_(torch.exp(gamma * each(curve)))


def _positions(count: int, device: torch.device) -> Tensor:
    """Centers of pixels between -1 and 1, as `grid_sample` counts them."""
    return (2 * torch.arange(count, device=device) + 1) / count - 1


def _lay(grid: Tensor, start: Tensor, by_x: Tensor, x: Tensor, by_y: Tensor, y: Tensor) -> None:
    """start + by_x x + by_y y of every image and pixel into (B, H, W); `affine_grid` takes ten
    times as long for its matrix products with 3 columns."""
    columns, rows = by_x[:, None] * x, start[:, None] + by_y[:, None] * y
    torch.add(columns[:, None], rows[:, :, None], out=grid)
