"""The data check by papermill: its own made-up copy with faults, and a folder with options."""

import pandas as pd
import pytest
from notebook_runs import outputs_of, papermill

from reclf.datasets.tiny import draw_chest, write_image


def run(folder, **parameters):
    done = papermill("data_check.ipynb", folder, **parameters)
    assert done.returncode == 0, done.stderr[-3000:]
    outputs = outputs_of(folder / "out.ipynb")
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
    text, _ = run(tmp_path, data_root="data", options={"report_column": None})
    assert "is read as 'table'" in text
    assert "Problems" not in text
