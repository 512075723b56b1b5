"""A run folder: whole files whatever happens, settings that must agree, and a history."""

import errno
import json
import os
import shutil
import stat
from contextlib import nullcontext

import pytest

from reclf.config import override
from reclf.runs.environment import environment
from reclf.runs.files import WriteFailed, write_atomically, write_json
from reclf.runs.run import Run
from reclf.training.presets import phantom_small


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path / "first", phantom_small())


def test_new_run_is_a_folder_that_opens_again(run):
    assert {path.name for path in run.folder.iterdir()} == {
        "config.json",
        "checkpoints",
        "results",
        "explanations",
        "figures",
    }
    assert Run(run.folder).config == phantom_small()
    assert Run(run.folder, phantom_small()).config == phantom_small()
    assert run.status == {"state": "new"}
    assert run.history() == []


def test_relative_folder_is_from_the_current_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Run("runs/first", phantom_small()).folder == tmp_path / "runs" / "first"


def test_no_run_to_open(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run in .*nothing \(config\.json is missing\)"):
        Run(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_run_that_never_trained_takes_new_settings(run):
    other = override(phantom_small(), {"data.root": "elsewhere"})
    assert Run(run.folder, other).config == other
    assert Run(run.folder).config == other


def test_other_settings_are_refused_by_name(tmp_path):
    config = override(
        phantom_small(),
        {"model.aggregator_options": {}, "model.aggregator_options.steps": 1},
    )
    run = Run(tmp_path / "first", config)
    other = override(
        config,
        {"train.seed": 1, "model.aggregator_options": {}, "model.image_tower.config.depths": [2]},
    )
    run.set_status("running")
    with pytest.raises(ValueError, match="holds a run with other settings") as error:
        Run(run.folder, other)
    message = str(error.value)
    assert "train.seed is 0 there and 1 here" in message
    assert "model.aggregator_options.steps is 1 there and None here" in message
    assert "model.image_tower.config.depths is [1, 1, 1, 1] there and [2] here" in message
    assert "Give another run_dir" in message
    assert message.count(" there and ") == 3
    assert Run(run.folder).config == config


def test_writer_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def fail(temporary):
        temporary.write_text("half")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]  # nothing temporary left


def test_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "folder" / "file.txt"
    write_atomically(path, lambda temporary: temporary.write_text("old"))

    def look(temporary):
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent == path.parent  # one file system, so that renaming is atomic

    write_atomically(path, look)
    assert path.read_text() == "new"


def test_a_full_disk_is_said_with_the_name_of_the_file(tmp_path):
    def fail(temporary):
        raise OSError(errno.ENOSPC, "No space left on device")  # `write` gives no name

    with pytest.raises(WriteFailed, match=r"cannot write .*file\.txt: No space left on dev") as e:
        write_atomically(tmp_path / "file.txt", fail)
    assert e.value.errno == errno.ENOSPC
    assert "same command goes on" in str(e.value)

    def read(temporary):
        (tmp_path / "absent").read_text()

    with pytest.raises(FileNotFoundError, match="absent"):  # of another file, as it is
        write_atomically(tmp_path / "file.txt", read)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("code", "harmless"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_need_not_sync_folders(tmp_path, monkeypatch, code, harmless):
    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr("os.fsync", refuse)
    with nullcontext() if harmless else pytest.raises(WriteFailed, match="Input/output error"):
        write_json(tmp_path / "new" / "a.json", {})


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_results(run):
    path = run.write_result("retrieval", {"recall@1": 0.25, "auroc": None, "name": "Größe"})
    assert path == run.folder / "results" / "retrieval.json"
    assert run.result("retrieval") == {"recall@1": 0.25, "auroc": None, "name": "Größe"}


def test_status(run):
    run.set_status("running", step=3)
    run.set_status("failed", reason="out of memory")
    status = Run(run.folder).status
    assert status["state"] == "failed"
    assert status["reason"] == "out of memory"
    assert "step" not in status
    assert status["time"].startswith("20")


def test_history_without_the_line_that_a_kill_cut(run):
    run.log({"step": 1, "loss": 2.0})
    run.log({"step": 2, "loss": 1.5})
    path = run.folder / "metrics.jsonl"
    path.write_text(path.read_text() + '{"step": 3, "lo')
    assert run.history() == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]
    # A resumed run forgets the cut line and what came after its checkpoint, then goes on.
    run.truncate_history(1)
    run.log({"step": 2, "loss": 1.0})
    assert run.history() == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}]
    run.truncate_history(0)
    assert run.history() == []


def test_cut_line_that_is_whole_json_still_counts_as_cut(run):
    # "12" may be the beginning of "123".
    (run.folder / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2}')
    assert run.history() == [{"step": 1}]


def writer(text):
    def write(folder):
        folder.mkdir(parents=True)
        (folder / "weights").write_text(text)

    return write


def read(run, name="last"):
    return (run.checkpoint(name) / "weights").read_text()


def left(run):
    return sorted(path.name for path in (run.folder / "checkpoints").iterdir())


def test_checkpoint_is_replaced(run):
    assert not run.checkpoint("last").exists()
    run.write_checkpoint("last", writer("one"))
    run.write_checkpoint("last", writer("two"))
    run.write_checkpoint("best", writer("best"))
    assert (read(run), read(run, "best")) == ("two", "best")
    assert left(run) == ["best", "last"]


def test_writer_that_fails_leaves_the_old_checkpoint(run):
    run.write_checkpoint("last", writer("one"))

    def fail(folder):
        writer("half")(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.write_checkpoint("last", fail)
    assert read(run) == "one"
    assert left(run) == ["last"]  # the half that was written takes no room
    run.write_checkpoint("last", writer("two"))  # what was half written is in nobody's way
    assert read(run) == "two"
    assert left(run) == ["last"]


@pytest.mark.parametrize("killed_at", [0, 1, 2, 3, 4])
def test_kill_at_any_moment_leaves_a_whole_checkpoint(run, monkeypatch, killed_at):
    """Stop before the n-th change of the folder: a whole copy is there, the next write works."""
    run.write_checkpoint("last", writer("one"))
    moments = iter(range(10))

    class Kill(BaseException):
        pass

    def guard(action):
        def guarded(*arguments, **keywords):
            if next(moments) == killed_at:
                raise Kill
            return action(*arguments, **keywords)

        return guarded

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.rename", guard(type(run.folder).rename))
        patch.setattr("reclf.runs.files.shutil.rmtree", guard(shutil.rmtree))
        with pytest.raises(Kill):
            run.write_checkpoint("last", writer("two"))
    assert read(Run(run.folder)) in ("one", "two")
    run.write_checkpoint("last", writer("three"))
    assert read(run) == "three"
    assert left(run) == ["last"]


def test_a_checkpoint_has_the_checksums_of_all_its_files(run):
    def write(folder):
        writer("one")(folder)
        (folder / "inner").mkdir()
        (folder / "inner" / "more").write_bytes(b"abc")

    run.write_checkpoint("last", write)
    there = json.loads((run.checkpoint("last") / "checksums.json").read_text())
    assert there["algorithm"] == "sha256"
    assert there["files"]["inner/more"] == {
        "size": 3,
        "digest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert there["files"].keys() == {"weights", "inner/more"}


def test_environment_says_what_the_run_ran_on(run):
    run.write_environment(seed=3)
    there = json.loads((run.folder / "environment.json").read_text())
    assert there.keys() == {*environment(), "time", "seed", "sittings"}
    assert (
        there["sittings"] == run.sittings == [{k: v for k, v in there.items() if k != "sittings"}]
    )
    assert there["packages"].keys() >= {"torch", "transformers", "numpy"}
    assert there["cpu_threads"] >= 1
    assert there["git_commit"] is None or len(there["git_commit"]) == 40


def test_a_file_is_no_run_directory(tmp_path):
    (tmp_path / "first").write_text("")
    with pytest.raises(ValueError, match=r"first is a file: the run directory must be a folder"):
        Run(tmp_path / "first", phantom_small())
