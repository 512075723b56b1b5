"""Suites for tests of the paper's table: runs that were never trained, tasks that cost nothing."""

from pathlib import Path
from types import SimpleNamespace

import yaml

from reclf.runs.run import Run
from reclf.tasks.evaluations import Evaluation
from reclf.training.presets import make_config
from reclf_study.paper_table import cells as cells_module
from reclf_study.paper_table.cells import Cells
from reclf_study.paper_table.suite import make_suite


def result_of(value, fractions=(0.01, 1.0), n=40, **protocol):
    """A linear probe's result; value by fraction, or one for all."""
    values = value if isinstance(value, dict) else dict.fromkeys(fractions, value)

    def part(number):
        return {"value": number, "interval": [number - 0.1, number + 0.1], "n": n, "chance": 0.5}

    return {
        "value": values[fractions[-1]], "interval": [0.0, 1.0], "n": n, "chance": 0.5,
        "per_class": {}, "untrained_baseline": part(0.5),
        "fractions": {
            str(f): {"trained": part(values[f]), "random": part(0.55)} for f in fractions
        },
        "protocol": {
            "metric": "macro AUROC, NaN labels left out", "image_size": 96,
            "label_fractions": {str(f): {"n": 20} for f in fractions}, **protocol,
        },
    }  # fmt: skip


def make_runs(folder, *names, **settings):
    """Run folders with the settings of the default preset and a file for a checkpoint."""
    for name in names:
        run = Run(folder / name, make_config("phantom_small", **settings))
        weights = run.checkpoint("best") / "model.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        if not weights.exists():
            weights.write_bytes(name.encode())


def suite_of(folder, **values):
    """A suite on the phantom with linear probes alone, of runs named a and b."""
    make_runs(folder, "a", "b")
    start = {
        "folder": str(folder / "out"),
        "data": {"phantom": {}},
        "runs": {name: str(folder / name) for name in "ab"},
        "tasks": ["linear_probe"],
    }
    return make_suite(start | values)


def write_suite(folder, **values):
    path = folder / "suite.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


class Tasks:
    """Stands in for the task modules: returns results by run, and keeps what was asked."""

    def __init__(self, monkeypatch, results):
        self.results, self.asked = results, []
        module = SimpleNamespace(open_task=self.open_task, evaluate=self.evaluate)
        monkeypatch.setattr(cells_module, "import_module", lambda name: module)

    def open_task(self, p):
        return p

    def evaluate(self, task_run, p):
        run = p.run.rpartition("/")[2]
        self.asked.append((run, p))
        result = dict(self.results[run])
        if isinstance(result.get("error"), BaseException):
            raise result["error"]
        protocol = result.pop("protocol")
        return _Written("linear_probe", result, protocol, SimpleNamespace())


class _Written(Evaluation):
    def write(self, task_run):
        return Path(task_run.run) / "results" / "linear_probe-phantom.json"


def done_cells(monkeypatch, suite, results):
    """The cells of a suite after every task has given its result."""
    Tasks(monkeypatch, results)
    cells = Cells(suite)
    assert cells_module.run_all(cells, show=lambda line: None) == []
    return cells
