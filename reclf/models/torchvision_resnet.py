"""ResNets by torchvision's names, as most published encoders have them, in transformers' names.

    checkpoint --flatten, find the prefix--> conv1.weight, layer1.0.conv1.weight, ...
        --rename--> configuration and weights of a transformers ResNet

Of both, the stride of a bottleneck is in its 3 x 3 convolution (ResNet v1.5): equal weights give
equal feature maps. ResNets with other blocks or stems (wide, ResNeXt, CLIP's) are refused by what
does not fit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import ResNetBackbone, ResNetConfig

MARK = "layer1.0.conv1.weight"  # every such ResNet has it
LAYERS = (1, 2, 3, 4)
_OWN = re.compile(r"(conv\d|bn\d|layer\d)\.")  # names that only a ResNet's body has


@dataclass(frozen=True)
class FoundResNet:
    """A ResNet in a checkpoint.

    Attributes:
        tower: ready, in transformers' form.
        prefix: of its names in the checkpoint, such as "state_dict.img_encoder_q.model.".
        matched: weights that were taken.
        left_out: beginnings of all other names: heads, text encoders, states of optimizers.
    """

    tower: ResNetBackbone
    prefix: str
    matched: int
    left_out: tuple[str, ...]


def find_resnet(checkpoint: Mapping[str, Any], prefix: str | None = None) -> FoundResNet:
    """The ResNet of a checkpoint whose weights may lie at any depth under any name.

    Args:
        checkpoint: tensors by name, also in mappings in mappings ("state_dict", "model").
        prefix: of the encoder's names, where there are several encoders; None finds it.

    Raises:
        ValueError: no ResNet or several, or weights that are missing, left over or of another
            shape; names them.
    """
    state = dict(_flatten(checkpoint))
    prefixes = sorted(name.removesuffix(MARK) for name in state if f".{name}".endswith(f".{MARK}"))
    if prefix is not None and prefix not in prefixes:
        raise ValueError(f"no ResNet under the prefix {prefix!r}: there are {prefixes}")
    if not prefixes:
        some = ", ".join(list(state)[:5]) or "none"
        raise ValueError(f"no ResNet by torchvision's names, such as {MARK}; its tensors: {some}")
    if prefix is None and len(prefixes) > 1:
        raise ValueError(f"several ResNets, under the prefixes {prefixes}: name one (prefix)")
    prefix = prefixes[0] if prefix is None else prefix
    own = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    body = {name: value for name, value in own.items() if _OWN.match(name)}
    tower = ResNetBackbone(_config(body))
    _load(tower, body)
    others = state.keys() - {prefix + name for name in body}
    return FoundResNet(tower, prefix, len(body), _beginnings(others, prefix))


def _flatten(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Tensor]]:
    for name, value in values.items():
        if isinstance(value, Tensor):
            yield f"{path}{name}", value
        elif isinstance(value, Mapping):
            yield from _flatten(value, f"{path}{name}.")


def _config(body: Mapping[str, Tensor]) -> ResNetConfig:
    """Depths and widths as the names and shapes have them."""
    last = "conv3" if "layer1.0.conv3.weight" in body else "conv2"
    needed = ["conv1.weight", *(f"layer{layer}.0.{last}.weight" for layer in LAYERS)]
    if missing := [name for name in needed if name not in body]:
        raise ValueError(f"the ResNet is not whole: {', '.join(missing)} missing")
    blocks = [re.match(r"layer(\d)\.(\d+)\.", name) for name in body]
    places = [(int(b[1]), int(b[2])) for b in blocks if b]
    return ResNetConfig(
        num_channels=body["conv1.weight"].shape[1],
        embedding_size=body["conv1.weight"].shape[0],
        hidden_sizes=[body[name].shape[0] for name in needed[1:]],
        depths=[1 + max(block for own, block in places if own == layer) for layer in LAYERS],
        layer_type="bottleneck" if last == "conv3" else "basic",
    )


def _load(tower: ResNetBackbone, body: Mapping[str, Tensor]) -> None:
    expected = {_torchvision_name(name): name for name in tower.state_dict()}
    weights = tower.state_dict()
    problems = [f"{name} left over" for name in body if name not in expected]
    for name, ours in expected.items():
        if name in body and body[name].shape != weights[ours].shape:
            shapes = tuple(body[name].shape), tuple(weights[ours].shape)
            problems.append(f"{name} is {shapes[0]}, expected {shapes[1]}")
        elif name in body:
            weights[ours] = body[name]
        elif not name.endswith("num_batches_tracked"):  # not in checkpoints of old versions
            problems.append(f"{name} missing")
    if problems:
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"not a plain ResNet: {'; '.join(problems[:5])}{more}")
    if not all(bool(torch.isfinite(value).all()) for value in weights.values()):
        raise ValueError("the ResNet has weights that are not finite")
    tower.load_state_dict(weights)  # half precision becomes float32


def _torchvision_name(name: str) -> str:
    """torchvision's name of a weight of transformers' ResNet."""
    *place, kind, value = name.split(".")
    is_norm = kind == "normalization"
    if place[0] == "embedder":
        return f"{'bn' if is_norm else 'conv'}1.{value}"
    _, _, stage, _, block, *inner = place
    where = f"layer{int(stage) + 1}.{block}"
    if inner == ["shortcut"]:
        return f"{where}.downsample.{int(is_norm)}.{value}"
    return f"{where}.{'bn' if is_norm else 'conv'}{int(inner[1]) + 1}.{value}"


def _beginnings(names: set[str], prefix: str) -> tuple[str, ...]:
    """What the names begin with: one part more than they share with the prefix."""
    found = set()
    for name in names:
        parts, own = name.split("."), prefix.split(".")
        shared = next((i for i, (a, b) in enumerate(zip(parts, own, strict=False)) if a != b), 0)
        found.add(".".join(parts[: shared + 1]))
    return tuple(sorted(found))
