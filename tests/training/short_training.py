"""A short training that ends in a given way: for test_processes.py and many_launches.py.

    accelerate launch --multi_gpu --num_processes 2 tests/training/short_training.py FOLDER END

END is "whole"; "error", an exception in one process; or "signal", an interrupt of one process.
"""

import os
import signal
import sys

import torch.distributed as distributed

import reclf.pretrain
import reclf.training.step

SETTINGS = {
    "model.image_size": 32,
    "model.image_tower.config.embedding_size": 4,
    "model.image_tower.config.hidden_sizes": "[4, 4, 8, 8]",
    "model.text_tower.config.hidden_size": 16,
    "model.text_tower.config.intermediate_size": 16,
    "data.vocab_size": 80,
    "train.max_steps": 4,
    "train.batch_size": 4,
    "train.val_studies": 4,
    "train.device": "cpu",
    "data.workers": 0,
    "data.counterfactuals": "{}",
}
FAIL_AT = 3  # the call of `batch_losses` during which the training ends early

real, calls = reclf.training.step.batch_losses, []


def failing(*arguments):
    calls.append(1)
    losses = real(*arguments)
    if len(calls) == FAIL_AT and distributed.get_rank() == 1:
        if sys.argv[2] == "error":
            raise RuntimeError("this process was made to fail")
        os.kill(os.getpid(), signal.SIGINT)
    return losses


def start():
    """Train as the command line says."""
    if sys.argv[2] != "whole":
        reclf.training.step.batch_losses = failing
    reclf.pretrain.TOKENIZER_REPORTS = 40
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    reclf.pretrain.main(["--run-dir", sys.argv[1], "--quiet", *settings])


if __name__ == "__main__":
    start()
