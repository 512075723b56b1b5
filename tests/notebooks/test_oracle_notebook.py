"""The oracle notebook by papermill, with a few steps."""

import json

import pytest
from notebook_runs import papermill

pytestmark = pytest.mark.slow


def test_it_leaves_a_line_for_each_truth(tmp_path):
    done = papermill("study/oracle.ipynb", tmp_path, steps=20, pairs=20, val_pairs=6)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = json.loads((tmp_path / "runs" / "oracle" / "oracle.json").read_text())["lines"]
    assert lines["words, SRM, true edges"]["relation_auroc"]["value"] == 1
    assert lines["words, mean"]["binding_accuracy"]["n"] == 6
    assert (tmp_path / "runs" / "oracle" / "oracle.png").exists()
