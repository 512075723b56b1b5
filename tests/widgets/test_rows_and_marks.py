"""The table of cases in Python: its rows, thumbnails, what is chosen, and marks that last."""

import json

import numpy as np
import pytest
import traitlets
from sample_explanations import filmed, holed, odd_cases, sample

from reclf.explain import Explanation
from reclf_widgets import MatchingExplorer, reading
from reclf_widgets.case_rows import SIDE, finding_hits, row, thumbnail
from reclf_widgets.case_table import AT_ONCE


def test_a_row_has_what_each_model_says(tmp_path):
    labels = {"labels": {"effusion": 1.0, "edema": 0.0}}
    a, b = sample(rank=(3, 200), provenance=labels), sample(model=1)
    made = row({"A": a, "B": b})
    assert made["labels"] == ["cardiomegaly", "effusion", "pleural_effusion"]
    assert (made["score"], made["rank"]) == ([4.0, 5.0], [[3, 200], None])
    cells = a.attention[:3].mean(0)  # the words of the finding
    hit = reading.pointing_hit(cells, a.masks["pleural_effusion"])
    assert finding_hits(a) == {"pleural_effusion": hit}
    assert made["hits"][0] == [["pleural_effusion", hit]]
    assert 0 < made["disagreement"] < 1


def test_a_hit_is_a_hit():
    attention = np.full((9, 6, 5), 1e-3, np.float32)
    attention[:3, 4, 4] = 1  # low on the right, where the sample's effusion is
    assert finding_hits(sample(attention=attention)) == {"pleural_effusion": True}
    assert finding_hits(sample(attention=attention[:, ::-1])) == {"pleural_effusion": False}
    assert finding_hits(sample(word_findings=None)) == {}


@pytest.mark.parametrize("name", odd_cases())
def test_odd_explanations_have_rows(name):
    case = odd_cases()[name]
    one = case[0] if isinstance(case, list) else case
    json.dumps(row({"A": one}), allow_nan=False)
    assert thumbnail([one]).shape == (SIDE, SIDE)


def test_scores_that_are_not_finite_are_null():
    assert row({"A": holed(np.nan)})["score"] == [None]


def test_a_thumbnail_is_the_film_in_its_proportions(tmp_path):
    small = thumbnail([filmed(tmp_path, shape=(1000, 500))])
    assert (small[:, :10].max(), small[:, 30:].max()) == (0, 0)
    assert small[:, 10:30].std() > 10


def test_thumbnails_are_sent_for_what_is_asked():
    explorer = MatchingExplorer([sample(i) for i in range(80)])
    explorer.pictures_asked = {"cases": [5, 2, 900]}
    sent = np.frombuffer(explorer.pictures, np.uint8).reshape(-1, SIDE, SIDE)
    assert explorer.pictures_of == [5, 2]
    np.testing.assert_array_equal(sent[0], thumbnail([sample(5)]))
    explorer.pictures_asked = {"cases": list(range(80))}
    assert len(explorer.pictures_of) == AT_ONCE


def test_a_rank_is_kept_in_the_file(tmp_path):
    sample(rank=(2.5, 40)).save(tmp_path / "one.npz")
    assert tuple(Explanation.load(tmp_path / "one.npz").rank) == (2.5, 40)
    with pytest.raises(ValueError, match="rank must be numbers"):
        sample(rank=("first", 40))


def test_what_is_chosen_goes_into_a_page(tmp_path):
    explorer = MatchingExplorer([sample(i) for i in range(4)])
    with pytest.raises(ValueError, match="no case is chosen: choose some"):
        explorer.to_html(tmp_path / "page.html", "chosen")
    with pytest.raises(traitlets.TraitError, match="chosen must be 0 to 3, got 4"):
        explorer.chosen = [1, 4]
    explorer.chosen = [1, 3]
    text = explorer.to_html(tmp_path / "page.html", "chosen").read_text()
    assert [f'"study_id": "study-{i}"' in text for i in range(4)] == [False, True, False, True]


def test_a_page_has_no_note_on_another_case(tmp_path):
    explorer = MatchingExplorer([sample(i) for i in range(3)])
    explorer.marks = {"study-1": {"note": "mine"}, "study-2": {"note": "secret"}}
    text = explorer.to_html(tmp_path / "page.html", [1]).read_text()
    assert ("mine" in text, "secret" in text) == (True, False)


# -- stars and notes ------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "folder" / "marks.json"


def opened(kept, **options):
    return MatchingExplorer([sample(i) for i in range(3)], marks_file=kept, **options)


def test_marks_last(kept):
    explorer = opened(kept)
    assert explorer.marks == {}
    explorer.marks = {"study-1": {"star": True}, "study-2": {"note": "look\nagain"}}
    explorer.marks = explorer.marks | {"study-1": {"star": False}}
    assert explorer.marks == {"study-2": {"star": False, "note": "look\nagain"}}
    assert opened(kept).marks == explorer.marks
    assert explorer.marks_said == ""


def test_marks_of_others_stay(kept):
    first, second = opened(kept), opened(kept)
    first.marks = {"study-1": {"star": True}}
    second.marks = {"study-2": {"note": "mine"}, "elsewhere": {"star": True}}
    assert sorted(opened(kept).marks) == ["elsewhere", "study-1", "study-2"]


def test_without_a_file_they_are_not_kept_and_that_is_said():
    assert "pass marks_file= to keep them" in MatchingExplorer([sample()]).marks_said


def test_what_cannot_be_written_is_said_and_shown(kept, monkeypatch):
    explorer = opened(kept)

    def full(path, values):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("reclf_widgets.case_table.write_json", full)
    explorer.marks = {"study-1": {"star": True}}
    assert explorer.marks["study-1"]["star"] is True
    assert explorer.marks_said.startswith("Not kept, only shown here: [Errno 28]")
    monkeypatch.undo()
    explorer.marks = explorer.marks | {"study-2": {"star": True}}
    assert explorer.marks_said == ""
    assert sorted(opened(kept).marks) == ["study-1", "study-2"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged"),
        ('{"study-1": true}', "a mark has star and note, got True of 'study-1'"),
        ('{"study-1": {"star": 1}}', "star is true or false and note is text"),
        ('{"study-1": {"stars": true}}', "a mark has star and note"),
        ("[" * 99_999, "is damaged"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, content, message):
    path = tmp_path / "marks.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message) as error:
        opened(path)
    assert str(path) in str(error.value)
    assert "set it aside, or name another marks_file" in str(error.value)
    assert path.read_text() == content


def test_a_folder_is_no_file_of_marks(tmp_path):
    with pytest.raises(ValueError, match="is a folder: name a JSON file in it"):
        opened(tmp_path)


def test_marks_that_are_none_are_refused(kept):
    with pytest.raises(traitlets.TraitError, match="a mark has star and note"):
        opened(kept).marks = {"study-1": "good"}
    with pytest.raises(traitlets.TraitError, match="marks are of study ids, which are text, got 0"):
        opened(kept).marks = {0: {"star": True}}
