"""A run that goes on, from its data set to its checkpoint: by the command line and the notebook."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

import reclf.pretrain
from reclf.datasets.patient_hashes import patient_hashes
from reclf.datasets.registry import load_dataset
from reclf.models.reclf import RECLF
from reclf.pretrain import main, open_run, pretrain
from reclf.runs.lock import RunInUse
from reclf.runs.run import Run
from reclf.runs.training_patients import recorded_patients

SMALL = {
    "data.dataset": "table", "model.image_size": 32, "train.max_steps": 2, "train.batch_size": 4,
    "train.val_studies": 4, "train.device": "cpu", "train.precision": "no", "data.workers": 0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_precision():
    """Accelerate keeps the precision of the first training of a process for all."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def write_pairs(folder, swapped=False):
    """24 small pairs; swapped, two patients of train have each other's reports."""
    folder.mkdir()
    reports = [f"Finding {number} of the left lung." for number in range(24)]
    if swapped:
        reports[0], reports[1] = reports[1], reports[0]
    lines = ["image,report,patient_id,split"]
    for number, report in enumerate(reports):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{report},{number},{'train' if number < 16 else 'val'}")
    (folder / "manifest.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def trained(tmp_path):
    """Two steps on a table."""
    root = write_pairs(tmp_path / "data")
    settings = SMALL | {"data.root": str(root), "data.test_split": "val"}
    run = open_run(tmp_path / "run", settings)
    pretrain(run, progress_bar=False)
    return run


def test_a_moved_data_set_and_more_steps_go_on_and_the_schedule_is_said(trained, tmp_path):
    (tmp_path / "data").rename(tmp_path / "moved")
    settings = {"data.root": str(tmp_path / "moved"), "train.max_steps": 4, "data.workers": 1,
                "data.options.on_problem": "skip"}  # fmt: skip
    run = open_run(trained.folder, settings)
    with pytest.warns(UserWarning, match=r"goes on at step 2 of 4 \(it was planned for 2\)"):
        pretrain(run, progress_bar=False)
    assert run.status["step"] == 4
    assert run.config.data.options["on_problem"] == "skip"
    assert Run(run.folder).config == run.config
    first, second = run.sittings
    assert first["data"] == second["data"]
    assert first["data"]["train"]["studies"] == 16
    assert (second["processes"], second["precision"], second["device"]) == (1, "no", "cpu")
    assert second["accepted"] == {}
    assert any(line.startswith("train.max_steps is 2 there and 4") for line in second["changed"])


def test_a_second_training_is_refused_and_writes_nothing(trained):
    run = open_run(trained.folder, {"train.max_steps": 4})
    before = {path: path.read_bytes() for path in run.folder.rglob("*.json")}
    with Run(run.folder).lock:
        with pytest.raises(RunInUse, match="is in training: process"):
            pretrain(run, progress_bar=False)
        assert RECLF.from_pretrained(Run(run.folder).checkpoint("best"))  # reading is fine
        assert {path: path.read_bytes() for path in before} == before
    with pytest.warns(UserWarning, match="goes on at step 2"):
        pretrain(run, progress_bar=False)
    assert (run.status["state"], run.status["step"]) == ("trained", 4)


@pytest.mark.parametrize("said", [{"state": "running", "step": 0}, {"state": "interrupted"}, None])
def test_a_run_that_was_killed_before_it_said_so_is_trained(trained, said):
    path = trained.folder / "status.json"
    path.write_text(json.dumps(said)) if said else path.unlink()
    run = Run(trained.folder)
    assert (run.status["state"], run.status["step"]) == ("trained", 2)
    assert run.is_finished
    pretrain(run, progress_bar=False)
    assert json.loads(path.read_text())["state"] == "trained"
    assert run.status["left_out"] == 0
    assert run.status["seconds"] > 0


def test_a_run_keeps_hashes_of_the_patients_that_it_learns_from(trained, tmp_path):
    train = load_dataset("table", tmp_path / "data", "train", 32)
    assert len(train) == 16
    assert recorded_patients(trained.folder) == {*patient_hashes("table", train).values()}


def test_swapped_patients_are_refused_before_the_first_step_or_accepted(trained, tmp_path):
    other = {"data.root": str(write_pairs(tmp_path / "other", swapped=True)), "train.max_steps": 4}
    with pytest.raises(ValueError, match=r"train is 16 studies, .* there and 16 stud") as e:
        pretrain(open_run(trained.folder, other), progress_bar=False)
    assert "val is" not in str(e.value)
    assert Run(trained.folder).config == trained.config
    assert trained.status["step"] == 2
    run = open_run(trained.folder, other, accept=["data"])
    pretrain(run, progress_bar=False)
    assert run.status["step"] == 4
    assert "train is 16 studies" in run.sittings[-1]["accepted"]["data"]


def test_a_finished_run_opens_elsewhere_without_a_sitting(trained, monkeypatch):
    monkeypatch.setattr("reclf.training.runtime.choose_precision", lambda *_: "bf16")
    AcceleratorState._reset_state(reset_partial_state=True)
    before = (trained.folder / "environment.json").read_text()
    pretrain(open_run(trained.folder), progress_bar=False)  # nothing is trained: no matter
    assert (trained.folder / "environment.json").read_text() == before
    with pytest.raises(ValueError, match="precision: 'no' there and 'bf16' here"):
        pretrain(open_run(trained.folder, {"train.max_steps": 4}), progress_bar=False)


def test_the_command_line_alone_opens_a_run_with_its_own_settings(trained, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(reclf.pretrain, "pretrain", lambda run, **_: opened.append(run))
    main(["--run-dir", str(trained.folder)])
    said = capsys.readouterr().out
    assert said.startswith(f"{trained.folder} is trained: 2 steps, best checkpoint of step ")
    assert said.endswith(f"notebook.ipynb -p run_dir {trained.folder}\n")
    main(["--run-dir", str(trained.folder), "--set", "data.workers=2", "--accept", "processes"])
    assert [run.config.data.workers for run in opened] == [0, 2]
    assert opened[0].config == trained.config
    assert opened[1].accept == ("processes",)
    with pytest.raises(SystemExit):
        main(["--run-dir", str(trained.folder), "--preset", "phantom_small"])
    assert "data.dataset is 'table' there and 'phantom' here" in capsys.readouterr().err


def first_cell(given, folder):
    """The run that the first cells of pretrain.ipynb open."""
    path = Path(__file__).parents[1] / "notebooks" / "pretrain.ipynb"
    cells = [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "code"]
    given = {"run_dir": str(folder), **given}
    injected = "\n".join(["# Parameters", *(f"{name} = {v!r}" for name, v in given.items())])
    names = {"In": [cells[0], injected, cells[1]]}
    exec(f"{cells[0]}\n{injected}\n{cells[1]}", names)
    return names["run"]


def test_the_notebook_alone_opens_a_run_with_its_own_settings(trained):
    assert first_cell({}, trained.folder).config == trained.config
    run = first_cell({"steps": 9, "on_problem": "skip", "accept": ["data"]}, trained.folder)
    assert (run.config.train.max_steps, run.config.data.options["on_problem"]) == (9, "skip")
    assert run.accept == ("data",)
    for given, message in [
        ({"seed": 1}, r"train\.seed is 0 there and 1 here"),
        ({"preset": "phantom_small"}, r"data\.dataset is 'table' there and 'phantom' here"),
        ({"learning_rate": 0.1}, r"train\.learning_rate is 0\.001 there and 0\.1 here"),
        ({"batch_size": 8, "overrides": {"train.batch_size": 4}}, r"train\.batch_size is given tw"),
    ]:
        with pytest.raises(ValueError, match=message):
            first_cell(given, trained.folder)


def test_the_notebook_makes_a_run_of_the_preset_where_there_is_none(tmp_path):
    overrides = {"data.options": {"report_column": "text"}}
    given = {"on_problem": "skip", "preset": "table_small", "seed": 3, "overrides": overrides}
    run = first_cell(given, tmp_path / "new")
    expected = {"on_problem": "skip", "cache": "memory", "report_column": "text"}
    assert run.config.data.options == expected
    assert json.loads((run.folder / "config.json").read_text())["train"]["seed"] == 3
    # Nothing was trained, so that a wrong setting does not stay.
    again = first_cell({"preset": "table_small"}, run.folder)
    assert again.config.data.options == {"on_problem": "refuse", "cache": "memory"}


def test_the_command_line_refuses_other_data_and_damaged_files_in_one_line(
    trained, tmp_path, capsys
):
    other = write_pairs(tmp_path / "other", swapped=True)
    given = ["--run-dir", str(trained.folder), "--set", "train.max_steps=3", "--quiet"]
    with pytest.raises(SystemExit) as ended:
        main([*given, "--set", f"data.root={other}"])
    assert ended.value.code == 2
    assert "--accept data" in capsys.readouterr().err
    (tmp_path / "data" / "20.png").write_bytes(b"no image")
    with pytest.raises(SystemExit):
        main(given)
    error = capsys.readouterr().err
    assert "20.png" in error
    assert "Traceback" not in error
