"""The data check by papermill: its own made-up copy with faults, and a folder with options."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from reclf.datasets.tiny import draw_chest, write_image

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "data_check.ipynb"


def run(folder, *parameters):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOK, "out.ipynb"]
    done = subprocess.run([*command, *parameters], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(folder / "out.ipynb", as_version=4)
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    pictures = sum("image/png" in out.get("data", {}) for out in outputs)
    texts = [out.get("text") or out.get("data", {}).get("text/plain", "") for out in outputs]
    return "\n".join(texts), pictures


@pytest.mark.slow
def test_the_planted_faults_are_shown(tmp_path):
    text, pictures = run(tmp_path)
    assert "is read as 'mimic_cxr'" in text
    for problem in ("missing image", "unreadable image", "same image in two splits"):
        assert problem in text
    assert pictures == 1


@pytest.mark.slow
def test_a_folder_with_options(tmp_path):
    write_image(tmp_path / "data/a.png", draw_chest(1))
    table = pd.DataFrame([{"image": "a.png", "patient_id": "1", "split": "train"}])
    table.to_csv(tmp_path / "data/manifest.csv", index=False)
    options = json.dumps({"report_column": None})
    text, _ = run(tmp_path, "-p", "data_root", "data", "-p", "options", options)
    assert "is read as 'table'" in text
    assert "Problems" not in text
