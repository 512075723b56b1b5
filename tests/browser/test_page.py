"""The ES module in headless Chromium without kernel or network, on exported pages."""

import re

import numpy as np
import pytest
from sample_explanations import HOSTILE, sample
from steering import point_at, select, shown, wait_for

from reclf_widgets import ImportanceView, MatchingExplorer, MatchingView, RelationGraphView, reading

# The saturation at every region's center on the canvas, row by row.
SATURATION = """([rows, columns]) => {
  const canvas = document.querySelector("[data-testid=image]");
  const [width, height] = canvas.dataset.tile.split(" ").map(Number);
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const found = [];
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const x = Math.floor((c + 0.5) * width / columns), y = Math.floor((r + 0.5) * height / rows);
    const [red, green, blue] = pixels.slice(4 * (y * canvas.width + x));
    found.push(Math.max(red, green, blue) - Math.min(red, green, blue));
  }
  return found;
}"""
# Minimum WCAG contrast between the text of the matching elements and their background.
CONTRAST = """(selector) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const luminance = (layers) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const color of layers) { canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = Array.from(canvas.getImageData(0, 0, 1, 1).data.slice(0, 3), (v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  return Math.min(...[...document.querySelectorAll(selector)].map((element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement)
      layers.unshift(getComputedStyle(e).backgroundColor);
    const behind = luminance(["#fff", ...layers]);
    const text = luminance(["#fff", ...layers, getComputedStyle(element).color]);
    return (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
  }));
}"""


@pytest.fixture(scope="module")
def explorer():
    return MatchingExplorer(
        {"RECLF": [sample(i) for i in range(3)], "GLoRIA": [sample(i, 1) for i in range(3)]}
    )


@pytest.fixture(scope="module")
def module_page(explorer, open_page, tmp_path_factory):
    return open_page(explorer.to_html(tmp_path_factory.mktemp("page") / "page.html", "all"))


@pytest.fixture
def page(module_page):
    """The shared page, back at the first case with nothing selected, and clean afterwards."""
    yield module_page
    assert module_page.problems == []
    assert module_page.outside == []
    module_page.reload()
    module_page.locator("[data-draws]").wait_for()


@pytest.mark.parametrize("word", [2, 6, -1])
def test_the_most_saturated_region_is_the_maximum_of_the_map(page, explorer, word):
    page.locator("[data-trait=masks]").uncheck()
    if word >= 0:
        page.locator(f".reclf-word[data-word='{word}']").click()
        wait_for(page, word=word)
    page.mouse.move(1, 1)
    page.wait_for_function("!document.querySelector('[data-trait=masks]').checked")
    cells = reading.region_map(explorer.explanation, word)
    saturation = page.evaluate(SATURATION, list(cells.shape))
    assert int(np.argmax(saturation)) == int(cells.argmax())


@pytest.mark.parametrize("region", [0, 7, 29])
def test_numbers_under_the_pointer_are_those_of_numpy(page, explorer, region):
    a, b = (one.attention[2].ravel() for one in explorer.explanations.values())
    page.locator(".reclf-word[data-word='2']").click()
    wait_for(page, word=2)
    page.get_by_test_id("image").hover(position=point_at(page, region, (6, 5)))
    text = page.get_by_test_id("readout").inner_text()
    rank = int((a > a[region]).sum()) + 1
    assert f"row {region // 5 + 1} column {region % 5 + 1}: attention {shown(a[region])}" in text
    assert f"rank {rank} of 30 · {a[region] * 30:.1f}× uniform · B {shown(b[region])}" in text
    mask = explorer.explanation.masks["pleural_effusion"]
    cells = a.reshape(6, 5)
    hit = "hit" if reading.pointing_hit(cells, mask) else "miss"
    assert (
        f"{100 * reading.mass_inside(cells, mask):.0f} % of attention inside pleural effusion"
        in text
    )
    assert f"pointing game: {hit}" in text


def test_a_region_ranks_words_by_their_attention(page, explorer):
    page.get_by_test_id("image").click(position=point_at(page, 12, (6, 5)))
    wait_for(page, region=12)
    column = explorer.explanation.attention.reshape(9, 30)[:, 12]
    order = np.argsort(-column, kind="stable")
    rows = page.get_by_test_id("ranking").locator("li").all_inner_texts()
    expected = [f"{explorer.explanation.words[w]}\n{shown(column[w])}" for w in order]
    assert [row.strip().lower().replace("\n\n", "\n") for row in rows] == expected
    assert page.get_by_test_id("ground").inner_text() == "attention to the selected region"


def test_importance_is_ranked_and_compared_with_uniform_weights(page, explorer):
    weights = explorer.explanation.importance
    texts = page.get_by_test_id("ranking").locator(".reclf-bar-value").all_inner_texts()
    assert texts == [shown(w) for w in sorted(weights, reverse=True)]
    assert (
        page.get_by_test_id("uniform").inner_text() == f"dotted line: uniform weight {shown(1 / 9)}"
    )
    ends = page.evaluate("""() => {
      const track = document.querySelectorAll("[data-testid=ranking] .reclf-track")[1];
      const dotted = parseFloat(getComputedStyle(track, "::after").left);
      return [track.firstElementChild.getBoundingClientRect().width, dotted];
    }""")
    assert ends[0] / ends[1] == pytest.approx(sorted(weights)[-2] * 9, rel=0.02)
    page.get_by_test_id("image").click(position=point_at(page, 12, (6, 5)))
    page.get_by_text(f"dotted line: uniform attention {shown(1 / 30)}").wait_for()


def test_edges_above_the_threshold_are_those_of_numpy(page, explorer):
    graph = explorer.explanation.graph[-1]
    between = graph[~np.eye(10, dtype=bool)]
    for threshold in (0.3, 0.6):
        page.locator("[data-trait=threshold]").fill(str(threshold))
        expected = int((between >= threshold * between.max()).sum())
        count = page.get_by_test_id("edge-count")
        page.wait_for_function(
            "([e, n]) => e.dataset.count === n", arg=[count.element_handle(), str(expected)]
        )
    page.locator("[data-trait=threshold]").fill("0")
    page.locator(".reclf-word[data-word='2']").click()
    wait_for(page, word=2)
    edges = reading.strongest_edges(graph, 90)
    own = [edge for edge in edges if 3 in edge[:2]]
    names = ["global node", "Large", "left", "effusion", "No", "pneumothorax", "the", "heart"]
    names += ["is", "normal"]
    i, j, weight = own[0]
    first = page.get_by_test_id("relation-list").locator("li").first.inner_text()
    assert (
        " ".join(first.split()) == f"{names[i]} attends to {names[j]} (edge weight {shown(weight)})"
    )
    assert page.locator(".reclf-arcs path").count() == min(10, len(own))


def test_the_graph_has_the_edges_of_the_slider(page):
    select(page, "relations", "graph")
    page.locator("[data-trait=threshold]").fill("0")
    page.locator("[data-trait=edges]").fill("12")
    page.wait_for_function("document.querySelectorAll('.reclf-edge').length === 12")
    page.locator("[data-node='3']").first.click()
    wait_for(page, word=2)


def test_node_labels_stay_inside_the_graph(open_page, tmp_path):
    report = " ".join(f"pneumomediastinum{i}" for i in range(12))
    view = RelationGraphView([sample(report=report)], relations="graph", threshold=0.0, edges=60)
    page = open_page(view.to_html(tmp_path / "graph.html"))
    outside = page.evaluate("""() => {
      const graph = document.querySelector("[data-testid=graph]");
      const frame = graph.getBoundingClientRect();
      return [...graph.querySelectorAll("text")].filter((text) => {
        const box = text.getBoundingClientRect();
        return box.left < frame.left || box.right > frame.right || box.top < frame.top;
      }).map((text) => text.textContent);
    }""")  # fmt: skip
    assert outside == []


def test_another_step_has_another_graph(page, explorer):
    select(page, "step", "0")
    graph = explorer.explanation.graph[0]
    *_, weight = reading.strongest_edges(graph, 1)[0]
    page.get_by_text(f"30 % of the maximum edge weight = {shown(0.3 * weight)}").wait_for()


@pytest.mark.parametrize(
    ("word_step", "step", "has_caveat"),
    [(-1, "-1", False), (0, "-1", True), (0, "0", False), (0, "1", True), (None, "-1", True)],
)
def test_edges_used_in_the_score_come_first_and_others_have_a_caveat(
    open_page, tmp_path, word_step, step, has_caveat
):
    explained = sample(word_step=word_step)
    caveat = explained.caveat(int(step))
    assert bool(caveat) == has_caveat
    models = {"other": [sample(steps=3)], "this": [explained]}
    explorer = MatchingExplorer(models, model=1)
    page = open_page(explorer.to_html(tmp_path / "page.html"))
    select(page, "step", step)
    own = reading.strongest_edges(explained.relations(int(step)), 1)[0]
    page.locator(f"[data-testid=matrix][aria-label$='{shown(own[2])})']").wait_for()
    # The strongest edge of two steps can be the same, so the caveat is waited for as well.
    ends = re.compile(re.escape("global node" + (f"; {caveat}" if caveat else "")) + "$")
    page.get_by_test_id("relation-readout").filter(has_text=ends).wait_for()


def test_the_keyboard_reaches_everything(page, explorer):
    page.locator(".reclf-word[data-word='-1']").focus()
    page.keyboard.press("ArrowRight")
    wait_for(page, word=0)
    page.keyboard.press("End")
    wait_for(page, word=8)
    page.keyboard.press("Home")
    wait_for(page, word=-1)
    page.get_by_test_id("image").focus()
    page.keyboard.press("ArrowRight")
    strongest = int(reading.region_map(explorer.explanation, -1).argmax())
    wait_for(page, region=strongest)
    page.keyboard.press("ArrowUp" if strongest >= 5 else "ArrowDown")
    wait_for(page, region=strongest + (-5 if strongest >= 5 else 5))
    page.keyboard.press("]")
    wait_for(page, case="study-1", region=-1)
    page.keyboard.press("[")
    wait_for(page, case="study-0")
    page.keyboard.press("v")
    wait_for(page, view="compare")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.dataset.testid") == "search"
    page.keyboard.type("heart")
    page.wait_for_function("document.querySelectorAll('.reclf-found').length === 1")
    page.keyboard.press("Enter")
    wait_for(page, case="study-1")


def test_the_difference_has_its_own_symmetric_bar(page, explorer):
    page.locator(".reclf-word[data-word='2']").click()
    select(page, "view", "compare")
    wait_for(page, view="compare", word=2)
    drawn = page.evaluate("""() => {
      const texts = [], prototype = CanvasRenderingContext2D.prototype, fill = prototype.fillText;
      prototype.fillText = function (text, ...rest) {
        texts.push(text);
        fill.call(this, text, ...rest);
      };
      const image = document.querySelector("[data-testid=image]");
      image.dispatchEvent(new PointerEvent("pointerleave"));
      prototype.fillText = fill;
      return texts;
    }""")
    a, b = (one.attention[2].astype(float) for one in explorer.explanations.values())
    limit = shown(float(np.abs(a - b).max()))
    assert [f"−{limit}", "0", f"+{limit}"] == drawn[-3:]
    assert shown(float(max(a.max(), b.max()))) in drawn


def test_cases_are_filtered_sorted_and_found(page):
    select(page, "sort", "score")
    wait_for(page, case="study-0")
    page.keyboard.press("Escape")
    page.locator("[data-act=next]").click()
    wait_for(page, case="study-1")
    select(page, "label", "cardiomegaly")
    page.get_by_text("2/3").wait_for()


def test_every_scale_and_every_view_draws(page):
    for view in ("multiples", "compare", "single"):
        for scale in ("rank", "case", "word"):
            select(page, "view", view)
            select(page, "scale", scale)
            wait_for(page, view=view)


def test_window_and_level_by_dragging(page):
    image = page.get_by_test_id("image")
    box = image.bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 40)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function("document.querySelector('[data-trait=window]').value > 1.2")
    page.wait_for_function("document.querySelector('[data-trait=level]').value < 0.4")
    image.dblclick()
    page.wait_for_function("document.querySelector('[data-trait=window]').value == 1")


def test_a_hostile_report_is_shown_as_text(open_page, tmp_path):
    path = MatchingExplorer([sample(report=HOSTILE)]).to_html(tmp_path / "hostile.html")
    page = open_page(path)
    page.locator(".reclf-word[data-word='3']").click()
    wait_for(page, word=3)
    report = page.get_by_test_id("report")
    assert "<script>window.hacked=1</script>" in report.text_content()
    assert report.locator("img, script, b").count() == 0
    assert page.evaluate("window.hacked") is None
    assert page.problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(open_page, explorer, tmp_path, theme):
    page = open_page(explorer.to_html(tmp_path / "page.html"), color_scheme=theme)
    wait_for(page, theme=theme)
    everything = ".reclf-word, .reclf-note, .reclf button, .reclf-control, .reclf-scores span"
    assert page.evaluate(CONTRAST, everything) >= 4.5
    assert page.evaluate(CONTRAST, ".reclf-legend i") >= 4.5


@pytest.mark.parametrize("source", ["lexicon chest", "data set"])
def test_word_types_of_a_lexicon_are_marked(open_page, tmp_path, source):
    explained = sample(provenance={"word_types": source})
    page = open_page(MatchingExplorer([explained]).to_html(tmp_path / "page.html"))
    page.locator("[data-testid=report] .reclf-word").first.wait_for()
    said = page.locator("[data-testid=types-by]").all_inner_texts()
    assert said == (
        ["word types assigned by lexicon chest, not annotated"]
        if source.startswith("lexicon")
        else []
    )


def test_missing_parts_of_a_baseline_are_named(open_page, tmp_path):
    bare = sample(graph=None, importance=None)
    page = open_page(MatchingExplorer({"GLoRIA": [bare]}).to_html(tmp_path / "bare.html"))
    assert "GLoRIA has no relation graph" in page.get_by_test_id("no-graph").inner_text()
    assert "GLoRIA has no importance weights" in page.get_by_test_id("no-importance").inner_text()
    page.get_by_test_id("image").click(position={"x": 20, "y": 20})
    wait_for(page, region=0)
    assert page.get_by_test_id("ranking").locator("li").count() == 9
    assert page.problems == []


def test_a_report_without_words_has_no_line_of_uniform_weights(open_page, tmp_path):
    page = open_page(MatchingExplorer([sample(report="")]).to_html(tmp_path / "empty.html"))
    for region in (-1, 0):
        wait_for(page, region=region)
        assert not page.get_by_test_id("uniform").is_visible()
        page.get_by_test_id("image").click(position={"x": 20, "y": 20})
    assert page.problems == []


@pytest.mark.parametrize("view", [MatchingView, RelationGraphView, ImportanceView])
def test_every_view_stands_alone(open_page, tmp_path, view):
    page = open_page(view([sample()]).to_html(tmp_path / "view.html"), width=480)
    page.locator(".reclf-word[data-word='2']").click()
    wait_for(page, word=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 480
    assert page.problems == []


def test_editing_is_disabled_with_a_reason(page):
    page.get_by_text("Your own text or image").click()
    assert page.get_by_test_id("edit-text").is_disabled()
    assert "This page has no model" in page.get_by_test_id("status").inner_text()
