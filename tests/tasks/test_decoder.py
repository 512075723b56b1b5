"""Feature pyramids of both kinds of encoders, and the decoder on them."""

import pytest
import torch
import torch.nn.functional as F

from reclf.tasks.decoder import Decoder, feature_pyramid


@pytest.fixture
def pixels():
    return torch.rand(3, 1, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_a_resnet_gives_its_stages_the_finest_first(model, pixels):
    encoder = model.image_encoder
    kept = []
    hooks = [
        stage.register_forward_hook(lambda *given: kept.append(given[2]))
        for stage in encoder.tower.encoder.stages
    ]
    maps = feature_pyramid(encoder, pixels)
    for hook in hooks:
        hook.remove()
    assert [tuple(part.shape[1:]) for part in maps] == [
        (8, 16, 16), (12, 8, 8), (16, 4, 4), (24, 2, 2),
    ]  # fmt: skip
    for found, stage in zip(maps, kept, strict=True):
        assert torch.equal(found, stage)
    # The same normalisation as in training: the last map is what the probe's features are of.
    torch.testing.assert_close(maps[-1].mean((2, 3)), encoder(pixels).pooled)


@torch.no_grad()
def test_a_vit_gives_the_patches_of_four_layers_each_at_its_place(build, pixels):
    encoder = build("vit").image_encoder
    maps = feature_pyramid(encoder, pixels)
    assert [tuple(part.shape) for part in maps] == [(3, 12, 4, 4)] * 4
    config = encoder.config
    normed = (pixels - config.image_mean) / config.image_std
    states = encoder.tower(normed, output_hidden_states=True).hidden_states
    for found, layer in zip(maps, (1, 2, 4, 5), strict=True):  # of five, evenly spaced
        for y in range(4):
            for x in range(4):
                torch.testing.assert_close(found[:, :, y, x], states[layer][:, 1 + 4 * y + x])


def plain(decoder, pyramid, size):
    """The decoder written out: from the coarsest map up, one skip at a time."""
    maps = [
        torch.einsum("oc,bchw->bohw", conv.weight[:, :, 0, 0], part) + conv.bias[:, None, None]
        for conv, part in zip(decoder.enter, pyramid, strict=True)
    ]
    if all(part.shape == maps[0].shape for part in maps):  # ViT: 8, 4, 2 and 1 times as fine
        factors = [2 ** (len(maps) - 1 - level) for level in range(len(maps))]
        maps = [
            F.interpolate(part, (part.shape[2] * f, part.shape[3] * f), mode="bilinear")
            for part, f in zip(maps, factors, strict=True)
        ]
    current = maps[-1]
    for level in range(len(maps) - 2, -1, -1):
        raised = F.interpolate(current, maps[level].shape[2:], mode="bilinear")
        current = torch.cat([raised, maps[level]], 1)
        for conv, norm in ((0, 1), (3, 4)):
            block = decoder.join[level]
            current = F.conv2d(current, block[conv].weight, padding=1)
            mean, deviation = current.mean((0, 2, 3)), current.var((0, 2, 3), unbiased=False)
            current = (current - mean[:, None, None]) / (deviation[:, None, None] + 1e-5).sqrt()
            scale, shift = block[norm].weight, block[norm].bias
            current = (current * scale[:, None, None] + shift[:, None, None]).clamp_min(0)
    leave = decoder.leave
    logits = torch.einsum("oc,bchw->bohw", leave.weight[:, :, 0, 0], current)
    return F.interpolate(logits + leave.bias[:, None, None], size, mode="bilinear")


@pytest.mark.parametrize("sides", [(9, 5, 2), (3, 3, 3)], ids=["resnet-like", "vit-like"])
def test_it_is_the_written_out_network_in_value_and_gradient(sides):
    channels = (4, 6, 7)
    decoder = Decoder(channels, classes=2, width=5)
    pyramid = [
        torch.randn(3, c, side, side + 1, requires_grad=True)
        for c, side in zip(channels, sides, strict=True)
    ]
    inputs = [*pyramid, *decoder.parameters()]
    found, expected = (
        decoder(pyramid, (20, 22)),
        plain(decoder, pyramid, (20, 22)),
    )
    assert found.shape == (3, 2, 20, 22)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    weights = torch.randn_like(found)
    gradients = [torch.autograd.grad((x * weights).sum(), inputs) for x in (found, expected)]
    for mine, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
        assert mine.abs().max() > 0  # every level is read


def test_it_starts_with_little_marked(model, pixels):
    pyramid = feature_pyramid(model.image_encoder, pixels)
    decoder = Decoder([part.shape[1] for part in pyramid], classes=3)
    logits = decoder(pyramid, (64, 64))
    assert logits.shape == (3, 3, 64, 64)
    assert 0.01 < logits.sigmoid().mean() < 0.15
