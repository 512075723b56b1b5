"""What the page asks Python for: figures of panels, and exports of chosen cases."""

import pytest
from sample_explanations import sample

from reclf_widgets import ImportanceView, MatchingExplorer, open_session

STARTS = {"pdf": b"%PDF", "svg": b"<?xml", "png": b"\x89PNG"}


@pytest.fixture
def explorer():
    return MatchingExplorer([sample(i) for i in range(3)], word=2)


@pytest.mark.parametrize("panel", ["matching", "relations", "importance"])
@pytest.mark.parametrize("ending", STARTS)
def test_a_panel_comes_as_the_file_that_was_asked_for(explorer, panel, ending):
    explorer.take_asked = {"serial": 7, "panel": panel, "ending": ending}
    assert explorer.taken_info == {"serial": 7, "said": "saved"}
    assert explorer.taken.startswith(STARTS[ending])


def test_it_is_what_save_figure_writes(explorer, tmp_path):
    explorer.take_asked = {"serial": 1, "panel": "matching", "ending": "svg"}
    assert explorer.taken == explorer.save_figure(tmp_path / "one.svg").read_bytes()
    view = ImportanceView(explorer, region=3)
    view.take_asked = {"serial": 1, "panel": "importance", "ending": "svg"}
    assert view.taken == view.save_figure(tmp_path / "two.svg").read_bytes()


def test_chosen_cases_are_exported(explorer, tmp_path):
    explorer.chosen = [0, 2]
    explorer.take_asked = {"serial": 2, "folder": f" {tmp_path / 'out'} ", "ending": "png"}
    assert explorer.taken_info["said"] == f"2 cases in {tmp_path / 'out'}"
    assert len(list((tmp_path / "out" / "figures").glob("*.png"))) == 2
    assert len(open_session(tmp_path / "out").cases) == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"folder": "  ", "ending": "pdf"}, "ValueError: name a folder for the export"),
        ({"folder": "x", "ending": "pdf"}, "ValueError: no case is chosen: choose some"),
        ({"folder": "x", "ending": "gif"}, "ValueError: no case is chosen: choose some"),
        ({"panel": "matching", "ending": "gif"}, "ValueError: a figure is saved as .pdf, .svg"),
    ],
)
def test_what_cannot_be_done_is_said(explorer, asked, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer.take_asked = {"serial": 3, **asked}
    assert explorer.taken_info["said"].startswith(said)
    assert explorer.taken == b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("panel", "missing"), [("relations", "relation graph"), ("importance", "importance weights")]
)
def test_a_model_without_it_says_so(panel, missing):
    explorer = MatchingExplorer([sample(graph=None, importance=None)])
    explorer.take_asked = {"serial": 1, "panel": panel, "ending": "pdf"}
    assert explorer.taken_info["said"].startswith(f"ValueError: model has no {missing}")
    explorer.region = 3  # attention of words to a region, which every model has
    explorer.take_asked = {"serial": 2, "panel": "importance", "ending": "pdf"}
    assert explorer.taken_info["said"] == "saved"
