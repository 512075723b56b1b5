"""Small models and studies for the task tests; made once, never changed."""

import pytest

from reclf.config import ModelConfig, from_dict
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.phantom import Phantom
from reclf.pretrain import make_model

SIZE = 64


def make_config(image="resnet", **settings) -> ModelConfig:
    """A tiny model that reads whole phantom reports: 64 pixels, a 4 x 4 grid."""
    towers = {
        "resnet": {
            "model_type": "resnet", "num_channels": 1, "embedding_size": 8,
            "hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1], "layer_type": "basic",
        },
        "vit": {
            "model_type": "vit", "num_channels": 1, "image_size": SIZE, "patch_size": 16,
            "hidden_size": 12, "num_hidden_layers": 5, "num_attention_heads": 3,
            "intermediate_size": 16,
        },
        "bert": {
            "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": 14, "max_position_embeddings": 160,
            "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
        },
    }  # fmt: skip
    return from_dict(
        ModelConfig,
        {
            "image_tower": {"config": towers[image]},
            "text_tower": {"config": towers["bert"]},
            "image_size": SIZE,
            "embed_dim": 6,
            "matching_dim": 7,
            "word_source": "last",
            **settings,
        },
    )


@pytest.fixture(scope="session")
def data():
    return Phantom(None, "train", SIZE, length=200)


@pytest.fixture(scope="session")
def studies(data):
    return [data[i] for i in range(24)]


@pytest.fixture(scope="session")
def tokenizer(studies):
    return train_tokenizer([study.report for study in studies], 300)


@pytest.fixture(scope="session")
def build(tokenizer):
    """Make a model in eval mode: `build("vit", aggregator="srm")`."""
    return lambda image="resnet", **settings: make_model(
        make_config(image, **settings), tokenizer, seed=1
    ).eval()


@pytest.fixture(scope="session")
def model(build):
    return build()
