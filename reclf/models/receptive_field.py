"""Where the regions of an image tower look: the pixel that each is centered on.

    tower --one blank image--> layers that reduce the size --kernel, stride, padding--> first center

A region is often drawn as its block of pixels, region i of stride s over i * s to (i + 1) * s. That
is where a ViT's patch lies. The layers of a ResNet, with odd kernels and padding on both sides, are
centered on pixel i * s, the corner of that block: its maps drawn as blocks lie half a region too
low and too far right. (Ours; with 16 pixels a region that is most of a nodule.) With the center
found here `reclf.data.region_grid` places regions on pixels.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from reclf.data.region_grid import MIDDLE


def receptive_field_center(
    run: Callable[[Tensor], Any], tower: nn.Module, size: int, regions: int
) -> float:
    """Where the first region is centered, in regions from the edge of the image: 0.5 is its middle.

    Of square images and symmetric layers, so that one number serves both axes. The layers are those
    that a blank image passes; of parallel ones that reduce the same size, the first counts.

    Args:
        run: takes (1, 1, size, size) through the tower.
        regions: regions on a side.

    Returns:
        The center, or MIDDLE where the layers do not account for the number of regions (a tower
        that merges patches without convolutions).
    """
    seen: dict[int, tuple[int, float, int]] = {}  # size before -> size after, shift, stride

    def note(layer: Any, given: tuple[Tensor, ...], made: Tensor) -> None:
        before, after = given[0].shape[-1], made.shape[-1]
        if after < before:
            kernel, stride, padding, dilation = (
                _first(getattr(layer, name, 1))
                for name in ("kernel_size", "stride", "padding", "dilation")
            )
            if isinstance(padding, int):  # and not the name of a rule
                seen.setdefault(before, (after, (kernel - 1) * dilation / 2 - padding, stride))

    layers = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
    hooks = [m.register_forward_hook(note) for m in tower.modules() if isinstance(m, layers)]
    was_training = tower.training
    tower.eval()  # a blank image is no part of running statistics
    try:
        weight = next(tower.parameters())
        with torch.no_grad():
            run(torch.zeros(1, 1, size, size, device=weight.device, dtype=weight.dtype))
    finally:
        tower.train(was_training)
        for hook in hooks:
            hook.remove()
    at, jump, here = 0.0, 1, size
    while here != regions and here in seen:
        here, shift, stride = seen[here]
        at, jump = at + shift * jump, jump * stride
    return (at + 0.5) / jump if here == regions and jump == size // regions else MIDDLE


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value
