"""What tests of notebooks share: papermill as its users type it, and a run that never trained."""

import json
import subprocess
import sys
from pathlib import Path

from reclf.presets import make_config
from reclf.pretrain import make_model, make_tokenizer, open_split
from reclf.runs import Run

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def papermill(notebook, cwd, *options, out="out.ipynb", timeout=None, **parameters):
    """Execute a notebook, by its name or any path, in the folder `cwd`, with parameters by `-p`.

    As a module of this interpreter: the console script may belong to another environment.
    """
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", NOTEBOOKS / notebook, out]
    for name, value in parameters.items():
        options += ("-p", name, value if isinstance(value, str) else json.dumps(value))
    return subprocess.run(
        [*command, *options], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )


def untrained_run(folder, settings):
    """A run of the small preset on the phantom whose best checkpoint was never trained."""
    config = make_config("phantom_small", **settings)
    run = Run(folder, config)
    tokenizer = make_tokenizer(config, open_split(config, "train"))
    run.write_checkpoint("best", make_model(config.model, tokenizer, 0).save_pretrained)
    return run
