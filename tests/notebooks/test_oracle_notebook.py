"""The oracle notebook by papermill, with a few steps."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "oracle.ipynb"

pytestmark = pytest.mark.slow


def test_it_leaves_a_line_for_each_truth(tmp_path):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOK, "out.ipynb"]
    few = ["-p", "steps", "4", "-p", "pairs", "20", "-p", "val_pairs", "6"]
    done = subprocess.run([*command, *few], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = json.loads((tmp_path / "runs" / "oracle" / "oracle.json").read_text())["lines"]
    assert lines["words, SRM, true edges"]["relation_auroc"]["value"] == 1
    assert lines["words, mean"]["binding_accuracy"]["n"] == 6
    assert (tmp_path / "runs" / "oracle" / "oracle.png").exists()
