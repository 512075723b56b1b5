"""The matrix of relations on the screen: beyond the prior, ordered, filler words folded away."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample, with_prior
from steering import select, shown, wait_for

from reclf_widgets import MatchingExplorer, RelationGraphView, plot_relations, reading

TYPED = ["effusion", "pneumothorax", "left", "Large", "heart", "No"]  # findings first


def opened(open_page, tmp_path, view, **settings):
    return open_page(view.to_html(tmp_path / "page.html"), **settings)


def read(page, row, column):
    """What is said of a cell, and its color."""
    matrix = page.get_by_test_id("matrix")
    margin, cell = (float(matrix.get_attribute(f"data-{name}")) for name in ("margin", "cell"))
    x, y = margin + (column + 0.5) * cell, margin + (row + 0.5) * cell
    matrix.hover(position={"x": x, "y": y})
    pixel = matrix.evaluate(
        "(e, [x, y]) => [...e.getContext('2d').getImageData(x, y, 1, 1).data]", [x, y]
    )
    return page.get_by_test_id("relation-readout").inner_text(), pixel


def test_beyond_the_prior_is_what_python_computes(open_page, tmp_path):
    one = with_prior()
    page = opened(open_page, tmp_path, RelationGraphView([one], beyond_prior=True, threshold=0.0))
    edges = reading.edges(one, beyond_prior=True)
    pieces, _ = reading.report_pieces(one.report, one.words)
    names = ["global node", *(word for _, word in pieces)]
    for i, j in ((0, 3), (2, 1), (4, 9), (9, 4)):
        text, _ = read(page, i, j)
        weight = shown(float(edges[i, j]))
        assert text == f"{names[i]} attends to {names[j]} (edge weight minus prior {weight})"
    off = edges * (1 - np.eye(10))
    more, less = (np.unravel_index(place(off), off.shape) for place in (np.argmax, np.argmin))
    red, _, blue, _ = read(page, *more)[1]
    assert red > blue  # orange
    red, _, blue, alpha = read(page, *less)[1]
    assert red < blue  # purple
    assert alpha > 0
    assert int(page.get_by_test_id("edge-count").get_attribute("data-count")) == (off > 0).sum()
    page.locator("[data-trait=beyond_prior]").uncheck()
    text, _ = read(page, 2, 1)
    assert text.endswith(f"(edge weight {shown(float(one.relations()[2, 1]))})")
    assert page.problems == []


@pytest.mark.parametrize("beyond_prior", [False, True])
def test_the_colors_of_edges_are_those_of_print(open_page, tmp_path, beyond_prior):
    one, state = with_prior(), {"beyond_prior": beyond_prior, "threshold": 0.0}
    page = opened(open_page, tmp_path, RelationGraphView([one], **state, theme="light"))
    figure = plot_relations(one, beyond_prior=beyond_prior)
    (drawn,) = [image for axis in figure.axes for image in axis.get_images()]
    edges = drawn.get_array()  # without those of a node with itself, which are gray
    for place in (edges.argmax(), edges.argmin(), 23, 57, 0):
        row, column = (int(k) for k in np.unravel_index(place, edges.shape))
        _, (*screen, alpha) = read(page, row, column)
        on_white = [255 + (part - 255) * alpha / 255 for part in screen]
        printed = 255 * drawn.to_rgba(edges[row : row + 1, column : column + 1])[0, 0, :3]
        np.testing.assert_allclose(on_white, printed, atol=3)
    plt.close(figure)


def test_words_come_in_the_order_of_types_and_fillers_are_folded_away(open_page, tmp_path):
    one = with_prior()
    page = opened(open_page, tmp_path, RelationGraphView([one], word=8))
    select(page, "order", "type")
    page.locator("[data-trait=fillers]").uncheck()
    readout = page.get_by_test_id("relation-readout")
    readout.get_by_text("3 filler words folded away").wait_for()
    nodes = reading.nodes(one, "type", fillers=False)
    names = ["global node", *TYPED]
    for row, column in ((1, 3), (6, 5), (0, 2)):
        text, _ = read(page, row, column)
        weight = shown(float(one.relations()[nodes[row], nodes[column]]))
        assert text == f"{names[row]} attends to {names[column]} (edge weight {weight})"
    matrix = page.get_by_test_id("matrix")
    matrix.press("ArrowDown")  # from a word that is folded away to the first row
    wait_for(page, word=-1)
    matrix.press("ArrowDown")
    wait_for(page, word=nodes[1] - 1)
    matrix.press("ArrowDown")
    wait_for(page, word=nodes[2] - 1)
    assert page.problems == []


def test_a_model_whose_prior_is_not_known_says_so(open_page, tmp_path):
    models = {"RECLF": [with_prior()], "old": [sample(model=1)]}
    page = opened(open_page, tmp_path, MatchingExplorer(models, view="compare", beyond_prior=True))
    assert page.get_by_test_id("matrix").is_visible()
    said = page.get_by_test_id("no-graph-b").inner_text()
    assert said.startswith("The distance prior of old is not known: explain the study again")
    assert page.problems == []


# The left edges of names that are drawn beside the rows, in pixels of the canvas.
LEFT = """async () => {
  const edges = [], prototype = CanvasRenderingContext2D.prototype, fill = prototype.fillText;
  prototype.fillText = function (text, x, ...rest) {
    if (this.textAlign === "right" && this.getTransform().b === 0)
      edges.push([text, x - this.measureText(text).width]);
    fill.call(this, text, x, ...rest);
  };
  const root = document.querySelector(".reclf"), before = root.dataset.draws;
  document.querySelector(".reclf-word[data-word='3']").click();
  while (root.dataset.draws === before) await new Promise(requestAnimationFrame);
  prototype.fillText = fill;
  return edges;
}"""


def test_the_widest_name_is_not_cut(open_page, tmp_path):
    report = "Illicitilli fullillness the mmmmmmwwwm is wide."  # not the longest is the widest
    page = opened(open_page, tmp_path, RelationGraphView([sample(report=report)]), width=900)
    edges = dict(page.evaluate(LEFT))
    assert "mmmmmmwwwm" in edges
    assert min(edges.values()) >= 0
