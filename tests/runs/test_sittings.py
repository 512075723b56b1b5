"""Going on with a run: what may change, what is refused with the difference, what is recorded."""

import json
import shutil
from pathlib import Path

import pytest
from commands import run_command, run_python

from reclf.config import override
from reclf.runs import run as run_module
from reclf.runs.run import Run
from reclf.training.presets import table_small

CONFIG = table_small()
DATA = {
    "train": {"fingerprint": "aa", "studies": 1200},
    "val": {"fingerprint": "bb", "studies": 90},
}
SITTING = {"data": DATA, "processes": 2, "precision": "bf16"}


@pytest.fixture
def begun(tmp_path):
    """A run that stopped after 40 steps and a minute."""
    run = Run(tmp_path / "run", CONFIG)
    run.write_environment(**SITTING)
    run.set_status("interrupted", step=40, seconds=60.0)
    (run.folder / "checkpoints" / "last").mkdir()
    (run.folder / "checkpoints" / "last" / "trainer.pt").write_bytes(b"")
    return run


def go_on(run, accept=(), **changes):
    settings = {name.replace("__", "."): value for name, value in changes.items()}
    return Run(run.folder, override(CONFIG, settings), accept)


@pytest.mark.parametrize(
    "changes",
    [
        {"data__workers": 3},
        {"data__root": "moved"},
        {"model__text_tower__revision": "v2"},  # of a folder it is not recorded any more
        {"data__options": {"on_problem": "skip", "cache": None, "headers": False}},
        {"train__pair_chunk": 8, "train__encoder_chunk": 4, "train__checkpoint_pairs": True},
        {
            "train__device": "cpu",
            "train__trackers": ["tensorboard"],
            "train__checkpoint_minutes": 9.0,
        },
        {"train__max_steps": 400},
        {"train__max_minutes": 20.0},
        {"train__precision": "bf16"},  # which "auto" was there
    ],
)
def test_what_changes_nothing_may_change_and_is_recorded(begun, changes):
    run = go_on(begun, **changes)
    assert run.config != run.recorded == CONFIG
    found = run.check_sitting(**SITTING)
    assert found["accepted"] == {}
    assert len(found["changed"]) >= len(changes)
    run.record_config()
    run.write_environment(**SITTING, **found)
    assert Run(run.folder).config == run.config
    first, second = run.sittings
    assert "changed" not in first
    assert second["changed"] == found["changed"]
    assert second["time"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train__learning_rate": 3e-4}, r"train\.learning_rate is 0\.001 there and 0\.0003 here"),
        ({"train__seed": 1}, r"train\.seed is 0 there and 1 here"),
        ({"data__dataset": "nih"}, r"data\.dataset is 'table' there and 'nih' here"),
        ({"data__train_split": "all"}, r"data\.train_split is 'train' there and 'all' here"),
        ({"model__image_size": 64}, r"model\.image_size is 96 there and 64 here"),
        ({"train__max_steps": 30}, r"train\.max_steps is 30 here and 40 are done"),
        ({"train__max_minutes": 0.5}, r"train\.max_minutes is 0\.5 here and 1\.0 are spent"),
    ],
)
def test_other_settings_are_refused_whatever_is_accepted(begun, changes, message):
    accept = () if "data__dataset" in changes else ("data", "processes", "precision")
    with pytest.raises(ValueError, match=message) as error:
        go_on(begun, accept, **changes)
    assert "another run_dir" in str(error.value)
    assert "delete" not in str(error.value).lower()
    assert Run(begun.folder).config == CONFIG


@pytest.mark.parametrize(
    ("name", "here", "words"),
    [
        (
            "data",
            {"data": DATA | {"train": {"fingerprint": "cc", "studies": 1180}}},
            ["train is 1,200 studies, fingerprint aa there and 1,180 studies, fingerprint cc here"],
        ),
        ("data", {"data": DATA | {"val": {"fingerprint": "cc", "studies": 90}}}, ["val is 90 st"]),
        ("processes", {"processes": 1}, ["processes: 2 there and 1 here"]),
        ("precision", {"precision": "no"}, ["precision: 'bf16' there and 'no' here"]),
    ],
)
def test_what_changes_the_result_is_refused_or_accepted_by_name(begun, name, here, words):
    with pytest.raises(ValueError, match="would change its result") as error:
        begun.check_sitting(**SITTING | here)
    message = str(error.value)
    assert all(word in message for word in words)
    assert f"""-p accept '["{name}"]'""" in message
    assert f"--accept {name}" in message
    assert "delete" not in message.lower()
    others = {"data", "processes", "precision"} - {name}
    with pytest.raises(ValueError, match="would change"):
        go_on(begun, others).check_sitting(**SITTING | here)
    accepting = go_on(begun, [name])
    found = accepting.check_sitting(**SITTING | here)
    assert words[0] in found["accepted"][name]
    accepting.write_environment(**SITTING | here, **found)
    assert accepting.sittings[-1]["accepted"] == found["accepted"]
    Run(begun.folder).check_sitting(**SITTING | here)  # from now on this is how it is
    with pytest.raises(ValueError, match="would change"):
        Run(begun.folder).check_sitting(**SITTING)


def test_data_without_a_fingerprint_are_the_same_only_where_the_settings_are(begun):
    unknown = {name: one | {"fingerprint": None} for name, one in DATA.items()}
    begun.check_sitting(data=unknown)
    with pytest.raises(ValueError, match=r"data\.root is '' there and 'b' here; .* no fingerprint"):
        go_on(begun, data__root="b").check_sitting(data=unknown)
    go_on(begun, ["data"], data__root="b").check_sitting(data=unknown)
    go_on(begun, data__workers=3).check_sitting(processes=2)


def test_before_anything_is_saved_there_is_nothing_to_keep(begun):
    shutil.rmtree(begun.folder / "checkpoints" / "last")
    assert begun.check_sitting(data=DATA, processes=7)["accepted"] == {}


def test_a_name_that_cannot_be_accepted_is_refused(begun):
    with pytest.raises(ValueError, match=r"accept must be some of data, .* 'proceses'; did you"):
        Run(begun.folder, accept=["proceses"])
    with pytest.raises(ValueError, match=r"got 'train\.seed'.* cannot change"):
        go_on(begun, ["train.seed"])


def test_an_environment_of_version_0_1_is_the_first_sitting(begun):
    old = {"python": "3.11", "seed": 0, "processes": 1, "data": ["aa", "bb"]}
    (begun.folder / "environment.json").write_text(json.dumps(old))
    begun.check_sitting(**SITTING | {"processes": 1})  # of precision it knew nothing
    with pytest.raises(ValueError, match=r"processes: 1 there and 2 here"):
        begun.check_sitting(**SITTING)
    other = DATA | {"val": {"fingerprint": "cc", "studies": 90}}
    with pytest.raises(ValueError, match="val is fingerprint bb there and 90 studies, fingerprint"):
        begun.check_sitting(data=other)
    with pytest.raises(ValueError, match=r"train\.precision is 'auto' there and 'no' here"):
        go_on(begun, train__precision="no").check_sitting(precision="no")
    begun.write_environment(**SITTING)
    there = json.loads((begun.folder / "environment.json").read_text())
    assert there["processes"] == 2
    assert [sitting["processes"] for sitting in there["sittings"]] == [1, 2]
    assert there["sittings"][0]["python"] == "3.11"


def test_a_finished_run_is_one_until_its_budget_grows(begun):
    begun.set_status("done", step=40, seconds=60.0)
    assert Run(begun.folder).is_finished
    assert go_on(begun, data__workers=2).is_finished
    assert not go_on(begun, train__max_steps=80).is_finished
    begun.set_status("interrupted", step=40, seconds=60.0)
    assert not Run(begun.folder).is_finished


def test_a_commit_is_recorded_only_of_a_repository_that_tracks_the_code(tmp_path):
    """A package installed inside somebody's checkout is not a part of it."""
    source = Path(run_module.__file__).parents[1]
    shutil.copytree(source, tmp_path / "site" / "reclf", ignore=lambda *_: {"__pycache__"})
    (tmp_path / "mine.txt").write_text("mine")
    git = ["git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "mine.txt"], ["commit", "-qm", "mine"]):
        assert run_command([*git, *arguments]).returncode == 0
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from reclf.runs.environment import environment\n"
        "import json; found = environment(); print(json.dumps([found[n] for n in sys.argv[2:]]))"
    )
    names = ("git_commit", "git_dirty")
    assert json.loads(run_python(code, tmp_path / "site", *names)) == [None, None]
    for arguments in (["add", "site"], ["commit", "-qm", "theirs"]):
        assert run_command([*git, *arguments]).returncode == 0
    commit, is_dirty = json.loads(run_python(code, tmp_path / "site", *names))
    assert len(commit) == 40
    assert is_dirty is False
