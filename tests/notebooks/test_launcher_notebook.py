"""The `notebook_launcher` cell of docs/training.md: two CPU processes, forked from a kernel."""

import json
import math
import re
import socket
from pathlib import Path

import nbformat
import pytest
from notebook_runs import papermill_process

from reclf.runs.run import Run
from reclf_widgets import TrainingMonitor

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
LAUNCH = "notebook_launcher(main, args=(arguments,), num_processes=2"


def cell_of_the_page():
    cells = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (cell,) = [cell for cell in cells if LAUNCH in cell]
    return cell


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.slow
def test_the_cell_of_the_page_trains_on_two_processes(tmp_path):
    cell = cell_of_the_page().replace(LAUNCH, f'{LAUNCH}, use_port="{free_port()}"')
    # A kernel that has computed with threads is forked all the same.
    used = "import torch; print(torch.rand(10**6).exp().sum())"
    cells = [nbformat.v4.new_code_cell(source) for source in (used, cell)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
    nbformat.write(notebook, tmp_path / "in.ipynb")
    done = papermill_process(tmp_path / "in.ipynb", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "message from fork" not in done.stderr  # a bar that nobody can see
    run = Run(tmp_path / "runs" / "two")
    assert run.status["state"] == "trained"
    assert run.status["studies"] == 20 * 8 * 2
    assert json.loads((run.folder / "environment.json").read_text())["processes"] == 2
    losses = TrainingMonitor(run.folder).charts[0]
    assert losses["guide"]["y"] == pytest.approx(math.log(16))
    # Twenty steps into the warm-up, and the negatives of both processes are in the loss.
    for line in losses["lines"]:
        assert line["y"][0] == pytest.approx(math.log(16), abs=0.4)
