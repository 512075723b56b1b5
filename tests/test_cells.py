"""Regions as blocks of pixels, against loops over pixels on sides that do not divide."""

import numpy as np
import pytest

from reclf.cells import (
    cell_of_pixel,
    centre_prior,
    filled,
    heat_in_pixels,
    random_map,
    sum_in_cells,
    without_cells,
)

SHAPE, GRID = (7, 11), (2, 3)


@pytest.fixture
def image():
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


def by_hand(i, j):
    """Row 0 to 3 of 7 pixels are the first of two cells: 4 * 2 // 7 is 1."""
    return (i * GRID[0] // SHAPE[0]) * GRID[1] + j * GRID[1] // SHAPE[1]


def test_every_pixel_lies_in_one_cell():
    cells = cell_of_pixel(SHAPE, GRID)
    assert cells.shape == SHAPE
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            assert cells[i, j] == by_hand(i, j)
    assert set(cells.ravel()) == set(range(6))
    assert cells[3, 0] == 0
    assert cells[4, 0] == 3


@pytest.mark.parametrize("mean", [False, True])
def test_sums_and_means_of_cells(image, mean):
    found = sum_in_cells(image, GRID, mean)
    for r in range(6):
        inside = [image[i, j] for i in range(7) for j in range(11) if by_hand(i, j) == r]
        expected = np.mean(inside) if mean else np.sum(inside)
        assert found[divmod(r, 3)] == pytest.approx(expected, rel=1e-5)


def test_copies_show_the_fill_where_cells_are_not_kept(image):
    fill = np.full(SHAPE, -1, dtype=np.float32)
    keep = np.random.default_rng(1).random((5, 6)) < 0.5
    copies = without_cells(image, fill, keep, GRID).numpy()
    assert copies.shape == (5, 1, *SHAPE)
    for b in range(5):
        for i in range(7):
            for j in range(11):
                assert copies[b, 0, i, j] == (image[i, j] if keep[b, by_hand(i, j)] else -1)


def test_what_stands_where_nothing_is_seen(image):
    np.testing.assert_allclose(filled(image, "mean"), np.full(SHAPE, image.mean()), rtol=1e-6)
    level = np.full((32, 40), 0.4, dtype=np.float32)
    np.testing.assert_allclose(filled(level, "blur"), level, rtol=1e-5)
    assert filled(image, "blur").std() < image.std() / 2
    with pytest.raises(ValueError, match="fill must be one of blur, mean, got 'zero'"):
        filled(image, "zero")


def test_a_map_lies_on_the_pixels_of_its_cells():
    heat = np.arange(6, dtype=np.float32).reshape(GRID)
    pixels = heat_in_pixels(heat, SHAPE)
    assert all(pixels[i, j] == by_hand(i, j) for i in range(7) for j in range(11))


def test_maps_that_know_nothing():
    assert random_map((4, 6), 0).shape == (4, 6)
    np.testing.assert_array_equal(random_map((4, 6), 3), random_map((4, 6), 3))
    assert (random_map((4, 6), 3) != random_map((4, 6), 4)).all()
    prior = centre_prior((3, 5))
    assert prior[1, 2] == prior.max() == 1
    np.testing.assert_array_equal(prior, prior[::-1, ::-1])
    # one cell above the middle is a third of the side, 4/3 standard deviations of a quarter
    assert prior[0, 2] == pytest.approx(np.exp(-((4 / 3) ** 2) / 2), rel=1e-5)
