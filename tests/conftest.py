"""Shared small things: tiny towers, batches with uneven reports, and a guard against leaks.

Sizes differ along every axis (B 4, W 5, T 9, D 6, S 7), so that a swap of two axes is seen.
"""

import os
import random
import sys
from pathlib import Path

# Before transformers is imported: no test may wait for the network.
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import pytest
import torch
from small_towers import TOWERS

from reclf.config import ModelConfig, from_dict
from reclf.data.batch import Batch
from reclf.models.encoders import ImageFeatures, TextFeatures

# Libraries write these while they work; they are not a test's doing.
ENVIRONMENT_OF_LIBRARIES = (
    "PYTEST_",
    "ACCELERATE_",
    "CUDA_",
    "TORCH",
    "TRITON_",
    "KMP_",
    "MPL",
    "PYDEVD_",
)


@pytest.fixture
def towers():
    """transformers configurations of tiny towers by name: "resnet", "vit", "bert"."""
    return {name: dict(config) for name, config in TOWERS.items()}


@pytest.fixture
def tiny(towers):
    """Make a tiny ModelConfig: `tiny("vit", aggregator="srm")`; 64 pixels, a 4 x 4 grid."""

    def make(image="resnet", *, freeze=False, **settings) -> ModelConfig:
        return from_dict(
            ModelConfig,
            {
                "image_tower": {"config": towers[image], "freeze": freeze},
                "text_tower": {"config": towers["bert"], "freeze": freeze},
                "image_size": 64,
                "embed_dim": 6,
                "matching_dim": 7,
                "max_words": 5,
                "max_tokens": 12,
                **settings,
            },
        )

    return make


@pytest.fixture
def make_batch():
    """Make a batch by word counts; every second word has two pieces, padding holds odd tokens."""

    def make(counts=(3, 0, 5, 1), size=64, seed=0) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        rows = [[-1, *sorted([*range(n), *range(1, n, 2)]), -1] for n in counts]
        shape = (len(counts), max(len(row) for row in rows))
        batch = Batch(
            pixels=torch.rand(len(counts), 1, size, size, generator=generator),
            input_ids=torch.randint(3, 40, shape, generator=generator),
            attention_mask=torch.zeros(shape, dtype=torch.long),
            word_ids=torch.full(shape, -1),
            word_mask=torch.arange(max(1, *counts)) < torch.tensor(counts)[:, None],
            sentences=(torch.arange(max(1, *counts)) // 2).repeat(len(counts), 1),
            report_keys=torch.arange(len(counts)),
            word_counts=tuple(counts),
        )
        for i, row in enumerate(rows):
            batch.input_ids[i, 0], batch.input_ids[i, len(row) - 1] = 1, 2  # [CLS], [SEP]
            batch.attention_mask[i, : len(row)] = 1
            batch.word_ids[i, : len(row)] = torch.tensor(row)
        return batch

    return make


@pytest.fixture
def batch(make_batch):
    """Four studies whose reports have 3, 0, 5 and 1 words."""
    return make_batch()


def _settings() -> dict[str, object]:
    """Global state that no test may leave changed."""
    return {
        "environment": {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(ENVIRONMENT_OF_LIBRARIES)
        },
        "working directory": os.getcwd(),
        "torch grad mode": torch.is_grad_enabled(),
        "torch threads": torch.get_num_threads(),
        "torch default dtype": torch.get_default_dtype(),
        "torch default device": torch.get_default_device(),
        "torch deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        "open figures": _figures(),
    }


def _figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return pyplot.get_fignums() if pyplot else []


@pytest.fixture
def features(request):
    """Features in double precision of A images and of reports of COUNTS words, as the test's module
    has them; what is padding is as random as the rest."""
    a, r, d, counts = (getattr(request.module, name) for name in ("A", "R", "D", "COUNTS"))

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    mask = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    sentences = (torch.arange(max(counts)) // 2).repeat(len(counts), 1)
    images = ImageFeatures(draw(a, d), draw(a, r, d), draw(a, d), (1, r))
    words = draw(len(counts), d), draw(len(counts), max(counts), d)
    return images, TextFeatures(*words, mask, sentences)


@pytest.fixture(autouse=True)
def no_leaks():
    """Same random numbers for every test, given back afterwards; other global state may not change.

    Autouse fixtures end last, so what `monkeypatch` undoes is no leak.
    """
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    before = _settings()
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
    after = _settings()
    if "accelerate" in sys.modules:  # it keeps the first precision of a process for all
        sys.modules["accelerate"].state.AcceleratorState._reset_state(reset_partial_state=True)
    if _figures():
        sys.modules["matplotlib.pyplot"].close("all")
    leaks = [name for name in before if before[name] != after[name]]
    if leaks:
        _restore(before)
        changes = "; ".join(f"{name}: {_change(before[name], after[name])}" for name in leaks)
        pytest.fail(f"the test leaves global state changed: {changes}", pytrace=False)


def _change(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        names = [n for n in before.keys() | after.keys() if before.get(n) != after.get(n)]
        return ", ".join(sorted(names))
    return f"{before!r} -> {after!r}"


def _restore(before: dict[str, object]) -> None:
    """Give the next test a clean start."""
    environment = before["environment"]
    assert isinstance(environment, dict)
    for name in list(os.environ):
        if not name.startswith(ENVIRONMENT_OF_LIBRARIES) and name not in environment:
            del os.environ[name]
    os.environ.update(environment)
    os.chdir(str(before["working directory"]))
    torch.set_grad_enabled(bool(before["torch grad mode"]))
    torch.set_num_threads(int(str(before["torch threads"])))
    torch.set_default_dtype(before["torch default dtype"])
    torch.set_default_device(before["torch default device"])
    torch.use_deterministic_algorithms(bool(before["torch deterministic algorithms"]))


@pytest.fixture
def open_i():
    """The folder of Open-I, where the machine has it; named and not there, it is not skipped."""
    real_data = os.environ.get("RECLF_REAL_DATA")
    if not real_data:
        pytest.skip("needs Open-I: name the folder that holds open_i/ in RECLF_REAL_DATA")
    folder = Path(real_data) / "open_i"
    if not folder.is_dir():
        pytest.fail(f"RECLF_REAL_DATA names {real_data!r}, which holds no open_i/")
    return folder
