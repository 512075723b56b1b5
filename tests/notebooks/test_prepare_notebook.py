"""Preparing by papermill, twice: the second time there is nothing left to do."""

import subprocess
import sys
from pathlib import Path

import pytest

from reclf.datasets import rsna
from reclf.datasets.base import load_dataset

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "prepare.ipynb"


@pytest.mark.slow
def test_a_copy_is_made_and_found_again(tmp_path):
    rsna.write_tiny(tmp_path / "raw")
    parameters = {
        "dataset": "rsna",
        "data_root": "raw",
        "prepared_root": "copy",
        "image_size": "32",
        "processes": "1",
    }
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOK, "out.ipynb"]
    command += [word for name, value in parameters.items() for word in ("-p", name, value)]
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
    data = load_dataset("prepared", tmp_path / "copy", "train", 32, source=tmp_path / "raw")
    assert len(data) == 20
    assert data[0].masks["Pneumonia"].any()
    command[command.index("32")] = "48"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "is a prepared copy with image_size 32, and not 48" in done.stderr
