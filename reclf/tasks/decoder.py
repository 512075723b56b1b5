"""A U-Net-like decoder on the feature maps of an image encoder (Ronneberger et al., MICCAI 2015).

    pixels -> feature_pyramid (finest first) -> Decoder: from the coarsest map up, a skip at each
    size -> logits (B, classes, H, W)

The image itself is no skip: the decoder sees the encoder's features only.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reclf.models.encoders import ImageEncoder
from reclf.models.inference import autocast

VIT_LEVELS = 4  # layers of a ViT that are read, evenly spaced


def feature_pyramid(encoder: ImageEncoder, pixels: Tensor) -> list[Tensor]:
    """Feature maps (B, C, h, w), float32, of pixels (B, 1, H, W) in [0, 1], finest and earliest
    first. The encoder computes as `autocast` says.

    A convolutional backbone gives its stem and stages. A ViT gives the patches of `VIT_LEVELS`
    layers, all of one size.
    """
    config = encoder.config
    pixels = (pixels - config.image_mean) / config.image_std
    pixels = pixels.expand(-1, getattr(encoder.tower.config, "num_channels", 3), -1, -1)
    if encoder.is_backbone:
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with autocast(pixels.device):
            states = list(encoder.tower(pixels, output_hidden_states=True).hidden_states)
        # Where stem and first stage have one size, the stage has seen what the stem has.
        return [
            state.float()
            for i, state in enumerate(states)
            if i + 1 == len(states) or state.shape[2:] != states[i + 1].shape[2:]
        ]
    with autocast(pixels.device):
        output = encoder.tower(pixels, interpolate_pos_encoding=True, output_hidden_states=True)
    layers = [state.float() for state in output.hidden_states[1:]]
    chosen = sorted({round((i + 1) * len(layers) / VIT_LEVELS) - 1 for i in range(VIT_LEVELS)})
    height, width = (side // encoder.tower.config.patch_size for side in pixels.shape[2:])
    return [
        layers[max(0, i)][:, -height * width :].mT.unflatten(2, (height, width)) for i in chosen
    ]


class Decoder(nn.Module):
    """Upsample, join the skip, convolve; until the finest map, then up to the image.

    Args:
        channels: of the pyramid's maps, finest first.
        classes: logits per pixel; classes may overlap, each has its own sigmoid.
        width: channels inside.
    """

    def __init__(self, channels: Sequence[int], classes: int, width: int = 32):
        super().__init__()
        self.enter = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.join = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for _ in channels[1:]
        )
        self.leave = nn.Conv2d(width, classes, 1)
        # Findings are small: a start at 5 % instead of 50 % saves a hundred steps of unlearning,
        # and classes that a short training would else never predict.
        if self.leave.bias is not None:
            nn.init.constant_(self.leave.bias, -3.0)

    def forward(self, pyramid: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Logits (B, classes, *size) from maps, finest first."""
        maps = [enter(part) for enter, part in zip(self.enter, pyramid, strict=True)]
        if len({part.shape[2:] for part in maps}) == 1 and len(maps) > 1:
            # A ViT's layers have one size: earlier ones are taken as finer ones.
            last = len(maps) - 1
            maps = [_resize(part, 2 ** (last - i)) for i, part in enumerate(maps)]
        current = maps[-1]
        for skip, join in zip(reversed(maps[:-1]), reversed(self.join), strict=True):
            raised = F.interpolate(current, skip.shape[2:], mode="bilinear")
            current = join(torch.cat([raised, skip], 1))
        return F.interpolate(self.leave(current), size, mode="bilinear")


def _resize(part: Tensor, factor: int) -> Tensor:
    return F.interpolate(part, scale_factor=factor, mode="bilinear") if factor > 1 else part
