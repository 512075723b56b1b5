"""Isolines of maps: the same lines on the screen and in print, where the map has their level."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample
from steering import wait_for

from reclf_widgets import MatchingExplorer, browser, panels, plot_matchings
from reclf_widgets.plane import Place
from reclf_widgets.rules import RULES

LEVELS = RULES["isolines"]["levels"]
PLACE = Place(0.1, 0.2, 0.6, 0.7)
CENTER = 0.3
CALL = """async ([text, grid, shares, level]) => (await import(
  URL.createObjectURL(new Blob([text], { type: "text/javascript" }))
)).isolines(grid, shares, level)"""


def drawn_by_the_page(page, shares, level):
    rows, columns = shares.shape
    grid = {"rows": rows, "columns": columns, "center": CENTER, "place": [*PLACE]}
    text = browser.module(browser.EXPLORER)
    return np.array(page.evaluate(CALL, [text, grid, shares.ravel().tolist(), level]))


def value_at(shares, x, y):
    """The map between its centers, by hand: linear, and constant beyond the outermost."""
    rows, columns = shares.shape
    down = np.clip((y - PLACE.top) / PLACE.height * rows - CENTER, 0, rows - 1)
    across = np.clip((x - PLACE.left) / PLACE.width * columns - CENTER, 0, columns - 1)
    i, j = min(int(down), rows - 2), min(int(across), columns - 2)
    above = shares[i, j] + (across - j) * (shares[i, j + 1] - shares[i, j])
    below = shares[i + 1, j] + (across - j) * (shares[i + 1, j + 1] - shares[i + 1, j])
    return above + (down - i) * (below - above)


@pytest.fixture
def page(open_page, tmp_path):
    return open_page(MatchingExplorer([sample()]).to_html(tmp_path / "page.html"))


@pytest.mark.parametrize("seed", range(3))
def test_ends_of_segments_have_the_level(page, seed):
    shares = np.random.default_rng(seed).uniform(-1, 1, (5, 4))
    for level in (*LEVELS, -0.5):
        segments = drawn_by_the_page(page, shares, level)
        assert len(segments)
        for x0, y0, x1, y1 in segments:
            assert value_at(shares, x0, y0) == pytest.approx(level, abs=1e-6)
            assert value_at(shares, x1, y1) == pytest.approx(level, abs=1e-6)


def test_print_has_the_same_lines(page):
    shares = np.random.default_rng(5).uniform(0, 1, (6, 7))
    figure, axis = plt.subplots()
    panels.radiograph(axis, np.zeros((50, 80)))
    panels.isolines(axis, shares, CENTER, PLACE)
    printed = axis.collections[-1]
    heights = [*LEVELS, *(-level for level in LEVELS)]
    for level, path in zip(sorted(heights), printed.get_paths(), strict=True):
        lines = path.to_polygons(closed_only=False)
        length = sum(np.hypot(*(np.diff(line, axis=0) / (80, 50)).T).sum() for line in lines)
        segments = drawn_by_the_page(page, shares, level)
        shown = 0 if not len(segments) else np.hypot(*(segments[:, 2:] - segments[:, :2]).T).sum()
        assert shown == pytest.approx(length, rel=1e-3, abs=1e-9)
    plt.close(figure)


def test_they_are_an_option_of_screen_and_print(open_page, tmp_path):
    explorer = MatchingExplorer([sample()], word=2)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    image = page.get_by_test_id("image")
    before = image.screenshot()
    page.locator("[data-trait=contours]").check()
    wait_for(page, word=2)
    page.wait_for_timeout(100)
    assert image.screenshot() != before
    explorer.contours = True
    assert json.loads(json.dumps(explorer.state()))["contours"]
    counts = [
        len(figure.axes[1].collections)
        for figure in (explorer.figure(), plot_matchings(explorer.explanation, [2]))
    ]
    assert counts == [2, 0]
    plt.close("all")
