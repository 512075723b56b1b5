"""The benchmark by papermill on tiny sizes: every bar has its number, and parts can be chosen."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reclf.benchmarks.bars import BARS

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "benchmark.ipynb"

pytestmark = pytest.mark.slow


def papermill(*arguments, cwd):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOK, "out.ipynb"]
    return subprocess.run([*command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True)


def test_every_bar_is_measured(tmp_path):
    done = papermill("-p", "run_dir", "bench", "-p", "small", True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    measured = json.loads((tmp_path / "bench" / "results" / "benchmark.json").read_text())
    assert all(isinstance(value, float) for value in measured.values())
    assert {bar.name for bar in BARS} <= measured.keys()
    assert (tmp_path / "bench" / "figures" / "benchmark.png").stat().st_size > 5000
    machine = json.loads((tmp_path / "bench" / "environment.json").read_text())
    assert machine["threads"] == 1
    assert "torch" in machine["packages"]


def test_an_unknown_part_is_refused(tmp_path):
    done = papermill("-p", "parts", '["scores", "speed"]', cwd=tmp_path)
    assert done.returncode != 0
    assert "parts must be some of ['scores', 'memory', 'shortlist', 'step', 'data']" in done.stderr
