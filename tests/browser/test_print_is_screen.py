"""The figure of a view shows what the page shows: the same colors, scales, words and outlines."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample
from steering import wait_for

from reclf_widgets import ImportanceView, MatchingExplorer
from reclf_widgets.panels import PIXEL

ROWS, COLUMNS = 6, 5
BELOW = 0.8  # where a region is read: below the titles that tiles have on the screen
GRAY = np.full((96, 80), 0.5, dtype=np.float32)
SCALES = ["word", "case", "rank"]

# The color of every region of every tile, (tiles, regions, 3); tiles are 6 pixels apart.
COLORS = """([rows, columns, across, below]) => {
  const canvas = document.querySelector("[data-testid=image]");
  const [width, height] = canvas.dataset.tile.split(" ").map(Number);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const found = [];
  for (let top = 0; top + height <= canvas.height; top += height + 6)
    for (let tile = 0; tile < across; tile++) {
      const cells = [];
      for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
        const x = Math.floor(tile * (width + 6) + (c + 0.5) * width / columns);
        const y = Math.floor(top + (r + below) * height / rows);
        cells.push([...pixels.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3)]);
      }
      found.push(cells);
    }
  return found;
}"""
TWO_FRAMES = "() => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))"
# The strokes of one redraw: width, dashes, color.
STROKES = """() => {
  const found = [], brush = CanvasRenderingContext2D.prototype, stroke = brush.stroke;
  brush.stroke = function (...given) {
    found.push([this.lineWidth, this.getLineDash(), this.strokeStyle]);
    return stroke.apply(this, given);
  };
  document.querySelector("[data-testid=image]").dispatchEvent(new PointerEvent("pointerleave"));
  brush.stroke = stroke;
  return found;
}"""


def models(count):
    """A sharp model, a flat one and a third, which a comparison does not show."""
    flat = np.full((9, ROWS, COLUMNS), 1 / (ROWS * COLUMNS), dtype=np.float32)
    named = {
        "sharp": [sample(image=GRAY)],
        "flat": [sample(image=GRAY, attention=flat, importance=None)],
        "third": [sample(image=GRAY, model=1)],
    }
    return dict(list(named.items())[:count])


@pytest.fixture(scope="module", params=[1, 3])
def explorer(request):
    return MatchingExplorer(models(request.param), masks=False)


@pytest.fixture(scope="module")
def page(explorer, open_page, tmp_path_factory):
    page = open_page(explorer.to_html(tmp_path_factory.mktemp("page") / "page.html", "all"))
    yield page
    assert page.problems == []


def show(page, explorer, **state):
    """The same state on the page and in Python."""
    for name, value in state.items():
        setattr(explorer, name, value)
        if name == "word":
            page.locator(f".reclf-word[data-word='{value}']").click()
            wait_for(page, word=value)
        else:
            page.locator(f"[data-trait={name}]").select_option(value)
    page.mouse.move(1, 1)
    page.evaluate(TWO_FRAMES)  # traits are drawn in the next one


def printed(figure):
    """Color of every region of every map of a figure, (tiles, regions, 3), and its color bars."""
    rows = ((np.arange(ROWS) + BELOW) * 96 / ROWS).astype(int)
    columns = ((np.arange(COLUMNS) + 0.5) * 80 / COLUMNS).astype(int)
    found = []
    for axis in figure.axes:
        if axis.get_label() != "panel" or len(axis.get_images()) == 1:
            continue
        heat = np.asarray(axis.get_images()[1].get_array())[np.ix_(rows, columns)]
        color = 128 / 255 * (1 - heat[..., 3:]) + heat[..., :3] * heat[..., 3:]
        found.append(255 * color.reshape(-1, 3))
    bars = [axis for axis in figure.axes if axis.get_label() == "bar"]
    return np.array(found), [[text.get_text() for text in axis.texts] for axis in bars]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("view", ["single", "compare", "multiples"])
@pytest.mark.parametrize("word", [2, 6])
def test_maps_and_color_bars_are_those_of_the_screen(page, explorer, view, scale, word):
    if view == "compare" and len(explorer.models) == 1:
        view = "single"  # a comparison is not offered
    if page.locator(f".reclf-word[data-word='{word}']").get_attribute("aria-selected") == "true":
        page.locator(f".reclf-word[data-word='{word}']").click()
    show(page, explorer, word=word, view=view, scale=scale)
    figure = explorer.figure(width=14)
    expected, bars = printed(figure)
    plt.close(figure)
    canvas = page.locator("[data-testid=image]")
    on_screen = json.loads(canvas.get_attribute("data-bars"))
    # The label in the middle is left out where a bar is narrow.
    assert [(one[0], one[-1]) for one in on_screen] == [(one[0], one[-1]) for one in bars]
    rows = len(explorer.models) if view == "multiples" else 1
    found = page.evaluate(COLORS, [ROWS, COLUMNS, len(expected) // rows, BELOW])
    np.testing.assert_allclose(np.array(found), expected, atol=2.5)


def test_a_flat_map_is_not_as_bright_as_a_sharp_one():
    explorer = MatchingExplorer(models(3), word=2, masks=False)
    for view in ("compare", "multiples"):
        explorer.view = view
        figure = explorer.figure(width=14)
        colors, _ = printed(figure)
        plt.close(figure)
        away = np.abs(colors - 128).max((1, 2))
        assert away[0] > 3 * away[len(away) // 3 if view == "multiples" else 1]


@pytest.mark.parametrize("word", [2, 6, -1])
def test_outlines_are_those_of_the_screen(word, open_page, tmp_path):
    explorer = MatchingExplorer([sample()], word=word, region=7)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    on_screen = page.evaluate(STROKES)
    figure = explorer.figure()
    drawn = figure.axes[1].get_lines()
    for line in drawn:
        _, dashes = line._unscaled_dash_pattern
        width, expected, color = on_screen[drawn.index(line)]
        assert line.get_linewidth() == pytest.approx(PIXEL * width)
        assert [dash * width for dash in dashes or []] == pytest.approx(expected)
        red, green, blue, alpha = plt.matplotlib.colors.to_rgba(line.get_color())
        shown = [float(part) for part in re.findall(r"[\d.]+", color)] if "(" in color else None
        if shown:
            assert [255 * red, 255 * green, 255 * blue] == shown[:3]
            assert alpha == pytest.approx(shown[3], abs=0.005)
        else:
            assert plt.matplotlib.colors.to_hex(line.get_color()) == color
    assert len(drawn) == len(on_screen) == 6  # two masks and the region, two strokes each
    plt.close(figure)


def test_words_that_hardly_look_at_a_region_stay_pale(open_page, tmp_path):
    """.008 beside a uniform .007 was as yellow as the highest weight."""
    attention = np.zeros((9, ROWS, COLUMNS), dtype=np.float32)
    attention[:, 0, 0] = np.linspace(0.01, 0.03, 9)
    attention[:, 3, 3] = 1 - attention[:, 0, 0]
    explorer = MatchingExplorer([sample(attention=attention)], region=0)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    shade = "words => words.map((word) => Number(word.style.getPropertyValue('--share')))"
    assert max(page.locator(".reclf-word").evaluate_all(shade)) < 0.05


def test_the_ranking_of_a_region_is_printed(open_page, tmp_path):
    view = ImportanceView([sample(importance=None)], region=7)
    page = open_page(view.to_html(tmp_path / "page.html"))
    names = page.locator("[data-testid=ranking] .reclf-bar-name").all_inner_texts()
    figure = view.figure(top=len(names))
    labels = [label.get_text().split(" (")[0] for label in figure.axes[0].get_yticklabels()]
    assert labels == [name.lower() for name in names]
    assert figure.axes[0].get_xlabel() == "attention to row 2 column 3"
    assert "Attention to row 2 column 3 of the words of study-0; highest: " in view.alt_text()
    plt.close(figure)
