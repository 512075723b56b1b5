"""Cells: done once, taken over, left to others, and never all lost."""

import json

import pytest
from filelock import FileLock
from paper_suites import Tasks, make_runs, result_of, suite_of

from reclf_study.paper_table.__main__ import main
from reclf_study.paper_table.cells import Cells, run_all
from reclf_study.paper_table.collect import lacking
from reclf_study.paper_table.plan import as_text, plan
from reclf_study.paper_table.suite import make_suite

RESULTS = {"a": result_of(0.8), "b": result_of(0.7)}


@pytest.fixture
def tasks(monkeypatch):
    return Tasks(monkeypatch, dict(RESULTS))


def test_a_cell_is_done_once(tmp_path, tasks):
    cells, said = Cells(suite_of(tmp_path)), []
    assert [cell.name for cell in cells.all] == ["a/linear_probe-phantom", "b/linear_probe-phantom"]
    assert run_all(cells, show=said.append) == []
    assert [run for run, _ in tasks.asked] == ["a", "b"]
    assert run_all(Cells(suite_of(tmp_path)), show=said.append) == []
    assert len(tasks.asked) == 2
    assert said[-1] == "taken over: 2 of 2 cells are done"


def test_another_question_or_another_checkpoint_is_asked_again(tmp_path, tasks):
    run_all(Cells(suite_of(tmp_path)), show=print)
    asked = {"linear_probe": {"studies": 33}}
    run_all(Cells(suite_of(tmp_path, tasks=asked)), show=print)
    assert [p.studies for _, p in tasks.asked] == [500, 500, 33, 33]
    (tmp_path / "a" / "checkpoints" / "best" / "model.safetensors").write_bytes(b"trained longer")
    run_all(Cells(suite_of(tmp_path, tasks=asked)), show=print)
    assert [run for run, _ in tasks.asked[4:]] == ["a"]


def test_a_device_is_no_other_question(tmp_path, tasks):
    run_all(Cells(suite_of(tmp_path)), show=print)
    assert Cells(suite_of(tmp_path, device="cpu")).open == []


def test_a_failed_cell_does_not_stop_others_and_is_tried_again(tmp_path, tasks):
    tasks.results["a"] = {"error": ValueError("no label\nhas both classes")}
    cells = Cells(suite_of(tmp_path))
    (problem,) = run_all(cells, show=print)
    assert problem == "a/linear_probe-phantom: ValueError: no label"
    failure = cells.failure(cells.all[0])
    assert "has both classes" in failure.read_text()
    assert [cell.name for cell in cells.open] == ["a/linear_probe-phantom"]
    (sentence,) = lacking(cells)
    assert sentence == "linear_probe-phantom: failed, has both classes (1 of the cells)"
    tasks.results["a"] = RESULTS["a"]
    assert run_all(cells, show=print) == []
    assert not failure.exists()


def test_an_interrupt_keeps_what_is_done(tmp_path, tasks):
    tasks.results["b"] = {"error": KeyboardInterrupt()}
    cells = Cells(suite_of(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run_all(cells, show=print)
    assert [cell.name for cell in Cells(suite_of(tmp_path)).open] == ["b/linear_probe-phantom"]


def test_a_cell_of_another_process_is_left_to_it(tmp_path, tasks):
    cells = Cells(suite_of(tmp_path))
    cells.folder.mkdir(parents=True)
    with FileLock(cells.folder / ".a--linear_probe-phantom.lock"):
        assert run_all(cells, show=print) == ["a/linear_probe-phantom: another process is at it"]
    assert run_all(cells, show=print) == []
    assert [run for run, _ in tasks.asked] == ["b", "a"]


def test_missing_data_and_missing_runs_are_named(tmp_path, tasks):
    data = {"phantom": {}, "siim": str(tmp_path / "siim")}
    cells = Cells(suite_of(tmp_path, data=data))
    assert run_all(cells, show=print) == []
    assert lacking(cells) == ["linear_probe-siim: data source 'siim' is missing (2 of the cells)"]
    with pytest.raises(FileNotFoundError, match=r"data source 'siim' is not in"):
        cells.run(cells.find("a/linear_probe-siim"))
    values = {"folder": str(tmp_path / "o"), "data": {"phantom": {}}, "tasks": ["linear_probe"]}
    untrained = make_suite(values | {"runs": {"c": str(tmp_path / "c")}})
    (problem,) = run_all(Cells(untrained), show=print)
    assert "no checkpoint in" in problem


def test_an_evaluation_before_its_training_says_which_cell_comes_first(tmp_path):
    grid = {"variants": ["mean"], "overrides": {"train.max_steps": 1}}
    values = {"folder": str(tmp_path), "data": {"phantom": {}}, "train": grid}
    cells = Cells(make_suite(values))
    with pytest.raises(FileNotFoundError, match="run the cell 'train/mean-seed0' first"):
        cells.run(cells.find("mean-seed0/retrieval-phantom"))
    with pytest.raises(ValueError, match="no cell 'mean'; cells: train/mean-seed0"):
        cells.find("mean")


def test_whole_seeds_come_first(tmp_path):
    values = {
        "folder": str(tmp_path),
        "data": {"phantom": {}},
        "train": {"variants": ["reclf", "mean"], "seeds": [0, 1]},
        "tasks": ["retrieval"],
    }
    names = [cell.name for cell in Cells(make_suite(values)).all]
    assert names == [
        "train/reclf-seed0", "reclf-seed0/retrieval-phantom",
        "train/mean-seed0", "mean-seed0/retrieval-phantom",
        "train/reclf-seed1", "reclf-seed1/retrieval-phantom",
        "train/mean-seed1", "mean-seed1/retrieval-phantom",
    ]  # fmt: skip


def test_the_plan_says_state_time_and_disk(tmp_path, tasks):
    data = {"phantom": {}, "siim": str(tmp_path / "siim"), "rsna": str(tmp_path)}
    suite = suite_of(tmp_path, data=data, train={"variants": ["mean"], "seeds": [0]})
    cells = Cells(suite)
    run_all(cells, ["a/linear_probe-phantom"], show=print)
    by_name = {one.cell.name: one for one in plan(cells)}
    assert by_name["a/linear_probe-phantom"].state == "done"
    assert by_name["b/linear_probe-phantom"].state == "to do"
    assert by_name["train/mean-seed0"].seconds == 300
    assert by_name["train/mean-seed0"].megabytes == pytest.approx(38, abs=8)  # as such a run has
    assert by_name["a/linear_probe-siim"].state.startswith("left out: siim is not in")
    assert by_name["a/linear_probe-rsna"].state.startswith("cannot be done:")
    text = as_text(plan(cells))
    assert "10 cells: 1 done, 3 to do, 3 left out, 3 that cannot be done" in text


def test_the_plan_names_a_run_that_is_not_there(tmp_path):
    runs = {"gone": str(tmp_path / "gone")}
    values = {"folder": str(tmp_path / "o"), "data": {"phantom": {}}, "runs": runs}
    states = {one.state for one in plan(Cells(make_suite(values)))}
    assert states == {f"cannot be done: no trained run in {tmp_path / 'gone'}"}


def test_the_command_line(tmp_path, tasks, capsys):
    make_runs(tmp_path, "a", "b")
    path = tmp_path / "suite.yaml"
    runs = {name: str(tmp_path / name) for name in "ab"}
    values = {"folder": str(tmp_path / "out"), "data": {"phantom": {}}, "runs": runs}
    path.write_text(json.dumps(values | {"tasks": ["linear_probe"]}))
    assert main(["cells", str(path)]) == 0
    names = capsys.readouterr().out.split()
    assert names == ["a/linear_probe-phantom", "b/linear_probe-phantom"]
    assert main(["cell", str(path), names[0]]) == 0
    capsys.readouterr()
    assert main(["cells", str(path), "--kind", "evaluate"]) == 0
    assert capsys.readouterr().out.split() == names[1:]
    assert main(["run", str(path)]) == 0
    assert (tmp_path / "out" / "results" / "table.tex").is_file()
    tasks.results["a"] = {"error": ValueError("broken")}
    (tmp_path / "a" / "checkpoints" / "best" / "model.safetensors").write_bytes(b"other")
    assert main(["run", str(path)]) == 1
    assert "a/linear_probe-phantom: ValueError: broken" in capsys.readouterr().err
    for wrong in (["cell", str(path)], ["run", str(path), "a"], ["cell", str(path), "x"],
                  ["run", str(tmp_path / "none.yaml")]):  # fmt: skip
        with pytest.raises(SystemExit):
            main(wrong)
