"""Trainings on frozen towers: what a tower made of a study is kept."""

import pytest
import torch
from squares import run_training

from reclf.config import override
from reclf.models.encoders import ImageEncoder
from reclf.models.reclf import RECLF
from reclf.runs.run import Run
from reclf.training import step


def towers_seen(monkeypatch):
    """How many studies went through image towers from now on."""
    seen, real = [], ImageEncoder._run_tower

    def count(self, pixels):
        seen.append(len(pixels))
        return real(self, pixels)

    monkeypatch.setattr(ImageEncoder, "_run_tower", count)
    return seen


def test_a_study_goes_through_a_frozen_tower_once(tmp_path, frozen, studies, monkeypatch):
    seen = towers_seen(monkeypatch)
    longer = override(frozen, {"train.max_steps": 20, "train.evaluate_every": 10})
    _, model = run_training(tmp_path / "run", longer, studies)
    assert sum(seen) <= len(studies)  # the studies of validation are among them
    assert model.image_encoder.memo is None
    seen.clear()
    run_training(tmp_path / "changed", override(frozen, {"data.augment": True}), studies)
    assert sum(seen) > 4 * 4  # an augmented image is another one each time
    seen.clear()
    run_training(tmp_path / "off", override(frozen, {"train.memo_gb": 0.0}), studies)
    assert sum(seen) > 4 * 4


def test_a_run_that_goes_on_with_an_empty_memo_ends_the_same(
    tmp_path, frozen, studies, monkeypatch
):
    frozen = override(frozen, {"train.checkpoint_minutes": 1e-9})  # after every step
    _, whole = run_training(tmp_path / "whole", frozen, studies)
    calls, real = [], step.batch_losses

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise OSError("the power went")
        return real(*arguments)

    monkeypatch.setattr(step, "batch_losses", failing)
    with pytest.raises(OSError, match="the power went"):
        run_training(tmp_path / "parts", frozen, studies)
    begun = RECLF.from_pretrained(Run(tmp_path / "parts").checkpoint("last"))
    _, resumed = run_training(tmp_path / "parts", frozen, studies, begun)
    expected = whole.state_dict()
    for name, value in resumed.state_dict().items():
        assert torch.equal(value, expected[name]), name
