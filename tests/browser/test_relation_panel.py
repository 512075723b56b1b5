"""The relation panel: a matrix that fills its place, arcs beside words, two models."""

import dataclasses

import numpy as np
import pytest
from sample_explanations import large, sample
from steering import select, shown, wait_for

from reclf_widgets import MatchingExplorer, RelationGraphView

# Texts that are drawn on a canvas while the page redraws.
DRAWN = """async () => {
  const texts = [], prototype = CanvasRenderingContext2D.prototype, fill = prototype.fillText;
  prototype.fillText = function (text, ...rest) {
    texts.push(text);
    fill.call(this, text, ...rest);
  };
  const root = document.querySelector(".reclf"), before = root.dataset.draws;
  document.querySelector(".reclf-word[data-word='3']").click();
  while (root.dataset.draws === before) await new Promise(requestAnimationFrame);
  await new Promise((done) => setTimeout(done, 50)); // many names follow the frame
  prototype.fillText = fill;
  return texts;
}"""
# Arcs of the selected word that enter the box of a word, of all arcs.
STRUCK = """() => {
  const boxes = [...document.querySelectorAll("[data-testid=report] .reclf-word")]
    .map((word) => word.getBoundingClientRect());
  const arcs = document.querySelector(".reclf-arcs").getBoundingClientRect();
  const paths = [...document.querySelectorAll(".reclf-arcs path")];
  return [paths.filter((path) => {
    const length = path.getTotalLength();
    for (let at = 0; at <= length; at += 1) {
      const point = path.getPointAtLength(at), x = point.x + arcs.x, y = point.y + arcs.y;
      if (boxes.some((b) => x > b.left + 1 && x < b.right - 1 && y > b.top + 2 && y < b.bottom - 2))
        return true;
    }
    return false;
  }).length, paths.length];
}"""
LONG = (
    "Moderate cardiomegaly is noted on this examination. Large right pneumothorax is noted on this "
    "examination. The ribs are intact. The trachea is midline. No pleural effusion, the heart is "
    "normal and both lungs are clear."
)


@pytest.mark.parametrize("width", [1280, 700, 420])
def test_arcs_run_between_lines_and_not_through_words(open_page, tmp_path, width):
    page = open_page(
        MatchingExplorer([sample(report=LONG)], threshold=0.05).to_html(tmp_path / "page.html"),
        width=width,
    )
    total = 0
    for word in (-1, 0, 9, 17, 30):
        page.locator(f"[data-testid=report] .reclf-word[data-word='{word}']").click()
        if word >= 0:
            wait_for(page, word=word)
        struck, arcs = page.evaluate(STRUCK)
        assert struck == 0
        total += arcs
    assert total == 50  # ten of each of five words
    page.close()


@pytest.mark.parametrize(("width", "least"), [(1400, 400), (1000, 300), (420, 300)])
def test_the_matrix_fills_its_place(open_page, tmp_path, width, least):
    page = open_page(MatchingExplorer([sample()]).to_html(tmp_path / "page.html"), width=width)
    matrix = page.get_by_test_id("matrix")
    drawn, room = (
        matrix.evaluate(e) for e in ("(e) => e.clientWidth", "(e) => e.parentElement.clientWidth")
    )
    cell = float(matrix.get_attribute("data-cell"))
    assert drawn == min(room, 640) or cell == 40  # of few words it need not be larger
    assert drawn >= least
    page.close()


def test_the_matrix_has_names_and_a_color_bar(open_page, tmp_path):
    one = sample()
    page = open_page(RelationGraphView([one]).to_html(tmp_path / "page.html"))
    texts = page.evaluate(DRAWN)
    names = {"global node", "Large", "left", "effusion", "No", "heart", "normal"}
    assert names <= set(texts)
    between = one.relations() * (1 - np.eye(10))
    assert {"0", "edge weight", shown(between.max())} <= set(texts)
    assert page.problems == []


def test_a_click_on_the_matrix_selects_the_row(open_page, tmp_path):
    page = open_page(RelationGraphView([sample()]).to_html(tmp_path / "page.html"))
    matrix = page.get_by_test_id("matrix")
    margin, cell = (float(matrix.get_attribute(f"data-{name}")) for name in ("margin", "cell"))
    matrix.click(position={"x": margin + 0.5 * cell, "y": margin + 4.5 * cell})
    wait_for(page, word=3)


def test_many_words_have_large_cells_and_names_that_do_not_overlap(open_page, tmp_path):
    page = open_page(MatchingExplorer([large()]).to_html(tmp_path / "page.html"), width=1400)
    matrix = page.get_by_test_id("matrix")
    assert float(matrix.get_attribute("data-cell")) > 4
    page.locator("[data-testid=matrix][data-names]").wait_for()
    assert 20 < int(matrix.get_attribute("data-names")) < 121
    assert "word3" in page.evaluate(DRAWN)  # the selected word always has its name


def test_two_models_show_relations_and_importance_beside_each_other(open_page, tmp_path):
    a, b = sample(), sample(model=1)
    page = open_page(
        MatchingExplorer({"RECLF": [a], "GLoRIA": [b]}, view="compare").to_html(tmp_path / "p.html")
    )
    for suffix, one in (("", a), ("-b", b)):
        graph = one.relations() * (1 - np.eye(10))
        label = page.get_by_test_id(f"matrix{suffix}").get_attribute("aria-label")
        assert label.endswith(f"(edge weight {shown(graph.max())})")
    values = page.get_by_test_id("ranking").locator(".reclf-bar-value").all_inner_texts()
    order = np.argsort(-a.importance, kind="stable")
    assert values == [f"{shown(a.importance[w])} · {shown(b.importance[w])}" for w in order]
    assert "A RECLF solid, B GLoRIA striped" in page.get_by_test_id("uniform").inner_text()
    select(page, "view", "single")
    wait_for(page, view="single")
    assert not page.get_by_test_id("matrix-b").is_visible()
    assert page.problems == []


def test_a_baseline_without_relations_is_named_beside_the_model(open_page, tmp_path):
    bare = dataclasses.replace(sample(), graph=None, importance=None)
    models = {"RECLF": [sample()], "GLoRIA": [bare]}
    page = open_page(MatchingExplorer(models, view="compare").to_html(tmp_path / "page.html"))
    assert page.get_by_test_id("no-graph-b").inner_text() == "GLoRIA has no relation graph."
    assert "GLoRIA has no importance weights" in page.get_by_test_id("no-importance").inner_text()
    assert page.get_by_test_id("ranking").locator("li").count() == 9
    assert page.problems == []


def test_a_view_without_its_image_has_a_choice_of_models_too(open_page, tmp_path):
    bare = dataclasses.replace(sample(), graph=None, importance=None)
    models = {"GLoRIA": [bare], "RECLF": [sample()]}
    page = open_page(RelationGraphView(models).to_html(tmp_path / "page.html"))
    assert page.get_by_test_id("matrix").is_visible()
    select(page, "model", "0")
    page.get_by_test_id("no-graph").wait_for()
    assert page.get_by_test_id("no-graph").inner_text() == "GLoRIA has no relation graph."
    assert page.problems == []


def test_equal_models_have_no_difference_of_1e_12(open_page, tmp_path):
    models = {"A": [sample()], "B": [sample()]}
    page = open_page(MatchingExplorer(models, view="compare").to_html(tmp_path / "page.html"))
    texts = page.evaluate(DRAWN)
    assert "0: equal" in texts
    assert not [text for text in texts if "e-12" in text]


def test_an_empty_report_has_no_scale_of_1e_12(open_page, tmp_path):
    page = open_page(MatchingExplorer([sample(report="")]).to_html(tmp_path / "page.html"))
    assert "e-12" not in page.inner_text("body")
