"""Pictures to take away: each panel gives its own, which names word, study and model."""

import re

import cv2
import numpy as np
import pytest
from sample_explanations import sample
from steering import select, wait_for

from reclf_widgets import ImportanceView, MatchingExplorer, RelationGraphView

# The texts of a canvas that a click on a button draws.
TEXTS = """async (selector) => {
  const texts = [], prototype = CanvasRenderingContext2D.prototype, fill = prototype.fillText;
  const create = URL.createObjectURL;
  prototype.fillText = function (text, ...rest) {
    texts.push(text);
    fill.call(this, text, ...rest);
  };
  const made = new Promise((done) => {
    URL.createObjectURL = (blob) => {
      done();
      return create(blob);
    };
  });
  document.querySelector(selector).click();
  await made;
  prototype.fillText = fill;
  URL.createObjectURL = create;
  return texts.join(" ");
}"""


def save(page, panel):
    with page.expect_download() as waiting:
        page.locator(f"[data-act=png][data-panel={panel}]").click()
    download = waiting.value
    return download.suggested_filename, cv2.imread(str(download.path()))


@pytest.fixture
def page(open_page, tmp_path):
    models = {"RECLF": [sample()], "GLoRIA": [sample(model=1)]}
    opened = open_page(MatchingExplorer(models, word=2).to_html(tmp_path / "page.html"))
    yield opened
    assert opened.problems == []


@pytest.mark.parametrize("panel", ["matching", "relations", "importance"])
def test_a_picture_names_study_word_and_model(page, panel):
    said = page.evaluate(TEXTS, f"[data-act=png][data-panel={panel}]")
    assert "study-0 · “effusion” · RECLF · " in said
    what = {"matching": "attention map", "relations": "relation graph, SRM step: last used"}
    assert what.get(panel, "Importance weights of words") in said


def test_files_are_named_by_what_they_show(page):
    assert save(page, "matching")[0] == "study-0-matching-effusion-RECLF.png"
    select(page, "view", "compare")
    wait_for(page, view="compare")
    name, pixels = save(page, "relations")
    assert name == "study-0-relations-effusion-RECLF-GLoRIA.png"
    assert pixels.shape[1] > pixels.shape[0] * 1.3  # A and B beside each other


def test_the_picture_of_a_graph_is_the_graph(open_page, tmp_path):
    view = RelationGraphView([sample()], relations="graph", threshold=0.0, edges=30, word=2)
    page = open_page(view.to_html(tmp_path / "graph.html"))
    name, pixels = save(page, "relations")
    assert re.fullmatch(r"study-0-relations-effusion-model\.png", name)
    # The colors of edges (#0072B2) and of those of the selected word (#D55E00), on white.
    for blue, green, red in ((178, 114, 0), (0, 94, 213)):
        near = np.abs(pixels.astype(int) - (blue, green, red)).max(-1) < 60
        assert near.sum() > 200
    assert (pixels == 255).all(-1).mean() > 0.6
    assert page.problems == []


def test_the_picture_of_importance_has_a_bar_for_each_word(open_page, tmp_path):
    page = open_page(ImportanceView([sample()]).to_html(tmp_path / "page.html"))
    said = page.evaluate(TEXTS, "[data-act=png][data-panel=importance]")
    assert all(word in said.lower() for word in sample().words)
