"""A finished run on a disk that may only be read opens, evaluates and explains, and says once what
is not kept."""

import errno
import shutil
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pytest
from broken_disk import Broken
from tiny_training import train

from reclf.explain import explain
from reclf.tasks.evaluations import retrieval

pytest_plugins = ["tiny_runs"]
SAID = "may only be read"


def read_only(folder):
    return Broken(folder, 1, errno.EROFS)


def evaluate(folder):
    """What retrieval.ipynb does, features of a probe, and an explanation."""
    p = SimpleNamespace(
        run=str(folder), checkpoint="best", dataset="", data_root="", options={}, split="", name="",
        studies=6, shortlist=4, metric="recall", k=1, score_all_up_to=10, index="auto", seed=0,
        device="cpu", workers=0,
    )  # fmt: skip
    task_run = retrieval.open_task(p)
    evaluation = retrieval.evaluate(task_run, p)
    evaluation.write(task_run)
    task_run.save_figure("retrieval", plt.figure())
    plt.close("all")
    assert task_run.pooled(4).labels.shape[0] == 4
    assert explain(task_run.model, task_run.studies(1)[0]).words
    return evaluation.result["value"]


def report(folder):
    """What pretrain.ipynb does with a run that is finished."""
    run = train(folder)
    run.write_result("pretrain", {"a": 1})
    run.write_card("good", {})
    run.set_status("done")


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_finished_run_evaluates_and_explains(folder):
    before = content(folder)
    with read_only(folder), pytest.warns(UserWarning, match=SAID) as said:
        value = evaluate(folder)
    assert 0 <= value <= 1
    assert {str(one.message) for one in said if SAID in str(one.message)} == {
        f"{folder} may only be read (Read-only file system): results are shown and not kept"
    }
    assert content(folder) == before


def test_its_notebook_trains_nothing_and_goes_on_to_its_report(folder):
    before = content(folder)
    with read_only(folder), pytest.warns(UserWarning, match=SAID):
        report(folder)
    assert content(folder) == before


def test_a_training_that_cannot_write_says_so_at_once(stopped, tmp_path):
    run = shutil.copytree(stopped, tmp_path / "run")
    with read_only(run), pytest.raises(OSError, match=r"run/lock\.json: Read-only file system"):
        train(run)
