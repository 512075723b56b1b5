"""A model before training: as a run starts, and untrained throughout.

    settings, seed --> new_model: what a run begins with, before an aligned start
    trained model, its run --> start_of: pretrained towers as they were loaded, the rest as new;
                               with an aligned start: the checkpoint "start" of the run
    trained model --> untrained_like: nothing pretrained

What a number says of the training is seen beside the start, what of the architecture beside the
untrained model; from scratch the two differ by their seed alone.
"""

from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerBase

from reclf.config import ModelConfig, TowerConfig
from reclf.runs.run import Run

from .reclf import RECLF
from .towers import build_tower

UNTRAINED_SEED = 10_007  # added to the seed: not the weights that a run of that seed begins with


def new_model(
    config: ModelConfig,
    tokenizer: PreTrainedTokenizerBase | None,
    seed: int,
    like: RECLF | None = None,
) -> RECLF:
    """A model whose new weights follow from the seed, and which leaves torch's own seed alone.

    Args:
        like: a model whose code is taken, so that none is imported by its name.

    Raises:
        OSError: a pretrained tower cannot be had, see `find_tower`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if like is None:
            return RECLF(config, tokenizer)
        function = like.code["image_tower"]
        image_tower = build_tower(config.image_tower, "image", config.region_stage, function)
        return RECLF(config, tokenizer, image_tower, aggregator=like.code["aggregator"])


def start_of(model: RECLF, run: Run) -> RECLF:
    """What the run of a model began with, in eval mode on the same device.

    An aligned start depends on the training studies, so a run keeps it; other starts follow from
    the seed.

    Raises:
        OSError: a pretrained tower cannot be had any more, see `find_tower`; or the run had an
            aligned start and did not keep it, see `Run.start`.
    """
    if not run.config.train.aligned_start:
        seed = run.config.train.seed
        return new_model(model.config, model.tokenizer, seed, model).to(model.device).eval()
    return RECLF.from_pretrained(run.start(), model.device, **model.code)


def untrained_like(model: RECLF, seed: int) -> RECLF:
    """An untrained model of the same shape, in eval mode on the same device.

    Pretrained towers are replaced by untrained ones too: the row asks what the architecture alone
    gives.
    """
    config = replace(
        model.config,
        image_tower=TowerConfig(config=model.image_encoder.tower.config.to_dict()),
        text_tower=TowerConfig(config=model.text_encoder.tower.config.to_dict()),
    )
    made = new_model(config, model.tokenizer, seed + UNTRAINED_SEED, model)
    return made.to(model.device).eval()
