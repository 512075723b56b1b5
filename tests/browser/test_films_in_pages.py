"""Films on a page: the preview under the map, zoom and pan, gray windows, models of other grids."""

import json
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import filmed, sample
from steering import select, shown, wait_for

from reclf_widgets import ImportanceView, MatchingExplorer, scales
from reclf_widgets.grids import Grid
from reclf_widgets.plane import ALL, Plane

VIEWS = [(1.0, 0.5, 0.5), (2.5, 0.3, 0.6), (6.0, 0.8, 0.45)]  # zoom, and the point it is around
# The region that is read in the left top corner of the image.
CORNER = """() => {
  const canvas = document.querySelector("[data-testid=image]");
  const { x, y } = canvas.getBoundingClientRect();
  canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x + 2, clientY: y + 2 }));
  const text = document.querySelector("[data-testid=readout]").textContent;
  return text.match(/row \\d+ column \\d+/)[0];
}"""
FRAMES = "() => new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))"


def opened(open_page, tmp_path, explorer, **settings):
    page = open_page(explorer.to_html(tmp_path / "page.html", "all"), **settings)
    if explorer.case["film"]:
        page.locator("[data-film^=preview]").wait_for()
    return page


def tile_of(page):
    return list(map(float, page.get_by_test_id("image").get_attribute("data-tile").split()))


def tiles(page):
    return json.loads(page.get_by_test_id("image").get_attribute("data-tiles"))


def value(page, trait):
    return float(page.locator(f"[data-trait={trait}]").first.input_value())


def gray(page, points):
    """The red of canvas pixels at points in fractions of the first tile."""
    return page.evaluate("""(points) => {
      const canvas = document.querySelector("[data-testid=image]");
      const [width, height] = canvas.dataset.tile.split(" ").map(Number);
      return points.map(([x, y]) => canvas.getContext("2d")
        .getImageData(Math.floor(x * width), Math.floor(y * height), 1, 1).data[0]);
    }""", points)  # fmt: skip


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_a_page_shows_the_preview_where_the_film_lies(open_page, tmp_path, fit):
    explorer = MatchingExplorer([filmed(tmp_path, fit=fit)], opacity=0.0, masks=False)
    page = opened(open_page, tmp_path, explorer)
    assert page.get_by_test_id("image").get_attribute("data-film") == "preview 512 410"
    said = page.get_by_test_id("film").inner_text()
    assert said.startswith("Shown is the preview, 512 x 410 of 1,000 x 800 pixels.")
    plane = Plane.of(explorer.explanations)
    picture = 255 * plane.picture([explorer.explanation])
    points = [(x, y) for x, y in product(np.linspace(0.05, 0.95, 7), repeat=2)]
    expected = [picture[int(y * picture.shape[0]), int(x * picture.shape[1])] for x, y in points]
    np.testing.assert_allclose(gray(page, points), expected, atol=16)
    assert page.problems == []


def test_a_phantom_says_nothing_of_a_film(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample()]))
    assert page.get_by_test_id("image").get_attribute("data-film") == "model 96 80"
    assert not page.get_by_test_id("film").is_visible()


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize(("zoom", "across", "down"), VIEWS)
def test_the_region_under_the_pointer_is_that_of_numpy(
    open_page, tmp_path, fit, zoom, across, down
):
    state = {"zoom": zoom, "across": across, "down": down, "word": 2}
    explorer = MatchingExplorer([filmed(tmp_path, fit=fit, grid=(9, 7))], **state)
    page = opened(open_page, tmp_path, explorer)
    one, (place,) = explorer.explanation, Plane.of(explorer.explanations).images
    grid, part = Grid.of(one, place), ALL.part(zoom, across, down)
    width, height = tile_of(page)
    box = page.get_by_test_id("image").bounding_box()
    for u, v in product((0.07, 0.33, 0.62, 0.94), repeat=2):
        page.mouse.move(box["x"] + u * width, box["y"] + v * height)
        x, y = part.left + u * part.width, part.top + v * part.height
        text = page.get_by_test_id("readout").inner_text()
        inside = place.left <= x < place.left + place.width
        if not inside or not place.top <= y < place.top + place.height:
            assert " at row " not in text  # the model did not see it
            continue
        row, column = divmod(grid.nearest(x, y), 7)
        assert f"at row {row + 1} column {column + 1}: " in text
        assert f"attention {shown(one.attention[2, row, column])} " in text
    assert page.problems == []


@pytest.mark.parametrize(("zoom", "across", "down"), VIEWS)
def test_map_and_outline_move_with_the_film(open_page, tmp_path, zoom, across, down):
    cells, column = np.zeros((9, 6, 5), dtype=np.float32), 1 if across < 0.5 else 3
    cells[:, 3, column] = 1
    explorer = MatchingExplorer([sample(attention=cells)], masks=False, opacity=1.0, zoom=zoom,
                                across=across, down=down)  # fmt: skip
    page = opened(open_page, tmp_path, explorer)
    painted = np.array(page.evaluate("""() => {
      const canvas = document.querySelector("[data-testid=image]");
      const [width, height] = canvas.dataset.tile.split(" ").map(Number);
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) =>
        Math.abs(data[4 * (y * width + x)] - data[4 * (y * width + x) + 2]) > 40));
    }"""))  # fmt: skip
    part = ALL.part(zoom, across, down)
    for lines, start, count, k in (
        (painted.any(0), part.left, 5, column),
        (painted.any(1), part.top, 6, 3),
    ):
        ends = [np.clip((place / count - start) * zoom, 0, 1) * lines.size for place in (k, k + 1)]
        found = np.flatnonzero(lines)
        assert (found[0], found[-1] + 1) == pytest.approx(ends, abs=1.5)


def test_zoom_and_pan_by_wheel_keys_buttons_and_dragging(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([filmed(tmp_path)]))
    image, zoom = page.get_by_test_id("image"), page.get_by_test_id("zoom")
    box = image.bounding_box()
    width, height = tile_of(page)
    page.mouse.move(box["x"] + 0.75 * width, box["y"] + 0.5 * height)
    before = page.get_by_test_id("readout").inner_text()
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function(
        f"document.querySelector('[data-testid=zoom]').textContent == '{1.2**4:.1f}×'"
    )
    page.evaluate(FRAMES)
    assert page.get_by_test_id("readout").inner_text() == before  # the point stays where it is
    page.mouse.wheel(0, 30)  # without Ctrl the page scrolls, and nothing is zoomed
    page.evaluate(FRAMES)
    assert zoom.inner_text() == f"{1.2**4:.1f}×"
    page.locator("[data-zoom=all]").click()
    page.get_by_text("1.0×").wait_for()
    image.focus()
    page.keyboard.press("+")
    page.get_by_text("1.5×").wait_for()
    page.keyboard.press("ArrowRight")  # still a key of regions
    page.locator(".reclf:not([data-region='-1'])").wait_for()
    region = page.locator(".reclf").get_attribute("data-region")

    def corner():
        return page.evaluate(CORNER)

    page.keyboard.press("0")
    page.get_by_text("1.0×").wait_for()
    first = corner()
    for _ in range(4):
        page.keyboard.press("+")
    page.get_by_text("5.1×").wait_for()
    for _ in range(20):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    page.evaluate(FRAMES)
    assert corner() == first == "row 1 column 1"  # and not beyond the film
    box = image.bounding_box()
    for _ in range(2):
        page.mouse.move(box["x"] + 440, box["y"] + 440)
        page.mouse.down()
        page.mouse.move(box["x"] + 20, box["y"] + 20, steps=4)
        page.mouse.up()
    page.evaluate(FRAMES)
    assert page.locator(".reclf").get_attribute("data-region") == region  # a drag is no click
    assert corner() != first
    page.keyboard.press("-")
    page.get_by_text("3.4×").wait_for()
    assert page.problems == []


def test_a_finger_scrolls_the_page_also_where_the_film_is_zoomed(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([filmed(tmp_path)], zoom=3.0),
                  has_touch=True)  # fmt: skip
    image = page.get_by_test_id("image")
    assert image.evaluate("(e) => getComputedStyle(e).touchAction") == "auto"


def test_another_case_is_seen_whole(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([sample(), sample(1)], zoom=4.0))
    page.locator("[data-act=next]").click()
    wait_for(page, case="study-1")
    assert page.get_by_test_id("zoom").inner_text() == "1.0×"


def test_every_slider_shows_its_value(open_page, tmp_path):
    explorer = MatchingExplorer([sample()], relations="graph", window=0.8, opacity=0.6)
    page = opened(open_page, tmp_path, explorer)
    shown_values = page.evaluate("""() => [...document.querySelectorAll(".reclf input[type=range]")]
      .map((slider) => [slider.dataset.trait, slider.parentElement.querySelector(".reclf-value")
        ?.textContent, slider.getAttribute("aria-valuetext")])""")
    expected = {"opacity": "60 %", "window": "0.80", "level": "0.50", "threshold": "30 %",
                "edges": "20"}  # fmt: skip
    assert {name: text for name, text, _ in shown_values} == expected
    assert {name: text for name, _, text in shown_values} == expected


def test_gray_windows_have_names(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([filmed(tmp_path)]))
    preset = page.get_by_test_id("preset")
    assert preset.input_value() == "as read"
    for name in ("lung", "bone"):
        preset.select_option(name)
        page.wait_for_function("document.querySelector('[data-trait=window]').value < 1")
        assert preset.input_value() == name
    page.locator("[data-trait=level]").fill("0.1")
    page.wait_for_function("document.querySelector('[data-testid=preset]').value == 'as set'")
    preset.select_option("as read")
    page.wait_for_function("document.querySelector('[data-trait=window]').value == 1")
    assert value(page, "level") == 0.5


def test_a_wide_page_gives_its_room_to_the_image(open_page, tmp_path):
    explorer = MatchingExplorer({"A": [filmed(tmp_path)], "B": [filmed(tmp_path, model=1)]})
    path = explorer.to_html(tmp_path / "page.html")
    widths = {}
    for width, height in ((1280, 900), (1920, 1080), (2560, 1300)):
        page = open_page(path, width=width, height=height)
        widths[width] = tile_of(page)
        select(page, "view", "compare")
        wait_for(page, view="compare")
        assert tile_of(page)[0] * 3 > 0.85 * min(width, 3 * 0.75 * height)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert widths[1280][0] >= 460
    assert widths[1920][0] > 700
    assert widths[2560][0] > 900
    assert all(height <= 0.76 * screen for (_, height), screen in
               zip(widths.values(), (900, 1080, 1300), strict=True))  # fmt: skip


def test_full_screen_is_a_button_and_a_key(open_page, tmp_path):
    page = opened(open_page, tmp_path, MatchingExplorer([filmed(tmp_path)], zoom=2.0))
    page.locator("[data-zoom=screen]").click()
    page.wait_for_function("document.fullscreenElement?.classList.contains('reclf')")
    page.locator("[data-zoom=screen][aria-pressed=true]").wait_for()
    action = "(e) => getComputedStyle(e).touchAction"
    assert page.get_by_test_id("image").evaluate(action) == "none"  # here a finger moves the film
    page.get_by_test_id("image").focus()
    page.keyboard.press("f")
    page.wait_for_function("!document.fullscreenElement")


@pytest.fixture
def mixed():
    """A ResNet beside a ViT of another image size."""
    coarse = sample(model=1, size=(64, 64), grid=(7, 7), center=0.25)
    return {"ResNet": [coarse], "ViT": [sample(size=(96, 96), grid=(14, 14))]}


def test_models_of_other_grids_are_read_on_their_own(open_page, tmp_path, mixed):
    explorer = MatchingExplorer(mixed, word=2, view="compare", masks=False)
    page = opened(open_page, tmp_path, explorer)
    width, height = tile_of(page)
    box = page.get_by_test_id("image").bounding_box()
    coarse, fine = explorer.explanations.values()
    grids = [Grid.of(one, ALL) for one in (coarse, fine)]
    x, y = 0.61, 0.34
    readings = []
    for tile in tiles(page):
        page.mouse.move(box["x"] + tile["x"] + x * width, box["y"] + y * height)
        readings.append(page.get_by_test_id("readout").inner_text())
    at = [grid.nearest(x, y) for grid in grids]
    a, b = (one.attention[2].ravel()[k] for one, k in zip((coarse, fine), at, strict=True))
    rows = [divmod(k, grid.shape[1]) for k, grid in zip(at, grids, strict=True)]
    assert f"at row {rows[0][0] + 1} column {rows[0][1] + 1}: attention {shown(a)} " in readings[0]
    assert f"rank {int((coarse.attention[2] > a).sum()) + 1} of 49" in readings[0]
    assert f" · B {shown(b)} ({b * 196:.1f}× uniform)" in readings[0]
    assert f"at row {rows[1][0] + 1} column {rows[1][1] + 1}: attention {shown(b)} " in readings[1]
    both = scales.on_one_grid((coarse.attention[2], fine.attention[2]), (coarse, fine))
    left, right = (float(cells.ravel()[at[1]]) for cells in both)
    assert f"A {shown(left)} − B {shown(right)} = " in readings[2]
    page.get_by_test_id("image").click(
        position={"x": tiles(page)[0]["x"] + x * width, "y": y * height}
    )
    wait_for(page, region=at[1])  # on the finest grid
    page.mouse.move(1, 1)
    assert (
        f"at row {rows[0][0] + 1} column {rows[0][1] + 1}: "
        in page.get_by_test_id("readout").inner_text()
    )
    heading = page.get_by_role("heading", name="Attention of words to")
    assert heading.inner_text().endswith(f"row {rows[0][0] + 1} column {rows[0][1] + 1}")
    assert page.problems == []


@pytest.mark.parametrize("scale", ["word", "case", "rank"])
@pytest.mark.parametrize("view", ["compare", "multiples"])
def test_maps_of_other_grids_are_printed_as_they_are_shown(open_page, tmp_path, mixed, view, scale):
    explorer = MatchingExplorer(mixed, word=2, view=view, scale=scale, masks=False, opacity=1.0)
    page = opened(open_page, tmp_path, explorer)
    page.mouse.move(1, 1)
    rows = 1 if view == "compare" else 2
    listed = tiles(page)
    width, height = tile_of(page)
    points = [(u, v) for u, v in product((np.arange(28) + 0.45) / 28, repeat=2) if v > 0.2]
    on_screen = page.evaluate("""([points, listed, width, height]) => listed.map((tile) => {
      const context = document.querySelector("[data-testid=image]").getContext("2d");
      return points.map(([u, v]) => [...context.getImageData(
        Math.floor(tile.x + u * width), Math.floor(tile.y + v * height), 1, 1).data.slice(0, 3)]);
    })""", [points, listed, width, height])  # fmt: skip
    figure = explorer.figure(width=14)
    panels = [axis for axis in figure.axes if axis.get_label() == "panel"]
    maps = [axis for axis in panels if len(axis.get_images()) == 2]
    assert len(maps) == len(listed) == (3 if view == "compare" else 12)
    assert len(panels) == len(maps) + rows
    for axis, found in zip(maps, on_screen, strict=True):
        film, heat = (np.asarray(image.get_array()) for image in axis.get_images())
        for (u, v), color in zip(points, found, strict=True):
            over = heat[int(v * heat.shape[0]), int(u * heat.shape[1])]
            if over[3] < 0.98:  # below is the film, which is smoothed in other ways
                continue
            np.testing.assert_allclose(color, 255 * over[:3], atol=8)
        assert film.shape == (96, 96)
    plt.close(figure)
    bars = json.loads(page.get_by_test_id("image").get_attribute("data-bars"))
    unit = {"word": "× uniform", "case": "× uniform", "rank": "rank"}[scale]
    assert bars[0][1] == unit


def test_a_difference_of_other_grids_says_which_it_is_on(open_page, tmp_path, mixed):
    explorer = MatchingExplorer(mixed, word=2, view="compare")
    page = opened(open_page, tmp_path, explorer)
    drawn = page.evaluate("""() => {
      const texts = [], brush = CanvasRenderingContext2D.prototype, fill = brush.fillText;
      brush.fillText = function (text, ...rest) {
        texts.push(text);
        fill.call(this, text, ...rest);
      };
      document.querySelector("[data-testid=image]").dispatchEvent(new PointerEvent("pointerleave"));
      brush.fillText = fill;
      return texts;
    }""")  # fmt: skip
    assert "A − B on 14 × 14 regions, by area" in drawn
    a, b = explorer.explanations.values()
    limit = shown(scales.difference_end(a, b, 2))
    assert drawn[-3:] == [f"−{limit}", "0", f"+{limit}"]


def test_a_view_of_the_coarser_model_ranks_words_by_its_own_region(open_page, tmp_path, mixed):
    view = ImportanceView(mixed, model=0, region=100)
    page = open_page(view.to_html(tmp_path / "page.html"))
    own = view.own_region()
    attention = view.explanation.attention.reshape(9, 49)[:, own]
    texts = page.get_by_test_id("ranking").locator(".reclf-bar-value").all_inner_texts()
    assert texts == [shown(v) for v in sorted(attention, reverse=True)]
    assert f"row {own // 7 + 1} column {own % 7 + 1} of the words" in view.alt_text()
