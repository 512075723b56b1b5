"""Maps and the pointer in the browser follow the rule of `reclf.data.region_grid`."""

import numpy as np
import pytest
from sample_explanations import sample

from reclf.data.region_grid import region_of_pixel
from reclf_widgets import MatchingExplorer, reading

SHAPE, GRID = (96, 80), (6, 5)  # 16 pixels a region
# The row and column under the pointer at the middle of every pixel of the diagonal.
REGIONS = """([height, width]) => {
  const canvas = document.querySelector("[data-testid=image]");
  const box = canvas.getBoundingClientRect();
  const [across, down] = canvas.dataset.tile.split(" ").map(Number);
  return Array.from({ length: Math.min(height, width) }, (_, k) => {
    const clientX = box.x + ((k + 0.5) / width) * across;
    const clientY = box.y + ((k + 0.5) / height) * down;
    canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY }));
    const text = document.querySelector("[data-testid=readout]").textContent;
    return text.match(/row (\\d+) column (\\d+)/).slice(1).map((place) => Number(place) - 1);
  });
}"""
# The saturation of all pixels of the tile, row by row, and how many there are in a row.
COLORS = """() => {
  const canvas = document.querySelector("[data-testid=image]");
  const [width, height] = canvas.dataset.tile.split(" ").map(Math.floor);
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const saturation = Array.from({ length: width * height }, (_, i) => {
    const [red, green, blue] = data.slice(4 * i, 4 * i + 3);
    return Math.max(red, green, blue) - Math.min(red, green, blue);
  });
  return [saturation, width];
}"""


def hot(region, center):
    """An explanation of which every word looks at one region."""
    cells = np.zeros((9, GRID[0] * GRID[1]), dtype=np.float32)
    cells[:, region] = 1
    return sample(size=SHAPE, attention=cells.reshape(9, *GRID), grid=GRID, center=center)


def edge(place, cells, center):
    """Where a block begins, as a share of the side; the first and the last reach the edges."""
    return 0 if place == 0 else 1 if place == cells else (place - 0.5 + center) / cells


@pytest.mark.parametrize("center", [0.5, 0.5 / 16, 0.8])
def test_the_region_under_the_pointer_is_the_nearest(open_page, tmp_path, center):
    explorer = MatchingExplorer([sample(size=SHAPE, grid=GRID, center=center)])
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    cells = region_of_pixel(SHAPE, GRID, center)
    for k, (row, column) in enumerate(page.evaluate(REGIONS, list(SHAPE))):
        if k % 16 == 8 and center == 0.5 / 16:  # as near to two regions
            continue
        assert row * GRID[1] + column == cells[k, k]
    assert page.problems == []


@pytest.mark.parametrize("center", [0.5, 0.5 / 16])
@pytest.mark.parametrize("region", [0, 13, 29])
def test_a_block_is_painted_around_the_center_of_its_region(open_page, tmp_path, region, center):
    explorer = MatchingExplorer([hot(region, center)], masks=False, opacity=1.0)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    saturation, width = page.evaluate(COLORS)
    painted = np.reshape(saturation, (-1, width)) > 40
    for place, cells, lines in zip(
        divmod(region, GRID[1]), GRID, (painted.any(1), painted.any(0)), strict=True
    ):
        found = np.flatnonzero(lines)
        begins, ends = (edge(p, cells, center) * lines.size for p in (place, place + 1))
        assert (found[0], found[-1] + 1) == pytest.approx((begins, ends), abs=1.01)


@pytest.mark.parametrize("center", [0.5, 0.5 / 16])
def test_a_smooth_map_is_strongest_at_the_center_of_its_region(open_page, tmp_path, center):
    explorer = MatchingExplorer([hot(13, center)], masks=False, opacity=1.0, smooth=True)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    saturation, width = page.evaluate(COLORS)
    painted = np.reshape(saturation, (-1, width))
    middle = np.argwhere(painted > painted.max() - 4).mean(0)
    expected = [(p + center) / c * n for p, c, n in zip((2, 3), GRID, painted.shape, strict=True)]
    assert middle + 0.5 == pytest.approx(expected, abs=0.02 * width)


def test_what_lies_inside_is_what_python_says(open_page, tmp_path):
    explorer = MatchingExplorer([sample(size=SHAPE, grid=GRID, center=0.5 / 16)], word=2)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    one = explorer.explanation
    place = one.attention[2], one.masks["pleural_effusion"], one.center
    hit = "hit" if reading.pointing_hit(*place) else "miss"
    text = page.get_by_test_id("readout").inner_text()
    assert (
        f"{100 * reading.mass_inside(*place):.0f} % of attention inside pleural effusion, "
        f"pointing game: {hit}, CNR {reading.contrast(*place):.2f}" in text
    )
    assert reading.mass_inside(*place) != pytest.approx(reading.mass_inside(*place[:2]), abs=0.01)
