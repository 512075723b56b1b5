"""Settings and studies of the trainings of this folder's tests."""

import pytest
from squares import Squares

from reclf.config import DataConfig, RunConfig, TrainConfig, override


@pytest.fixture
def config(tiny):
    return RunConfig(
        model=tiny(aggregator_options={"importance_loss": 0.5}),
        data=DataConfig(),
        train=TrainConfig(
            max_steps=8, batch_size=4, warmup_steps=2, evaluate_every=4, learning_rate=3e-3, seed=3
        ),
    )


@pytest.fixture
def frozen(config):
    """Four steps on frozen towers, which may keep what they made of a study."""
    settings = {
        "model.image_tower.freeze": True,
        "model.text_tower.freeze": True,
        "data.augment": False,
        "train.max_steps": 4,
        "train.evaluate_every": 4,
    }
    return override(config, settings)


@pytest.fixture
def studies():
    return Squares()
