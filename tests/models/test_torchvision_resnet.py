"""Checkpoints by torchvision's ResNet names: equal feature maps, prefixes, what does not fit."""

import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reclf.models.torchvision_resnet import find_resnet


class Block(nn.Module):
    """torchvision's Bottleneck (expansion 4) or BasicBlock."""

    def __init__(self, width_in, width, stride, bottleneck):
        super().__init__()
        out = 4 * width if bottleneck else width
        if bottleneck:
            self.conv1 = nn.Conv2d(width_in, width, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
            self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        for k in range(1, 4 if bottleneck else 3):
            setattr(self, f"bn{k}", nn.BatchNorm2d(width if k < 3 else out))
        self.count = 3 if bottleneck else 2
        self.downsample = None
        if stride > 1 or width_in != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(width_in, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        same = x if self.downsample is None else self.downsample(x)
        for k in range(1, self.count + 1):
            x = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(x))
            x = x if k == self.count else F.relu(x)
        return F.relu(x + same)


class PlainResNet(nn.Module):
    """torchvision's ResNet with its names; `wide` is 64 there."""

    def __init__(self, depths=(3, 4, 6, 3), bottleneck=True, wide=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, wide, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        before = wide
        for layer, depth in enumerate(depths):
            width = wide * 2**layer
            blocks = []
            for k in range(depth):
                blocks.append(Block(before, width, 2 if k == 0 and layer else 1, bottleneck))
                before = 4 * width if bottleneck else width
            setattr(self, f"layer{layer + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(before, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        maps = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            maps.append(x := layer(x))
        return maps


def trained(depths=(3, 4, 6, 3), bottleneck=True):
    """A ResNet whose norms have seen something; every weight differs."""
    net = PlainResNet(depths, bottleneck)
    for name, value in net.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 2)
        elif "num_batches" not in name and value.ndim == 1:
            value.normal_().mul_(0.3).add_(0.5)
    return net.eval()


@pytest.mark.parametrize(
    ("depths", "bottleneck"),
    [((3, 4, 6, 3), True), ((3, 4, 23, 3), True), ((2, 2, 2, 2), False), ((3, 4, 6, 3), False)],
    ids=["50", "101", "18", "34"],
)
def test_feature_maps_equal_those_of_a_plain_resnet(depths, bottleneck):
    net = trained(depths, bottleneck)
    found = find_resnet(net.state_dict())
    assert (found.prefix, found.left_out) == ("", ("fc",))
    assert found.matched == len(net.state_dict()) - 2
    pixels = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        expected = net(pixels)
        given = found.tower.eval()(pixels, output_hidden_states=True).hidden_states[1:]
    assert [m.shape for m in given] == [m.shape for m in expected]
    for one, other in zip(given, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (("state_dict", "gloria.img_encoder.model."), "state_dict.gloria.img_encoder.model."),
        (("state_dict", "img_encoder_q.model."), "state_dict.img_encoder_q.model."),
        (("model", "module.encoder."), "model.module.encoder."),
        ((), "module."),
    ],
)
def test_the_prefix_is_found_and_what_is_left_out_is_named(names, prefix):
    net = trained()
    inner = names[-1] if names else prefix
    state = {f"{inner}{name}": value for name, value in net.state_dict().items()}
    state |= {f"{inner}head.weight": torch.ones(2), "text.layer.weight": torch.ones(1)}
    checkpoint = {names[0]: state, "epoch": 3, "note": "x"} if names else state
    found = find_resnet(checkpoint)
    assert found.prefix == prefix
    outer = f"{names[0]}." if names else ""
    assert set(found.left_out) == {f"{prefix}fc", f"{prefix}head", f"{outer}text"}
    weight = found.tower.state_dict()["encoder.stages.2.layers.5.layer.1.convolution.weight"]
    assert torch.equal(weight, net.layer3[5].conv2.weight)


def test_half_precision_and_weights_without_counters_are_read():
    state = {n: v.half() for n, v in trained().state_dict().items() if "num_batches" not in n}
    tower = find_resnet(state).tower
    assert {v.dtype for n, v in tower.state_dict().items() if "num_batches" not in n} == {
        torch.float32
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer3.2.bn1.weight"), r"layer3\.2\.bn1\.weight missing"),
        (
            lambda s: s.update({"layer2.0.conv1.weight": torch.ones(3, 16, 1, 1)}),
            r"layer2\.0\.conv1\.weight is \(3, 16, 1, 1\), expected \(8, 16, 1, 1\)",
        ),
        (
            lambda s: s.update({"layer1.0.se.weight": torch.ones(1)}),
            r"not a plain ResNet: layer1\.0\.se\.weight left over",
        ),
        (lambda s: s.update({"conv2.weight": torch.ones(1)}), r"conv2\.weight left over"),
        (lambda s: s.pop("conv1.weight"), r"not whole: conv1\.weight missing"),
        (
            lambda s: [s.pop(name) for name in list(s) if name.startswith("layer4.")],
            r"not whole: layer4\.0\.conv3\.weight missing",
        ),
        (lambda s: s["bn1.bias"].fill_(float("nan")), "weights that are not finite"),
        (
            lambda s: s.update({f"ema.{n}": v for n, v in list(s.items())}),
            r"several ResNets, under the prefixes \['', 'ema\.'\]",
        ),
        (lambda s: s.pop("layer1.0.conv1.weight"), r"no ResNet by torchvision's names.*conv1\.we"),
        (lambda s: s.clear(), "its tensors: none"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    state = {name: value.clone() for name, value in trained().state_dict().items()}
    change(state)
    with pytest.raises(ValueError, match=message):
        find_resnet(state)


def test_one_of_several_encoders_is_taken_by_its_prefix():
    one, other = trained(), trained()
    state = {f"{who}.{n}": v for who, net in zip("qk", (one, other), strict=True)
             for n, v in net.state_dict().items()}  # fmt: skip
    assert torch.equal(
        find_resnet(state, "k.").tower.embedder.embedder.convolution.weight, other.conv1.weight
    )
    with pytest.raises(ValueError, match=re.escape("prefix 'm.': there are ['k.', 'q.']")):
        find_resnet(state, "m.")
