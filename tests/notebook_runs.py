"""What tests of notebooks share: papermill as its users type it, and a run that never trained."""

import json
import sys
from pathlib import Path

import nbformat
from commands import run_command

from reclf.datasets.selection import open_split
from reclf.pretrain import make_model, make_tokenizer
from reclf.runs.run import Run
from reclf.training.presets import make_config

HANGS = 600  # seconds; the longest takes a tenth of it on two busy cores
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def papermill(notebook, cwd, /, *options, executed="out.ipynb", **parameters):
    """Execute a notebook, by its name or any path, in the folder `cwd`, with parameters by `-p`.

    As a module of this interpreter: the console script may belong to another environment.
    """
    command = [sys.executable, "-m", "papermill", "--no-progress-bar"]
    command += [NOTEBOOKS / notebook, executed, *options]
    for name, value in parameters.items():
        command += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
    return run_command(command, HANGS, cwd=cwd)


def outputs_of(path):
    """Outputs of all cells of an executed notebook, as nbformat has them."""
    cells = nbformat.read(path, as_version=4).cells
    return [output for cell in cells for output in cell.get("outputs", [])]


def untrained_run(folder, settings):
    """A run of the small preset on the phantom whose best checkpoint was never trained."""
    config = make_config("phantom_small", **settings)
    run = Run(folder, config)
    tokenizer = make_tokenizer(config, open_split(config, "train"))
    run.write_checkpoint("best", make_model(config.model, tokenizer, 0).save_pretrained)
    return run
