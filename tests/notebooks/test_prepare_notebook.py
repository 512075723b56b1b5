"""Preparing by papermill, twice: the second time there is nothing left to do."""

import pytest
from notebook_runs import papermill

from reclf.datasets import rsna
from reclf.datasets.registry import load_dataset


@pytest.mark.slow
def test_a_copy_is_made_and_found_again(tmp_path):
    rsna.write_tiny(tmp_path / "raw")
    parameters = {
        "dataset": "rsna",
        "data_root": "raw",
        "prepared_root": "copy",
        "image_size": 32,
        "processes": 1,
    }
    for _ in range(2):
        done = papermill("prepare.ipynb", tmp_path, **parameters)
        assert done.returncode == 0, done.stderr[-3000:]
    data = load_dataset("prepared", tmp_path / "copy", "train", 32, source=tmp_path / "raw")
    assert len(data) == 12
    assert data[0].masks["Pneumonia"].any()
    done = papermill("prepare.ipynb", tmp_path, **(parameters | {"image_size": 48}))
    assert done.returncode != 0
    assert "is a prepared copy with image_size 32, and not 48" in done.stderr
