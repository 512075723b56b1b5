"""Cases taken away as a folder: figures, LaTeX, a page, and a session that opens again."""

import json
import re

import numpy as np
import pytest
from sample_explanations import HOSTILE, sample

from reclf_widgets import MatchingExplorer, open_session

STRANGE = "images/50 %_of{x}\\y & $z.png"


@pytest.fixture
def explorer():
    def model(m):
        return [
            sample(0, m, rank=(2, 9)),
            sample(1, m),
            sample(2, m, report="No large effusion."),
            sample(3, m, study_id=STRANGE, report=HOSTILE),
        ]

    state = {"case_index": 1, "word": 2, "phrase": [1], "chosen": [1, 3], "sort": "score"}
    made = MatchingExplorer({"A/..": model(0), "B": model(1)}, view="compare", **state)
    made.marks = {"study-1": {"note": "see"}}
    return made


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_folder_has_all_that_is_taken_away(explorer, tmp_path):
    folder = explorer.export(tmp_path / "out", width=3.3)
    names = files(folder)
    assert len([n for n in names if re.fullmatch(r"figures/[\w-]+-matchings\.pdf", n)]) == 2
    assert len([n for n in names if n.startswith("explanations/model-2/")]) == 2
    assert {"explorer.html", "figures.tex", "session.json"} <= {*names}
    assert explorer.case_index == 1  # the explorer itself has not moved


def test_figures_are_of_kinds_and_formats(explorer, tmp_path):
    options = {"formats": ("png", "svg"), "kinds": ("importance", "relations")}
    folder = explorer.export(tmp_path / "out", [0], **options)
    (png,) = (folder / "figures").glob("*-relations.png")
    assert png.with_suffix(".svg").exists()
    assert len(list((folder / "figures").iterdir())) == 4


def test_latex_includes_every_figure_and_spells_names(explorer, tmp_path):
    folder = explorer.export(tmp_path / "out")
    text = (folder / "figures.tex").read_text()
    included = re.findall(r"\\includegraphics\[width=\\linewidth,alt=\{(.*)\}\]\{(.*)\}\n", text)
    assert len(included) == 2
    for alt, path in included:
        assert (folder / f"{path}.pdf").exists()
        assert "attention map of" in alt
    other = (explorer.export(tmp_path / "other", [2]) / "figures.tex").read_text()
    assert "alt={Attention of words of the report" in other  # those that say most, and no map
    assert r"images/50 \%\_of\{x\}\textbackslash{}y \& \$z.png" in text
    assert text.count("radiograph of study-1, A/.., B.") == 1  # both are compared
    explorer.view = "single"
    text = (explorer.export(folder, "shown") / "figures.tex").read_text()
    assert text.count("radiograph of study-1, A/...") == 1
    depth = 0
    for sign in re.sub(r"\\[{}]", "", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0


def test_other_cases_show_the_same_words_where_they_have_them(explorer, tmp_path):
    folder = explorer.export(tmp_path / "out", [0, 1, 2], formats=("svg",))
    titles = {}
    for path in (folder / "figures").glob("*.svg"):
        titles[path.name[:7]] = "left effusion" in path.read_text()
    assert titles == {"study-0": True, "study-1": True, "study-2": False}


def test_a_session_opens_as_it_was(explorer, tmp_path):
    folder = explorer.export(tmp_path / "out", [1, 3])
    opened = open_session(folder)
    moved = {"case_index": 0, "chosen": [0, 1]}
    assert opened.state() == explorer.state() | moved
    assert opened.marks == explorer.marks
    assert opened.models == explorer.models
    for name, one in opened.explanations.items():
        np.testing.assert_array_equal(one.attention, explorer.explanations[name].attention)
    assert open_session(folder, word=-1, phrase=[]).word == -1


def test_nothing_of_other_cases_is_taken_away(explorer, tmp_path):
    explorer.marks = explorer.marks | {"study-2": {"note": "a secret"}}
    folder = explorer.export(tmp_path / "out", [0])  # study-1 is selected
    opened = open_session(folder)
    assert (opened.marks, opened.case_index, opened.word) == ({}, 0, -1)
    for name in ("explorer.html", "session.json", "figures.tex"):
        text = (folder / name).read_text()
        assert "study-1" not in text
        assert "a secret" not in text


def test_an_edited_case_is_taken_away_as_edited(explorer, tmp_path):
    changed = {
        "A/..": sample(1, report="A small nodule."),
        "B": sample(1, 1, report="A small nodule."),
    }
    explorer.word, explorer.phrase = -1, []
    explorer.cases.edit(1, changed)
    opened = open_session(explorer.export(tmp_path / "out", "shown"))
    assert opened.explanation.report == "A small nodule."


def test_an_export_is_written_anew_and_nothing_else_is_touched(explorer, tmp_path):
    folder = explorer.export(tmp_path / "out", [1])
    (folder / "figures" / "mine.png").write_text("mine")
    explorer.export(folder, [3, 0])
    assert (folder / "figures" / "mine.png").read_text() == "mine"
    assert len(open_session(folder).cases) == 2
    assert not [name for name in files(folder) if "study-1" in name]  # of the export before
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.tex").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and no export: name a new folder"):
        explorer.export(other)
    assert files(other) == ["chapter.tex"]


def test_an_export_that_failed_can_be_made_again(explorer, tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        explorer.export(tmp_path / "out", [1], colour="x")
    explorer.export(tmp_path / "out", [1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cases": "none"}, 'must be "shown", "all", "chosen" or a list of numbers from 0 to 3'),
        ({"cases": [4]}, "from 0 to 3, got \\[4\\]"),
        ({"kinds": ["maps"]}, "kinds must be of matchings, relations, importance, got 'maps'"),
        ({"formats": []}, "formats must be of pdf, svg, png, got none"),
        ({"formats": ["docx"]}, "formats must be of pdf, svg, png, got 'docx'"),
    ],
)
def test_wrong_arguments_are_named_and_write_nothing(explorer, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        explorer.export(tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_file_and_a_folder_without_a_session_are_named(explorer, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="file is a file: name a new folder"):
        explorer.export(tmp_path / "file", formats="pdf")
    with pytest.raises(FileNotFoundError, match=r"has no session\.json: name a folder that"):
        open_session(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("files"), "is no session"),
        (lambda s: s.update(files=["../../secret.npz"]), "which is no name of a file in it"),
        (lambda s: s.update(models={"A": "/tmp"}), "which is no name of a file in it"),
        (lambda s: s.update(files=["gone.npz"]), "gone.npz"),
        (lambda s: s.update(files=[1]), "is no session"),
        (lambda s: s.update(state=[]), "is no session"),
    ],
)
def test_a_damaged_session_is_named(explorer, tmp_path, change, message):
    folder = explorer.export(tmp_path / "out", [1])
    session = json.loads((folder / "session.json").read_text())
    change(session)
    (folder / "session.json").write_text(json.dumps(session))
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        open_session(folder)
