"""Regions as blocks of pixels, against loops over pixels on sides that do not divide."""

import numpy as np
import pytest

from reclf.data.region_grid import (
    center_prior,
    filled,
    heat_in_pixels,
    random_map,
    region_of_pixel,
    sum_in_regions,
    without_regions,
)

SHAPE, GRID = (7, 11), (2, 3)
CENTERS = (0.5, 0.5 / 4, 0.9)


@pytest.fixture
def image():
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


def by_hand(i, j, center=0.5):
    """The region whose center is nearest to the middle of pixel (i, j); of two, the first."""
    place = []
    for pixel, size, cells in zip((i, j), SHAPE, GRID, strict=True):
        away = [abs((cell + center) * size / cells - (pixel + 0.5)) for cell in range(cells)]
        place.append(min(range(cells), key=lambda cell: round(away[cell], 9)))
    return place[0] * GRID[1] + place[1]


@pytest.mark.parametrize("center", CENTERS)
def test_a_pixel_lies_in_the_cell_whose_center_is_nearest(center):
    cells = region_of_pixel(SHAPE, GRID, center)
    assert cells.shape == SHAPE
    for i in range(SHAPE[0]):
        for j in range(SHAPE[1]):
            assert cells[i, j] == by_hand(i, j, center)
    assert set(cells.ravel()) == set(range(6))


def test_cells_centered_in_the_middle_are_blocks():
    cells = region_of_pixel((8, 12), (2, 3))
    np.testing.assert_array_equal(cells, np.kron(np.arange(6).reshape(2, 3), np.ones((4, 4))))


def test_cells_centered_at_the_corner_are_smaller_first_and_larger_last():
    """16 pixels a region: centers on pixels 0, 16, 32; pixel 8 is as near to 0 as to 16."""
    cells = region_of_pixel((48, 48), (3, 3), 0.5 / 16)
    assert np.bincount(cells[0]).tolist() == [9, 16, 23]
    assert np.bincount(cells[:, 0] // 3).tolist() == [9, 16, 23]


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("mean", [False, True])
def test_sums_and_means_of_cells(image, mean, center):
    found = sum_in_regions(image, GRID, center, mean)
    for r in range(6):
        inside = [image[i, j] for i in range(7) for j in range(11) if by_hand(i, j, center) == r]
        expected = np.mean(inside) if mean else np.sum(inside)
        assert found[divmod(r, 3)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("center", CENTERS)
def test_copies_show_the_fill_where_cells_are_not_kept(image, center):
    fill = np.full(SHAPE, -1, dtype=np.float32)
    keep = np.random.default_rng(1).random((5, 6)) < 0.5
    copies = without_regions(image, fill, keep, GRID, center)
    assert copies.shape == (5, 1, *SHAPE)
    for b in range(5):
        for i in range(7):
            for j in range(11):
                kept = keep[b, by_hand(i, j, center)]
                assert copies[b, 0, i, j] == (image[i, j] if kept else -1)


def test_what_stands_where_nothing_is_seen(image):
    np.testing.assert_allclose(filled(image, "mean"), np.full(SHAPE, image.mean()), rtol=1e-6)
    level = np.full((32, 40), 0.4, dtype=np.float32)
    np.testing.assert_allclose(filled(level, "blur"), level, rtol=1e-5)
    assert filled(image, "blur").std() < image.std() / 2
    with pytest.raises(ValueError, match="fill must be one of blur, mean, got 'zero'"):
        filled(image, "zero")


@pytest.mark.parametrize("center", CENTERS)
def test_a_map_lies_on_the_pixels_of_its_cells(center):
    heat = np.arange(6, dtype=np.float32).reshape(GRID)
    pixels = heat_in_pixels(np.stack([heat, -heat]), SHAPE, center)
    assert pixels.shape == (2, *SHAPE)
    for i in range(7):
        for j in range(11):
            assert pixels[0, i, j] == by_hand(i, j, center) == -pixels[1, i, j]


@pytest.mark.parametrize("center", CENTERS)
def test_a_smooth_map_is_linear_between_centers(center):
    heat = np.random.default_rng(2).random((2, *GRID), dtype=np.float32)
    places = [
        [(np.arange(c) + center) * n / c for n, c in zip(SHAPE, GRID, strict=True)],
        [np.arange(n) + 0.5 for n in SHAPE],
    ]
    found = heat_in_pixels(heat, SHAPE, center, smooth=True)
    assert found.shape == (2, *SHAPE)
    (rows, columns), (down, across) = places
    for one, pixels in zip(heat, found, strict=True):
        lines = np.array([np.interp(across, columns, row) for row in one])
        expected = np.array([np.interp(down, rows, line) for line in lines.T]).T
        np.testing.assert_allclose(pixels, expected, rtol=1e-5)


def test_maps_that_know_nothing():
    assert random_map((4, 6), 0).shape == (4, 6)
    np.testing.assert_array_equal(random_map((4, 6), 3), random_map((4, 6), 3))
    assert (random_map((4, 6), 3) != random_map((4, 6), 4)).all()
    prior = center_prior((3, 5))
    assert prior[1, 2] == prior.max() == 1
    np.testing.assert_array_equal(prior, prior[::-1, ::-1])
    # one cell above the middle is a third of the side, 4/3 standard deviations of a quarter
    assert prior[0, 2] == pytest.approx(np.exp(-((4 / 3) ** 2) / 2), rel=1e-5)
    # centered at the corners, the middle cell of five looks left of the middle of the image
    shifted = center_prior((5, 5), center=0.1)
    assert shifted[2, 2] == pytest.approx(np.exp(-((0.08 / 0.25) ** 2)), rel=1e-5)
    assert shifted[3, 3] > shifted[1, 1]
