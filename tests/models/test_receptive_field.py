"""Where regions are centered, against the gradients that reach the pixels, and maps on pixels."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoBackbone, ConvNextConfig, SwinConfig

from reclf.data.region_grid import MIDDLE, heat_in_pixels
from reclf.models.encoders import ImageEncoder
from reclf.models.receptive_field import receptive_field_center
from reclf.models.towers import build_tower


def seen_pixel(run, size, cell):
    """The pixel in the middle of all those that region (cell, cell) can see."""
    reached = torch.zeros(size, size, dtype=torch.float64)
    for _ in range(3):
        pixels = torch.rand(1, 1, size, size, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(run(pixels)[0, :, cell, cell].square().sum(), pixels)
        reached += gradient[0, 0].abs()
    rows = reached.sum(1).nonzero()[:, 0]
    return float(rows.min() + rows.max()) / 2


@pytest.mark.parametrize(("image", "stage", "stride"), [("resnet", 1, 4), ("vit", 3, 16)])
def test_a_region_is_centered_where_its_gradients_reach(tiny, image, stage, stride):
    """At 192 pixels what the middle region of stage 1 sees ends within the image."""
    config = tiny(image, region_stage=stage)
    encoder = ImageEncoder(config, build_tower(config.image_tower, "image", stage)).double().eval()
    cells = 192 // stride
    center = encoder.center(192, cells)
    if image == "vit":  # attention joins all patches, so that gradients reach everything
        assert center == MIDDLE
        return
    middle = cells // 2
    pixel = seen_pixel(lambda pixels: encoder.feature_maps(pixels)[0], 192, middle)
    # The middle of a pixel is half a pixel from its edge.
    assert (middle + center) * stride - 0.5 == pytest.approx(pixel)
    assert center == 0.5 / stride


@pytest.mark.parametrize(("stage", "stride"), [(2, 8), (3, 16), (4, 32)])
def test_deeper_stages_of_a_resnet_are_centered_at_the_corner(tiny, stage, stride):
    config = tiny("resnet", region_stage=stage)
    encoder = ImageEncoder(config, build_tower(config.image_tower, "image", stage)).train()
    before = {n: b.clone() for n, b in encoder.named_buffers()}
    assert encoder.center(64, 64 // stride) == 0.5 / stride
    assert encoder.training
    # Running statistics of a training are not touched by a blank image.
    assert all(torch.equal(b, before[n]) for n, b in encoder.named_buffers())


def test_towers_of_patches_are_centered_in_the_middle():
    sizes = {"depths": [1, 1, 1, 1], "num_channels": 1}
    convnext = ConvNextConfig(hidden_sizes=[4, 8, 8, 8], **sizes, out_features=["stage3"])
    swin = SwinConfig(embed_dim=4, num_heads=[1, 1, 1, 1], window_size=2, image_size=64, **sizes)
    for config in (convnext, swin):
        tower = AutoBackbone.from_config(config)
        assert receptive_field_center(tower, tower, 64, 4) == MIDDLE


def enlarged(maps, shape, center=MIDDLE):
    return torch.from_numpy(heat_in_pixels(maps.numpy(), shape, center, smooth=True))


def test_maps_centered_in_the_middle_are_bilinear():
    maps = torch.rand(3, 4, 5)
    expected = F.interpolate(maps[:, None], (32, 30), mode="bilinear")[:, 0]
    torch.testing.assert_close(enlarged(maps, (32, 30)), expected)
    torch.testing.assert_close(enlarged(torch.ones(1, 1, 1), (3, 2)), torch.ones(1, 3, 2))


def test_a_region_is_highest_at_the_pixel_it_is_centered_on():
    maps = torch.zeros(1, 4, 4)
    maps[0, 2, 1] = 1
    found = enlarged(maps, (64, 64), 0.5 / 16)
    assert divmod(int(found.argmax()), 64) == (32, 16)
    assert found[0, 40, 16] == 0.5  # halfway to the next region
    torch.testing.assert_close(enlarged(torch.ones(1, 4, 4), (64, 64), 0.1), torch.ones(1, 64, 64))


class Odd(nn.Module):
    """Reduces the size by leaving out pixels, which no layer tells."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, pixels):
        return self.layer(pixels)[:, :, ::2, ::2]


def test_what_the_layers_do_not_tell_is_the_middle():
    tower = Odd()
    assert receptive_field_center(tower, tower, 8, 4) == MIDDLE
