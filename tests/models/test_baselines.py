"""A model before training: untrained throughout, and as its run began."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from reclf.config import RunConfig, TowerConfig, TrainConfig
from reclf.config.foreign_files import DamagedFile
from reclf.models.baselines import new_model, start_of, untrained_like
from reclf.models.reclf import RECLF
from reclf.models.stored_model import write_model
from reclf.runs.run import START, Run

CONVOLUTION = "image_encoder.tower.encoder.stages.0.layers.0.layer.0.convolution.weight"


@pytest.fixture
def model(tiny):
    return new_model(tiny(), None, 3)


@pytest.fixture
def run_of(tmp_path):
    """Make the run of a model, by its seed and further settings of the training."""

    def make(model, seed, **settings):
        train = TrainConfig(seed=seed, **settings)
        config = RunConfig(model=model.config, train=train)
        return Run(tmp_path / f"run{seed}", config)

    return make


def equal(one, other):
    """Names of the weights, of more than one axis, that two models share."""
    mine, theirs = one.state_dict(), other.state_dict()
    assert {n: v.shape for n, v in mine.items()} == {n: v.shape for n, v in theirs.items()}
    return {name for name in mine if mine[name].ndim > 1 and torch.equal(mine[name], theirs[name])}


def test_an_untrained_model_has_the_shape_and_none_of_the_weights(model):
    state = torch.get_rng_state()
    untrained = untrained_like(model, 3)  # the seed that the model itself began with
    assert torch.equal(torch.get_rng_state(), state)
    assert not untrained.training
    assert equal(model, untrained) == set()
    assert equal(untrained, untrained_like(model, 3)) > {CONVOLUTION}
    assert equal(untrained, untrained_like(model, 4)) == set()


def test_pretrained_towers_are_in_the_start_and_not_in_the_untrained_model(model, run_of, tmp_path):
    model.export_image_tower(tmp_path / "tower")
    config = replace(model.config, image_tower=TowerConfig(name=str(tmp_path / "tower")))
    began = new_model(config, None, 5)
    trained = RECLF(config)
    trained.load_state_dict(began.state_dict())
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(1.0)
    start = start_of(trained, run_of(trained, 5))
    assert not start.training
    assert all(torch.equal(a, b) for a, b in zip(
        start.state_dict().values(), began.state_dict().values(), strict=True
    ))  # fmt: skip
    towers = {name for name in model.state_dict() if name.startswith("image_encoder.tower.")}
    assert equal(start, start_of(trained, run_of(trained, 6))) == equal(start, model) <= towers
    untrained = untrained_like(trained, 5)
    assert equal(untrained, start) == set()
    assert untrained.config.image_tower.name == ""
    (tmp_path / "tower").rename(tmp_path / "moved")
    with pytest.raises(OSError, match=r"cannot load the image tower .*no such folder"):
        start_of(trained, run_of(trained, 5))


def test_an_aligned_start_is_read_from_the_run_and_never_made_up(model, run_of):
    run = run_of(model, 5, aligned_start=8)
    with pytest.raises(FileNotFoundError, match=r"start is missing: .*aligned_start"):
        start_of(model, run)
    with torch.no_grad():
        model.image_encoder.project_whole.weight.fill_(0.5)
    run.write_checkpoint(START, partial(write_model, model))
    began = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model.image_encoder.project_whole.weight.fill_(0.7)
    found = start_of(model, run).state_dict()
    assert all(torch.equal(found[name], value) for name, value in began.items())
    with (run.start() / "model.safetensors").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(DamagedFile, match=r"100 bytes.*move checkpoints/start of the run aside"):
        start_of(model, run)
