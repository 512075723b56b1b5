"""What tests of notebooks share: papermill as its users type it, and a run that never trained."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
from commands import run_command
from one_kernel import CommandError, shared_kernel

from reclf.datasets.selection import open_split
from reclf.pretrain import make_model, make_tokenizer
from reclf.runs.run import Run
from reclf.training.presets import make_config

HANGS = 600  # seconds; the longest takes a tenth of it on two busy cores
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def papermill(notebook, cwd, /, *options, executed="out.ipynb", **parameters):
    """Execute a notebook, by its name or any path, in the folder `cwd`, with parameters by `-p`.

    In the kernel that the tests share, which has imported the libraries.

    Returns:
        `returncode` and `stderr`, as of a process.
    """
    words = _words(notebook, executed, options, parameters)
    try:
        shared_kernel().papermill(words, {}, cwd)
    except CommandError as error:
        return subprocess.CompletedProcess(words, 1, stderr=str(error))
    return subprocess.CompletedProcess(words, 0, stderr="")


def papermill_process(notebook, cwd, /, *options, executed="out.ipynb", **parameters):
    """The same in processes of its own, as its users type it.

    As a module of this interpreter: the console script may belong to another environment.
    """
    words = _words(notebook, executed, options, parameters)
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *words]
    return run_command(command, HANGS, cwd=cwd)


def _words(notebook, executed, options, parameters):
    words = [str(NOTEBOOKS / notebook), str(executed), *options]
    for name, value in parameters.items():
        words += ["-p", name, value if isinstance(value, str) else json.dumps(value)]
    return words


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
