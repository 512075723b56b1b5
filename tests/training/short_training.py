"""Run by test_processes.py under `accelerate launch`: a short training that ends in a given way.

    accelerate launch --multi_gpu --num_processes 2 tests/training/short_training.py FOLDER END

END is "whole"; "error", an exception in one process; or "signal", an interrupt of one process.
"""

import os
import signal
import sys

import torch.distributed as distributed

import reclf.training.loop
from reclf.pretrain import main

SETTINGS = {
    "model.image_size": 32,
    "train.max_steps": 4,
    "train.batch_size": 4,
    "train.val_studies": 4,
    "train.device": "cpu",
    "data.workers": 0,
    "data.counterfactuals": "{}",
}
FAIL_AT = 3  # the call of `batch_losses` during which the training ends early

real, calls = reclf.training.loop.batch_losses, []


def failing(*arguments):
    calls.append(1)
    losses = real(*arguments)
    if len(calls) == FAIL_AT and distributed.get_rank() == 1:
        if sys.argv[2] == "error":
            raise RuntimeError("this process was made to fail")
        os.kill(os.getpid(), signal.SIGINT)
    return losses


if __name__ == "__main__":
    if sys.argv[2] != "whole":
        reclf.training.loop.batch_losses = failing
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    main(["--run-dir", sys.argv[1], "--quiet", *settings])
