"""The benchmark by papermill on tiny sizes: every bar has its number, and parts can be chosen."""

import json

import pytest
from notebook_runs import papermill

from reclf_benchmarks.bars import BARS

pytestmark = pytest.mark.slow


def test_every_bar_is_measured(tmp_path):
    done = papermill("study/benchmark.ipynb", tmp_path, run_dir="bench", small=True)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads((tmp_path / "bench" / "results" / "benchmark.json").read_text())
    assert all(isinstance(value, float) for value in measured.values())
    assert {bar.name for bar in BARS} <= measured.keys()
    assert (tmp_path / "bench" / "figures" / "benchmark.png").stat().st_size > 5000
    (row, _) = json.loads((tmp_path / "bench" / "results" / "gpu_step.json").read_text())["rows"]
    assert row["step_ms"] > 0
    assert row["kernels"]
    machine = json.loads((tmp_path / "bench" / "environment.json").read_text())
    assert machine["threads"] == 1
    assert "torch" in machine["packages"]


def test_an_unknown_part_is_refused(tmp_path):
    done = papermill("study/benchmark.ipynb", tmp_path, parts=["scores", "speed"])
    assert done.returncode != 0
    known = "['scores', 'memory', 'shortlist', 'step', 'data', 'gpu']"
    assert f"parts must be some of {known}" in done.stderr


def test_without_a_gpu_its_part_is_skipped_in_words(tmp_path):
    done = papermill(
        "study/benchmark.ipynb", tmp_path, run_dir="bench", parts=["gpu"], device="cpu"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "SKIPPED: torch sees no GPU here" in (tmp_path / "out.ipynb").read_text()
    assert not (tmp_path / "bench" / "results" / "gpu_step.json").exists()
