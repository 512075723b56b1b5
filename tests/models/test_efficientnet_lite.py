"""EfficientNet-Lite0: its shapes, TensorFlow's padding, and weights by the package's names."""

import pytest
import torch
import torch.nn.functional as F

from reclf.config import TowerConfig
from reclf.models.efficientnet_lite import (
    EfficientNetLite,
    EfficientNetLiteConfig,
    _SamePadded,
    load_efficientnet_lite,
)
from reclf.models.towers import build_tower

PARTS = {
    "expand.0": "_expand_conv", "expand.1": "_bn0", "depthwise.0": "_depthwise_conv",
    "depthwise.1": "_bn1", "project.0": "_project_conv", "project.1": "_bn2",
    "stem.0": "_conv_stem", "stem.1": "_bn0", "head.0": "_conv_head", "head.1": "_bn1",
}  # fmt: skip


def as_the_package_names_them(model):
    """The package's state: blocks counted through, a classifier behind."""
    named = {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    numbers = {}
    for name, value in model.state_dict().items():
        *place, part, layer, last = name.split(".")
        block = ".".join(place)
        if block:
            numbers.setdefault(block, len(numbers))
        before = f"_blocks.{numbers[block]}." if block else ""
        named[f"{before}{PARTS[f'{part}.{layer}']}.{last}"] = value
    assert len(numbers) == 16
    return named


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = EfficientNetLite(EfficientNetLiteConfig(out_features=["stage3", "stage4"]))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
    return model.eval()


def test_maps_have_the_strides_and_channels_of_the_paper(model):
    # Tan and Le, table 1: without the classifier, and squeeze-and-excitation left out.
    assert sum(p.numel() for p in model.parameters()) == 3_371_008
    with torch.no_grad():
        found = model(torch.rand(2, 3, 64, 96))
    assert [tuple(part.shape) for part in found.feature_maps] == [(2, 112, 4, 6), (2, 1280, 2, 3)]
    assert [part.shape[1] for part in found.hidden_states] == [32, 24, 40, 112, 1280]
    assert model.channels == [112, 1280]


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 1), (3, 2), (5, 2), (1, 1)])
def test_padding_is_tensorflows_same(kernel, stride):
    """out = ceil(in / stride); of the padding this needs, the smaller half comes first."""
    layer = _SamePadded(2, 3, kernel, stride, bias=False)
    pixels = torch.rand(1, 2, 12, 8)
    padding = []
    for side in (8, 12):  # F.pad starts with the last axis
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padding += [total // 2, total - total // 2]
    expected = F.conv2d(F.pad(pixels, padding), layer.weight, stride=stride)
    torch.testing.assert_close(layer(pixels), expected)


def test_the_packages_names_are_understood(model, tmp_path):
    file = tmp_path / "efficientnet-lite0-00000000.pth"
    torch.save(as_the_package_names_them(model), file)
    loaded = build_tower(TowerConfig(name=str(tmp_path), freeze=True), "image", 3).eval()
    pixels = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(loaded(pixels)[0], model(pixels)[0], strict=True):
            assert torch.equal(ours, theirs)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_other_weights_are_refused(model, tmp_path):
    named = as_the_package_names_them(model)
    named["_blocks.16._expand_conv.weight"] = named.pop("_blocks.15._expand_conv.weight")
    torch.save(named, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth holds no EfficientNet-Lite0"):
        load_efficientnet_lite(tmp_path / "other.pth", EfficientNetLiteConfig())
