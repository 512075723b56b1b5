"""Image pooling "grid": regions with a projection each, and the image as their mean."""

import pytest
import torch

from reclf.models.encoders import ImageEncoder
from reclf.models.towers import build_tower

IMAGES = ("resnet", "vit")


def image_encoder(config) -> ImageEncoder:
    tower = build_tower(config.image_tower, "image", config.region_stage)
    return ImageEncoder(config, tower).eval()


def test_regions_of_a_grid_have_projections_of_their_own_and_the_whole_is_their_mean(tiny, batch):
    encoder = image_encoder(tiny("resnet", image_pooling="grid", pooling_grid=2))
    encoder.project_regions.load_state_dict(encoder.project_whole.state_dict())
    encoder.place = None
    found = encoder(batch.pixels)
    assert found.grid == (2, 2)
    assert found.regions.shape == (4, 4, encoder.config.embed_dim)
    torch.testing.assert_close(found.regions.mean(1), found.global_embedding)
    stage = encoder._maps(batch.pixels)[0]  # (4, 24, 4, 4)
    weight = encoder.project_regions.weight.view(-1, 24, 2, 2)
    for row in range(2):
        for column in range(2):
            cell = stage[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean((2, 3))
            own = 4 * cell @ weight[:, :, row, column].T + encoder.project_regions.bias
            torch.testing.assert_close(found.regions[:, 2 * row + column], own)
    assert found.pooled.shape == (4, encoder.channels) == (4, 24 * 4)


@pytest.mark.parametrize("image", IMAGES)
def test_a_grid_is_of_any_tower_and_of_any_size(tiny, batch, image):
    for side in (1, 3):
        encoder = image_encoder(tiny(image, image_pooling="grid", pooling_grid=side))
        found = encoder(batch.pixels)
        assert found.regions.shape[1] == side**2
        found.regions.sum().backward()
        assert encoder.project_regions.weight.grad.abs().sum() > 0


def test_regions_of_a_grid_are_centered_on_the_places_they_join(tiny):
    stage = image_encoder(tiny("resnet"))
    grid = image_encoder(tiny("resnet", image_pooling="grid", pooling_grid=2))
    size = grid.config.image_size
    regions = grid._maps(torch.zeros(1, 1, size, size))[0].shape[-1]
    first = stage.center(size, regions) / regions  # of the image
    pixel = (first + (first + 1 / regions)) / 2
    assert grid.center(size, 2) / 2 == pytest.approx(pixel)
    odd = image_encoder(tiny("resnet", image_pooling="grid", pooling_grid=3))
    assert odd.center(size, 3) == 0.5
