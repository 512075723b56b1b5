"""The phantom's words: the shipped file is read strictly, and the fingerprint covers it."""

import json
import shutil
from copy import deepcopy
from pathlib import Path

import pytest

from reclf.datasets.phantom import words
from reclf.datasets.phantom.dataset import FOLDERS, _content_version
from reclf.datasets.phantom.words import WORDINGS, read_wordings

FOLDER = Path(words.__file__).parent
CONTENT = json.loads((FOLDER / "words.json").read_text(encoding="utf-8"))


def test_the_file_gives_the_wording_of_each_hospital():
    assert WORDINGS["A"] is WORDINGS["B"]
    assert WORDINGS["A"].sizes == (
        ("small", "moderate", "large"),
        ("small", "medium-sized", "large"),
    )
    assert WORDINGS["C"].kinds["pneumothorax"] == ("pneumothorax", "intrapleural air")
    assert WORDINGS["C"].devices["pacemaker"] == ("Implanted pulse generator with electrodes.",)


def test_c_has_templates_of_its_own_and_keeps_a_familiar_word_of_each_kind():
    a, c = WORDINGS["A"], WORDINGS["C"]
    for field in ("single", "placed", "double", "together", "negative", "negatives", "normal"):
        assert not set(getattr(a, field)) & set(getattr(c, field)), field
    for kind, phrases in c.kinds.items():
        assert set(phrases) & set(a.kinds[kind])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "single",
            ["{a.kind} {a.place}."],
            "state {a.kind}, {a.place}, {a.severity}, got '{a.kind}",
        ),
        (
            "single",
            ["{a.full}, the {b=latter}."],
            "must state {a.kind}, {a.place}, {a.severity}, got",
        ),
        ("single", ["{a.ful} is seen."], "got '{a.ful} is seen.'"),
        ("double", ["{a.full} is present."], "{b.kind}, {b.place}, {b.severity}, got"),
        ("double", ["{a.full} and {b.full"], "got '{a.full} and {b.full'"),
        ("negatives", ["No {n}."], "held_out.negatives must state {m}, {n}, got 'No {n}.'"),
        ("within", [["in the left"] * 3], "held_out.within must state {zone}, got 'in the left'"),
        ("filler", ["{n}"], "held_out.filler must state no finding, got '{n}'"),
        ("sizes", [["small", "large"]], "be a list of 3 texts, got ['small', 'large']"),
        ("sizes", [], "held_out.sizes must have one or more rows, got []"),
        ("lungs", "bilaterally", "be a list of one or more texts, got 'bilaterally'"),
        ("heart", [], "held_out.heart must be a list of one or more texts, got []"),
        ("heart", [""], "held_out.heart must be a list of one or more texts, got ['']"),
        ("kinds", {"edema": ["edema"]}, "held_out.kinds must have the names consolidation, "),
        ("devices", {"stent": ["Stent."]}, "or some of them, got ['stent']"),
        ("hearts", ["Normal heart."], "wordings.held_out must have the names kinds, sizes, "),
    ],
)
def test_wrong_words_are_named(field, value, message):
    content = deepcopy(CONTENT)
    content["wordings"]["held_out"][field] = value
    with pytest.raises(ValueError) as error:  # noqa: PT011 (messages hold braces and brackets)
        read_wordings(content)
    assert message in str(error.value)


def test_a_hospital_needs_a_wording_that_is_there():
    with pytest.raises(ValueError, match="hospitals must have the names shared, held_out, got"):
        read_wordings(CONTENT | {"hospitals": {"A": "shared", "C": "other"}})


def copy_of_phantom(folder: Path) -> Path:
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_the_content_version_covers_every_file(tmp_path):
    unchanged = _content_version(copy_of_phantom(tmp_path / "unchanged"))
    assert unchanged == _content_version(FOLDER)
    names = sorted(path.name for path in (tmp_path / "unchanged").iterdir())
    assert {"dataset.py", "report.py", "words.json"} <= set(names)
    versions = {unchanged}
    for name in names:
        changed = copy_of_phantom(tmp_path / f"changed_{name}")
        (changed / name).write_text((changed / name).read_text() + "\n")
        renamed = copy_of_phantom(tmp_path / f"renamed_{name}")
        (renamed / name).rename(renamed / f"z{name}")
        versions |= {_content_version(changed), _content_version(renamed)}
    assert len(versions) == 1 + 2 * len(names)
    assert {"findings.py", "image.py"} <= {path.name for path in FOLDERS[1].iterdir()}
    assert _content_version(*FOLDERS) != _content_version(FOLDERS[0])


def test_the_content_version_leaves_out_what_python_and_editors_write(tmp_path):
    folder = copy_of_phantom(tmp_path / "phantom")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "words.pyc").write_bytes(b"compiled")
    (folder / ".words.json.swp").write_bytes(b"open in an editor")
    assert _content_version(folder) == _content_version(FOLDER)
