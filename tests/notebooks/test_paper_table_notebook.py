"""The paper's table as its user makes it: six data sets, two seeds, killed and gone on."""

import json
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest
import yaml
from notebook_runs import NOTEBOOKS, outputs_of, papermill

HERE = ("mimic_cxr", "chexpert", "rsna", "siim", "covidx")  # and CheXpert 5x200
SMALL = {
    "model.image_size": 48,
    "train.max_steps": 3,
    "train.batch_size": 4,
    "train.val_studies": 4,
    "data.workers": 0,
    "data.augment": False,
    "data.counterfactuals": {},
    "train.device": "cpu",
    "train.identity_aware": True,
}
FEW = {
    "zero_shot": {},
    "linear_probe": {"fractions": [0.5, 1.0]},
    "segmentation": {"fractions": [1.0], "steps": 2},
    "retrieval": {"shortlist": 4},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with tiny copies of the six data sets and a suite of them."""
    folder = tmp_path_factory.mktemp("paper")
    for name in HERE:
        import_module(f"reclf.datasets.{name}").write_tiny(folder / "data" / name)
    import_module("reclf.datasets.chexpert").make_5x200(folder / "data" / "chexpert", per_class=2)
    data = {name: {"root": f"data/{name}"} for name in HERE}
    data |= {"vindr": {"root": "data/vindr"}}
    write_suite(folder, data=data)
    return folder


def write_suite(place, name="suite.yaml", **values):
    suite = {
        "folder": "runs/paper",
        "train": {
            "data": "mimic_cxr", "variants": ["mean"], "seeds": [0, 1],
            "overrides": SMALL,
        },
        "tasks": FEW,
        "device": "cpu",
    } | values  # fmt: skip
    (place / name).write_text(yaml.safe_dump(suite))


def kill_after_the_first_cell(folder):
    """Start the suite from a shell and kill it as soon as one task is done."""
    command = [sys.executable, "-m", "reclf_study.paper_table", "run", "suite.yaml"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        records, limit = folder / "runs" / "paper" / "cells", time.monotonic() + 300
        while not list(records.glob("*.json")):
            assert process.poll() is None, "the suite ended before it was killed"
            assert time.monotonic() < limit, "no cell was done in 300 s"
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
    return {path.name: path.stat().st_mtime_ns for path in records.glob("*.json")}


def test_six_data_sets_four_tasks_two_seeds(folder):
    done_before = kill_after_the_first_cell(folder)
    done = papermill("paper_table.ipynb", folder, suite="suite.yaml")
    assert done.returncode == 0, done.stderr[-3000:]
    records = folder / "runs" / "paper" / "cells"
    assert {name: (records / name).stat().st_mtime_ns for name in done_before} == done_before
    said = "".join(o.get("text", "") for o in outputs_of(folder / "out.ipynb"))
    assert "left out: data source 'vindr'" in said
    assert "taken over: " in said
    table = json.loads((folder / "runs" / "paper" / "results" / "table.json").read_text())
    asked = {key.partition("/")[0] for key in table["columns"]}
    assert asked == {
        "zero_shot-chexpert_5x200", "zero_shot-rsna", "zero_shot-siim", "zero_shot-covidx",
        "linear_probe-chexpert", "linear_probe-rsna", "linear_probe-siim", "linear_probe-covidx",
        "segmentation-rsna", "segmentation-siim", "retrieval-mimic_cxr",
    }  # fmt: skip
    rows = table["rows"]
    assert list(rows) == ["mean of matchings", "untrained"]
    trained = rows["mean of matchings"]
    assert trained["training"]["steps"] == [3, 3]
    assert trained["numbers"].keys() == table["columns"].keys()
    for number in trained["numbers"].values():
        assert len(number["seeds"]) == 2
        assert number["compares"]
    tex = (folder / "runs" / "paper" / "results" / "table.tex").read_text()
    assert tex.count("\\begin{table}") == tex.count("\\end{table}") == 4
    assert "RECLF" not in tex.partition("Published")[2].partition("\\end{tabular}")[0]


def test_a_dry_run_prints_the_plan_and_writes_nothing(folder):
    write_suite(folder, "dry.yaml", folder="runs/dry", data={"mimic_cxr": "data/mimic_cxr"})
    done = papermill("paper_table.ipynb", folder, suite="dry.yaml", dry_run=True)
    assert done.returncode == 0, done.stderr[-3000:]
    shown = json.dumps(outputs_of(folder / "out.ipynb"))
    assert "train/mean-seed0 | to do" in shown
    assert "about" in shown
    assert not (folder / "runs" / "dry").exists()


def test_a_wrong_suite_stops_the_first_cell(folder):
    write_suite(folder, "wrong.yaml", data={"mimic_cxr": "data/mimic_cxr"}, tasks=["zero_sht"])
    done = papermill("paper_table.ipynb", folder, suite="wrong.yaml")
    assert done.returncode != 0
    assert "did you mean 'zero_shot'" in done.stderr


def test_the_suites_that_are_shipped_are_suites(monkeypatch):
    from reclf_study.paper_table.suite import read_suite

    monkeypatch.chdir(NOTEBOOKS.parent)
    paths = sorted((NOTEBOOKS / "suites").glob("*.yaml"))
    assert [path.stem for path in paths] == ["films", "paper", "phantom"]
    for path in paths:
        assert read_suite(path).columns
