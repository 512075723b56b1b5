"""Parameters of a notebook: what papermill lets through is stopped, what YAML garbles is read."""

from types import SimpleNamespace

import pytest

from reclf.runs.notebook import check_parameters, home, read_parameters, resolve

DECLARED = """
run_dir: str = "runs/first"  # folder
minutes: float = 5.0  # budget
steps: int = 0  # optimiser steps
resume: bool = True  # go on
overrides: dict = {}  # more
"""
DEFAULTS = {"run_dir": "runs/first", "minutes": 5.0, "steps": 0, "resume": True, "overrides": {}}


def read(injected="", history=(), **values):
    cells = [*history, DECLARED, *([f"# Parameters\n{injected}"] if injected else [])]
    return read_parameters(["", *cells], DEFAULTS | values)


def test_defaults():
    assert vars(read()) == DEFAULTS


def test_values_are_read_as_the_declared_types():
    # YAML gives "1e-1" as text, `-p run_dir 123` an int, `-p overrides '{...}'` text
    p = read(minutes="1e-1", run_dir=123, overrides='{"train.seed": 1}', steps=7.0)
    assert (p.minutes, p.run_dir, p.overrides, p.steps) == (0.1, "123", {"train.seed": 1}, 7)
    assert isinstance(p.steps, int)


def test_everything_wrong_is_listed_at_once_with_the_valid_names():
    with pytest.raises(ValueError, match="unknown parameter 'minuts'") as error:
        read("minuts = 3\nsteps = 'many'\nresume = 'maybe'", steps="many", resume="maybe", minuts=3)
    message = str(error.value)
    assert "'minuts' (minutes?)" in message
    assert "steps must be int, got 'many' (str)" in message
    assert "resume must be bool, got 'maybe'" in message
    assert "Parameters of this notebook: run_dir: str, minutes: float, steps: int" in message


def test_a_fraction_is_not_an_int_and_text_is_not_a_dict():
    with pytest.raises(ValueError, match=r"steps must be int, got 1\.5"):
        read(steps=1.5)
    with pytest.raises(ValueError, match="overrides must be dict or its JSON, got 'a=1'"):
        read(overrides="a=1")
    with pytest.raises(ValueError, match=r"overrides must be dict, got \[1\]"):
        read(overrides="[1]")


def test_names_of_other_cells_are_not_parameters():
    # Re-running the second cell in JupyterLab: the namespace is full of results by then.
    assert read(history=["model = 3", "import torch"], model=3).steps == 0


def test_an_injection_before_the_parameters_cell_was_run_again_does_not_count():
    with pytest.raises(ValueError, match="unknown parameter 'x'"):
        read("x = 1", x=1)
    assert read(history=["# Parameters\nx = 1"], x=1).steps == 0


def test_without_a_parameters_cell_it_says_what_to_do():
    with pytest.raises(ValueError, match="run the first code cell"):
        read_parameters(["", "import torch"], {})


def test_relative_paths_start_at_the_repository_when_in_its_notebooks_folder(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert home() == tmp_path / "notebooks"
    (tmp_path / "environment.yml").touch()
    assert home() == tmp_path
    assert resolve("runs/a") == tmp_path / "runs" / "a"
    assert resolve(str(tmp_path / "b")) == tmp_path / "b"


def test_all_rules_that_are_broken_are_in_one_error():
    p = SimpleNamespace(metric="auc", studies=-1, parts=["a", "c"], empty=[], optional="")
    check_parameters(p, metric=["auc"], studies=-1, parts="abc", optional=("", "x"))
    with pytest.raises(ValueError, match="metric must") as error:
        check_parameters(p, metric=("auroc", "f1"), studies=0, parts=("a", "b"), empty="ab")
    assert str(error.value).split("; ") == [
        "metric must be one of auroc, f1, got 'auc'",
        "studies must be at least 0, got -1",
        "parts must be some of ['a', 'b'], got ['a', 'c']",
        "empty must be some of ['a', 'b'], got []",
    ]
    with pytest.raises(ValueError, match="metric must be at least 1, got 'auc'"):
        check_parameters(p, metric=1)
