"""A disk that is full in the middle of a write: the old file stays whole, nothing else is left, and
one sentence names the file and the way on."""

import errno
import resource
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
from broken_disk import Broken
from matplotlib.figure import Figure
from sample_explanations import sample
from small_pairs import build

from reclf.runs.files import WriteFailed
from reclf.runs.run import Run
from reclf.stats.per_study import StudyRatio
from reclf.tasks.features import Pooled
from reclf.tasks.task_run import TaskRun
from reclf.training.presets import make_config
from reclf_study.compare_runs import Comparison
from reclf_study.comparison_page import write_page
from reclf_study.evaluation_suite import save_results
from reclf_study.paper_table.files import write_all
from reclf_study.paper_table.table import Entry, Measure, PaperTable
from reclf_widgets import MatchingExplorer, save_figure


def explanation(folder):
    sample().save(folder / "a.npz")


def features(folder):
    pooled = Pooled({"a": np.ones((2, 3))}, np.ones((2, 1)), ("x",), ("s", "t"), ("p", "q"))
    pooled.save(folder / "a.npz")


def explorer_page(folder):
    MatchingExplorer([sample()]).to_html(folder / "a.html")


def figure(folder, kind):
    save_figure(Figure(), folder / f"a.{kind}")


def run_of(folder):
    run = Run(folder, make_config("phantom_small"))
    return TaskRun(run, {}, "phantom", "", {}, "test", 0, "phantom", "best")


def result(folder):
    numbers = dict.fromkeys(("value", "interval", "n", "chance", "untrained_baseline"), 0.5)
    run_of(folder).write("zero_shot", numbers | {"per_class": {}}, {})


def task_figure(folder):
    run_of(folder).save_figure("zero_shot", Figure())


def suite_table(folder):
    m = Measure("zero_shot", "phantom", "auroc")
    write_all(
        PaperTable([m], {"mine": "train"}, {("mine", m): Entry(0.5, (0.5,), None, 9)}), folder
    )


def comparison(folder):
    run = Run(folder / "run", make_config("phantom_small"))
    if not (folder / "run/results/pretrain.json").exists():
        run.write_result("pretrain", {"recall_at_5": 0.8})
    write_page(Comparison.of([run]), folder / "a.html")


def study_results(folder):
    save_results({"recall": StudyRatio(np.ones(300), np.ones(300))}, folder / "a.npz", "key")


@pytest.fixture
def writers(tiny):
    model = build(tiny)

    def tower(folder, name):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "README.md").touch()
        model.export_image_tower(folder / name)

    return {
        "model": lambda folder: model.save_pretrained(folder / "model"),
        "tower": lambda folder: tower(folder, "tower"),
        **{kind: partial(figure, kind=kind) for kind in ("png", "pdf", "svg")},
        **{
            one.__name__: one
            for one in (
                explanation, features, explorer_page, result, task_figure, suite_table, comparison,
                study_results,
            )
        },
    }  # fmt: skip


NAMES = ("model", "tower", "png", "pdf", "svg", "explanation", "features",
         "explorer_page", "result", "task_figure", "suite_table", "comparison",
         "study_results")  # fmt: skip


@contextmanager
def room_for(size):
    """Files grow to `size` bytes only, also those of libraries that write without Python."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def content(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def said(folder, error):
    text = str(error)
    assert text.startswith(f"cannot write {folder}/")
    assert "\n" not in text
    assert "What was there before is whole; with room and permission to write, the same" in text
    assert ".writing" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_old_file_stays_whole(tmp_path, writers, name):
    write = writers[name]
    write(tmp_path)
    good = content(tmp_path)
    size = max(len(data) for path, data in good.items() if path.name != "config.json")
    with room_for(size // 2), pytest.raises(WriteFailed) as caught:
        write(tmp_path)
    assert caught.value.errno == errno.EFBIG
    said(tmp_path, caught.value)
    assert content(tmp_path) == good


@pytest.mark.parametrize("name", NAMES)
def test_a_disk_that_is_full_at_any_point(tmp_path, writers, name, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")  # figures without the time
    write = writers[name]
    write(tmp_path)
    with Broken(tmp_path) as disk:
        write(tmp_path)
    good = content(tmp_path)
    for at in sorted({1, 2, 3, *np.linspace(1, disk.points, 7).astype(int)}):
        with Broken(tmp_path, at, errno.ENOSPC) as broken:
            try:
                write(tmp_path)
            except WriteFailed as error:
                said(tmp_path, error)
            else:
                assert at > 3 or not broken.failed
        assert content(tmp_path) == good, at
