"""A training of a second on the phantom that saves after every step and validates twice."""

import warnings
from unittest.mock import patch

from accelerate.state import AcceleratorState
from safetensors.torch import load_file

import reclf.pretrain
from reclf.runs.run import Run

STEPS = 6
REPORTS = 40  # that the tokenizer is made of; with 2,000 it takes half of the time
SETTINGS = {
    "model.image_size": 32,
    "model.embed_dim": 8,
    "model.matching_dim": 8,
    "model.image_tower.config.embedding_size": 4,
    "model.image_tower.config.hidden_sizes": [4, 4, 8, 8],
    "model.text_tower.config.hidden_size": 16,
    "model.text_tower.config.intermediate_size": 16,
    "train.batch_size": 4,
    "train.max_steps": STEPS,
    "train.evaluate_every": 3,
    "train.val_studies": 4,
    "train.checkpoint_minutes": 0,
    "train.device": "cpu",
    "train.precision": "no",
    "data.workers": 0,
    "data.vocab_size": 80,
    "data.counterfactuals": {},
}


def train(folder, **settings):
    """Train, or go on; returns the run."""
    AcceleratorState._reset_state(reset_partial_state=True)
    run = reclf.pretrain.open_run(folder, {**SETTINGS, **settings}, "phantom_small")
    with warnings.catch_warnings(), patch("reclf.pretrain.TOKENIZER_REPORTS", REPORTS):
        warnings.filterwarnings("ignore", message="the run goes on at step")
        reclf.pretrain.pretrain(run, progress_bar=False)
    return run


def weights(folder, name="last"):
    """Name -> bytes of a checkpoint's weights."""
    there = load_file(Run(folder).checkpoint(name) / "model.safetensors")
    return {key: value.numpy().tobytes() for key, value in there.items()}
