"""The explorer in Python: traits, state, several models, edits, and what a notebook stores."""

import numpy as np
import pytest
import traitlets
from commands import run_python
from sample_explanations import HOSTILE, large, sample

from reclf_widgets import (
    ImportanceView,
    MatchingExplorer,
    MatchingView,
    RelationGraphView,
    state_json,
)
from reclf_widgets.case_rows import disagreement
from reclf_widgets.cases import CaseSet


@pytest.fixture
def explorer():
    return MatchingExplorer(
        {"RECLF": [sample(i) for i in range(3)], "GLoRIA": [sample(i, 1) for i in range(3)]}
    )


def test_nothing_here_imports_torch(tmp_path):
    sample().save(tmp_path / "one.npz")
    code = (
        "import sys; from pathlib import Path; from reclf.explain import Explanation\n"
        "import reclf_widgets\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "explorer = reclf_widgets.MatchingExplorer([Explanation.load(folder / 'one.npz')])\n"
        "explorer.to_html(folder / 'one.html')\n"
        "explorer.save_figure(folder / 'one.pdf')\n"
        "print('torch' in sys.modules, (folder / 'one.html').exists())"
    )
    assert run_python(code).split() == ["False", "True"]


def test_state_can_be_pasted_back(explorer):
    explorer.case_index = 2
    explorer.word, explorer.region, explorer.view, explorer.theme = 4, 17, "compare", "dark"
    copy = MatchingExplorer(explorer.cases, **explorer.state())
    assert copy.state() == explorer.state()
    assert eval(repr(copy.state())) == explorer.state()
    assert '"word": 4' in state_json(explorer)


def test_an_unknown_keyword_names_the_valid_ones(explorer):
    with pytest.raises(TypeError, match=r"no 'opacty'; valid are on_edit, .*opacity"):
        MatchingExplorer(explorer.cases, opacty=1)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("case_index", 3, "case_index must be 0 to 2, got 3"),
        ("word", 9, "word must be -1 to 8 here, got 9"),
        ("region", 30, "region must be -1 to 29 here, got 30"),
        ("model", 2, "model must be 0 to 1, got 2"),
    ],
)
def test_selections_outside_are_refused(explorer, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)


def test_the_numbers_sent_are_those_of_numpy(explorer):
    explorer.case_index = 1
    models = explorer.explanations.values()
    sent = np.frombuffer(explorer.attention, "<f4").reshape(2, 9, 6, 5)
    np.testing.assert_array_equal(sent, [one.attention for one in models])
    graphs = np.frombuffer(explorer.graph, "<f4").reshape(2, 2, 10, 10)
    np.testing.assert_array_equal(graphs, [one.graph for one in models])
    assert explorer.case["graph_steps"] == [2, 2]
    assert explorer.case["own_mask"] == [0, 0, 0, -1, -1, -1, -1, -1, -1]
    assert len(explorer.image) == 96 * 80


def test_another_case_clears_the_selection(explorer):
    explorer.word, explorer.region = 3, 5
    explorer.case_index = 1
    assert (explorer.word, explorer.region) == (-1, -1)
    assert explorer.case["study_id"] == "study-1"


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(TypeError, match="pass a list"):
        CaseSet(sample())
    with pytest.raises(ValueError, match="nothing to show"):
        CaseSet([])
    with pytest.raises(TypeError, match="expected Explanation, got str"):
        CaseSet(["one.npz"])
    with pytest.raises(ValueError, match="a explains 1, b explains 2"):
        CaseSet({"a": [sample()], "b": [sample(), sample(1)]})
    with pytest.raises(ValueError, match="b explains study 'study-1' but a explains 'study-0'"):
        CaseSet({"a": [sample()], "b": [sample(1)]})
    with pytest.raises(ValueError, match="b has 3 words and a 9"):
        CaseSet({"a": [sample()], "b": [sample(report="Clear both lungs")]})
    with pytest.raises(
        ValueError, match=r"96 x 60 of b and 96 x 80 of a pixels\); show them in two"
    ):
        CaseSet({"a": [sample()], "b": [sample(size=(96, 60))]})


def test_disagreement_is_total_variation_between_maps():
    a, b = sample(), sample(model=1)
    by_hand = np.mean(
        [np.abs(p - q).sum() / 2 for p, q in zip(a.attention, b.attention, strict=True)]
    )
    assert disagreement(a, b) == pytest.approx(by_hand)
    assert disagreement(a, a) == 0


def test_models_without_graph_and_importance_are_shown():
    explorer = MatchingExplorer(
        {"RECLF": [sample()], "GLoRIA": [sample(graph=None, importance=None)]}
    )
    assert explorer.case["graph_steps"] == [2, 0]
    assert explorer.case["weighs"] == [True, False]


def test_views_stay_in_step_both_ways(explorer):
    view, graph = MatchingView(explorer), RelationGraphView(explorer, relations="graph")
    explorer.case_index, explorer.word = 2, 5
    assert (view.case_index, view.word, view.case["study_id"]) == (2, 5, "study-2")
    view.word, view.region, view.sort = 7, 11, "score"
    assert (explorer.word, graph.word) == (7, 7)
    assert (explorer.region, graph.region, explorer.sort) == (11, 11, "score")
    assert view.panels == ["matching"]


def test_the_display_of_a_view_is_its_own(explorer, tmp_path):
    explorer.threshold = 0.6
    before = explorer.state()
    own = {"relations": "graph", "model": 1, "view": "compare", "threshold": 0.1, "theme": "dark"}
    view = RelationGraphView(explorer, **own)
    other = ImportanceView(explorer)
    assert explorer.state() == before
    assert other.threshold == 0.6  # what is not given starts as the explorer's
    explorer.threshold, explorer.relations, explorer.opacity = 0.2, "matrix", 0.1
    assert {name: getattr(view, name) for name in own} == own
    assert view.opacity != 0.1
    view.edges = 7
    assert explorer.edges != 7
    page = explorer.to_html(tmp_path / "page.html").read_text()
    assert '"relations": "matrix"' in page


def test_a_shared_value_given_to_a_view_is_set_in_the_explorer(explorer):
    view = MatchingView(explorer, case_index=1, word=3)
    assert (explorer.case_index, explorer.word, view.word) == (1, 3, 3)


def test_a_change_by_the_browser_is_acknowledged_with_its_case(explorer):
    explorer.set_state({"case_index": 2, "word": -1, "asked": 5})
    assert (explorer.answered, explorer.case["index"], explorer.case["study_id"]) == (
        5,
        2,
        "study-2",
    )


def test_edits_have_a_history():
    explorer = MatchingExplorer(
        {"A": [sample(0)], "B": [sample(0, 1)]},
        on_edit=lambda index, text: {
            name: sample(3, m, report=text) for m, name in enumerate("AB")
        },
    )
    for serial, title in enumerate(("other side", "own text")):
        explorer.edit = {"serial": serial, "text": f"Clear lungs {serial}.", "title": title}
    versions = explorer.case["versions"]
    assert [v["title"] for v in versions] == ["as given", "other side", "own text"]
    assert [v["score"] for v in versions] == [[4.0, 5.0], [1.0, 2.0], [1.0, 2.0]]
    assert (explorer.case["version"], explorer.explanation.report) == (2, "Clear lungs 1.")
    explorer.edit = {"serial": 2, "version": 1}
    assert (explorer.case["version"], explorer.explanation.report) == (1, "Clear lungs 0.")
    explorer.edit = {"serial": 3, "version": 3}
    assert explorer.status == "ValueError: version must be 0 to 2, got 3"
    assert explorer.explanation.report == "Clear lungs 0."


def test_edits_are_suggested_from_the_report():
    given = sample(report="Mild left effusion. No pneumothorax.")
    explorer = MatchingExplorer([given], on_edit=lambda index, text: sample(report=text))
    made = {one["title"]: one for one in explorer.case["swaps"]}
    assert made["other side"]["text"] == "Mild right effusion. No pneumothorax."
    assert made["other severity"]["text"] == "Severe left effusion. No pneumothorax."
    assert made["other zone"]["text"] is None
    assert made["other zone"]["refused"] == "no zone is stated of a finding"
    explorer.edit = {"serial": 0, "text": made["other side"]["text"]}
    assert explorer.case["swaps"][0]["text"] == "Mild left effusion. No pneumothorax."
    assert MatchingExplorer([given]).case["swaps"] == []


def test_an_edit_is_explained_and_can_be_restored():
    asked = []

    def on_edit(index, edit):
        asked.append((index, edit))
        return sample(index, report=edit)

    explorer = MatchingExplorer([sample(0), sample(1)], on_edit=on_edit, case_index=1, word=4)
    view = ImportanceView(explorer)
    explorer.edit = {"serial": 1, "text": "Clear lungs"}
    assert asked == [(1, "Clear lungs")]
    assert explorer.explanation.words == view.explanation.words == ["clear", "lungs"]
    assert explorer.case["version"]
    assert view.case["version"]
    assert explorer.word == -1
    explorer.edit = {"serial": 2, "version": 0}
    assert len(explorer.explanation.words) == 9
    assert not explorer.case["version"]


def test_an_image_is_read_and_given_to_the_model():
    import cv2

    asked = []

    def on_edit(index, edit):
        asked.append(edit)
        return sample(index, image=edit)

    explorer = MatchingExplorer([sample()], on_edit=on_edit)
    pixels = np.arange(96 * 80, dtype=np.uint8).reshape(96, 80)
    explorer.edit_image = cv2.imencode(".png", pixels)[1].tobytes()
    explorer.edit = {"serial": 1, "image": "mine.png"}
    assert explorer.status == ""
    np.testing.assert_allclose(asked[0], pixels / 255, atol=1e-6)


def test_an_unreadable_image_is_named_as_the_user_knows_it():
    explorer = MatchingExplorer([sample()], on_edit=lambda index, edit: sample(index))
    explorer.edit_image = b"no image"
    explorer.edit = {"serial": 1, "image": "mine.png"}
    assert "mine.png" in explorer.status
    assert "/tmp" not in explorer.status
    assert "image.png" not in explorer.status


def test_a_view_leaves_the_choice_of_cases_to_its_explorer(explorer):
    assert "cases" in explorer.panels
    assert "cases" in MatchingView(explorer.cases).panels
    assert "cases" not in MatchingView(explorer).panels


def test_an_error_of_the_model_is_shown():
    def on_edit(index, edit):
        raise ValueError("not this text")

    explorer = MatchingExplorer([sample()], on_edit=on_edit)
    explorer.edit = {"serial": 1, "text": "Clear lungs"}
    assert explorer.status == "ValueError: not this text"
    explorer.edit = {"serial": 2, "text": "  "}
    assert explorer.status == "ValueError: a report needs words, got '  '"
    assert not explorer.case["version"]


def test_without_a_model_the_reason_is_told(explorer):
    assert not explorer.can_edit
    assert "Pass on_edit" in explorer.status


@pytest.mark.parametrize("view", [MatchingExplorer, RelationGraphView, ImportanceView])
def test_every_view_has_a_picture_even_without_graph_and_importance(view):
    data, _ = view([sample(graph=None, importance=None)]).still()
    assert len(data["image/png"]) > 1000


def test_the_alternative_text_names_the_strongest_region(explorer):
    explorer.word = 6
    row, column = np.unravel_index(explorer.explanation.attention[6].argmax(), (6, 5))
    assert f"highest attention: row {row + 1} column {column + 1} (" in explorer.alt_text()


def test_the_alternative_text_of_a_view_is_its_own():
    one = sample()
    names = ["global node", *(f"“{word}”" for word in one.words)]
    found = RelationGraphView([one]).alt_text()
    between = one.graph[-1] * (1 - np.eye(len(one.graph[-1])))
    i, j = np.unravel_index(between.argmax(), between.shape)
    assert (
        f"strongest edges: {names[i]} attends to {names[j]} (edge weight {between.max():.3f}), "
        in found
    )
    word = one.words[int(one.importance.argmax())]
    assert f"highest: “{word}” ({one.importance.max():.3f}), " in ImportanceView([one]).alt_text()
    bare = [sample(graph=None, importance=None)]
    assert "has no relation graph" in RelationGraphView(bare).alt_text()
    assert "has no importance weights" in ImportanceView(bare).alt_text()


def test_a_view_begins_with_a_model_that_has_what_it_shows():
    models = {"mean": [sample(graph=None, importance=None)], "RECLF": [sample()]}
    assert RelationGraphView(models).model == ImportanceView(models).model == 1
    assert MatchingView(models).model == RelationGraphView(models, model=0).model == 0
    assert RelationGraphView({"a": models["mean"], "b": models["mean"]}).model == 0


def test_the_figure_follows_the_state(explorer, tmp_path):
    explorer.word, explorer.view = 2, "compare"
    path = explorer.save_figure(tmp_path / "figures" / "case.svg")
    text = path.read_text()
    assert "difference" in text
    assert "“effusion”" in text


def test_the_page_is_small_and_holds_no_markup_of_the_report(tmp_path):
    page = MatchingExplorer({"A": [large()], "B": [large(model=1)]}).to_html(
        tmp_path / "large.html"
    )
    assert page.stat().st_size < 2_000_000
    text = MatchingExplorer([sample(report=HOSTILE)]).to_html(tmp_path / "hostile.html").read_text()
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


def test_pages_hold_the_cases_asked_for(explorer, tmp_path):
    sizes = [
        explorer.to_html(tmp_path / "page.html", cases).stat().st_size
        for cases in ("shown", [0, 2], "all")
    ]
    assert sizes == sorted(sizes)
    with pytest.raises(ValueError, match='cases must be "shown", "all", "chosen" or a list'):
        explorer.to_html(tmp_path / "page.html", "some")
