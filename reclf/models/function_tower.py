"""An image tower that a function of the user's own makes, for encoders of no known architecture.

    "module:function" --pretrained--> module --(B, 3, H, W)--> feature maps (B, C, h, w)

The function takes one argument, `pretrained`. True asks for the published weights, once, when the
encoder is imported; False for the same module untrained, whenever a checkpoint is loaded into it
and for the untrained baseline. The module gets images normalized by the model's mean and standard
deviation and returns one feature map, or a list of maps from fine to coarse, which segmentation
uses; the last one gives regions and pooled features.
"""

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from reclf.config.import_strings import import_object

WHAT = "image tower"


class FunctionTowerConfig(PretrainedConfig):
    """What is stored of such a tower: the function, and the channels of its maps."""

    model_type = "function"

    def __init__(self, function: str = "", channels: Any = (), **others: Any):
        self.function, self.channels, self.num_channels = function, list(channels), 3
        super().__init__(**others)


def find_function(name: str, given: Any = None) -> Callable[[bool], nn.Module]:
    """The function of a name, or the one handed over for it; `ValueError` if it is none of an
    argument `pretrained`."""
    found = import_object(name, WHAT) if given is None else given
    try:
        right = "pretrained" in inspect.signature(found).parameters
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(f"{WHAT}: {name!r} must be a function of one argument, pretrained")
    return found


class FunctionTower(nn.Module):
    """Gives what `ImageEncoder` reads of a transformers backbone.

    Args:
        config: with the function; with the channels, where they are known.
        pretrained: see above.
        image_size: finds the channels with a blank image of this size; 0 takes those of `config`.
        function: handed over; then none is imported.

    Raises:
        ValueError: the function is not imported, or takes no `pretrained`, or gives no such maps.
    """

    def __init__(
        self,
        config: FunctionTowerConfig,
        pretrained: bool,
        image_size: int = 0,
        function: Callable[[bool], nn.Module] | None = None,
    ):
        super().__init__()
        self.config = config
        self.function = find_function(config.function, function)
        self.body = self.function(pretrained)
        if not isinstance(self.body, nn.Module):
            raise ValueError(
                f"{config.function} must return a torch.nn.Module, got {type(self.body).__name__}"
            )
        if image_size:
            self.body.eval()
            with torch.no_grad():
                maps = self._maps(torch.zeros(1, 3, image_size, image_size))
            config.channels = [part.shape[1] for part in maps]
        self.channels = config.channels[-1:]  # of `feature_maps`

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        made = self.body(pixels)
        maps = list(made) if isinstance(made, list | tuple) else [made]
        if not maps or any(not isinstance(m, Tensor) or m.ndim != 4 for m in maps):
            shapes = [tuple(m.shape) if isinstance(m, Tensor) else type(m).__name__ for m in maps]
            raise ValueError(
                f"{self.config.function}: the module must return feature maps (B, C, h, w), one or "
                f"a list from fine to coarse, got {shapes}"
            )
        return maps

    def forward(self, pixels: Tensor, output_hidden_states: bool = False) -> SimpleNamespace:
        maps = self._maps(pixels)
        return SimpleNamespace(feature_maps=maps[-1:], hidden_states=maps)
