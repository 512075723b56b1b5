"""The image panel of several words and models: each tile answers for its own word and model."""

import json

import numpy as np
import pytest
from sample_explanations import sample
from steering import select, shown, wait_for

from reclf_widgets import MatchingExplorer


@pytest.fixture(scope="module")
def explorer():
    return MatchingExplorer({"RECLF": [sample()], "GLoRIA": [sample(model=1)]})


@pytest.fixture
def page(explorer, open_page, tmp_path):
    opened = open_page(explorer.to_html(tmp_path / "page.html"))
    yield opened
    assert opened.problems == []


def tiles(page):
    return json.loads(page.get_by_test_id("image").get_attribute("data-tiles"))


def inside(page, tile, region, grid=(6, 5)):
    """The middle of a region in a tile, on the canvas."""
    width, height = map(float, page.get_by_test_id("image").get_attribute("data-tile").split())
    across, down = (region % grid[1] + 0.5) / grid[1], (region // grid[1] + 0.5) / grid[0]
    return {"x": tile["x"] + across * width, "y": tile["y"] + down * height}


def test_a_tile_is_read_as_its_own_word_and_model(page, explorer):
    select(page, "view", "multiples")
    wait_for(page, view="multiples")
    shown_tiles = tiles(page)
    assert len({(tile["word"], tile["model"]) for tile in shown_tiles}) == len(shown_tiles) >= 6
    for tile in shown_tiles:
        page.get_by_test_id("image").hover(position=inside(page, tile, 7))
        name = explorer.models[tile["model"]]
        one = explorer.explanations[name]
        value = one.attention[tile["word"]].ravel()[7]
        text = page.get_by_test_id("readout").inner_text().lower()
        word = one.words[tile["word"]]
        assert text.startswith(f"“{word}” in {name.lower()} at row 2 column 3: ")
        assert f"attention {shown(value)} " in text


def test_a_click_on_a_tile_selects_its_word_and_model(page):
    select(page, "view", "multiples")
    wait_for(page, view="multiples")
    before = tiles(page)
    tile = before[-1]
    assert tile["model"] == 1
    page.get_by_test_id("image").click(position=inside(page, tile, 7))
    wait_for(page, word=tile["word"], region=7)
    assert page.locator("select[data-trait=model]").input_value() == "1"
    assert tiles(page) == before  # under the pointer nothing moves
    page.get_by_test_id("image").click(position=inside(page, tile, 7))
    wait_for(page, word=tile["word"], region=-1)


def test_compared_tiles_are_read_as_a_and_b_and_their_difference(page, explorer):
    page.locator(".reclf-word[data-word='2']").click()
    select(page, "view", "compare")
    wait_for(page, view="compare", word=2)
    a, b = (float(one.attention[2].ravel()[7]) for one in explorer.explanations.values())
    expected = [
        f"in RECLF at row 2 column 3: attention {shown(a)} ",
        f"in GLoRIA at row 2 column 3: attention {shown(b)} ",
        f"A {shown(a)} − B {shown(b)} = {shown(np.float32(a) - np.float32(b))}",
    ]
    for tile, text in zip(tiles(page), expected, strict=True):
        page.get_by_test_id("image").hover(position=inside(page, tile, 7))
        assert text in page.get_by_test_id("readout").inner_text()


def test_in_a_narrow_page_tiles_go_on_below_with_their_bars(open_page, tmp_path):
    models = {"A": [sample()], "B": [sample(model=1)]}
    explorer = MatchingExplorer(models, view="multiples", word=2)
    page = open_page(explorer.to_html(tmp_path / "page.html"), width=420)
    image = page.get_by_test_id("image")
    width, height = map(float, image.get_attribute("data-tile").split())
    assert width >= 110
    tiles = json.loads(image.get_attribute("data-tiles"))
    columns = sorted({tile["x"] for tile in tiles})
    assert 1 < len(columns) < 6
    assert columns[-1] + width <= image.bounding_box()["width"] + 1
    for one in tiles:  # none on another, and both models of a word in one column
        others = [t for t in tiles if t is not one and t["word"] == one["word"]]
        assert {t["x"] for t in others} == {one["x"]}
        assert all(abs(t["y"] - one["y"]) >= height for t in others)
    assert len({(tile["x"], tile["y"]) for tile in tiles}) == len(tiles) == 12
    assert len(json.loads(image.get_attribute("data-bars"))) == 6  # each word has its own scale
    last = tiles[-1]
    image.click(position={"x": last["x"] + width / 2, "y": last["y"] + height / 2})
    wait_for(page, word=last["word"])
    assert page.locator("select[data-trait=model]").first.input_value() == "1"
