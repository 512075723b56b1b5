"""Settings: what is refused and with which words, how text is read, and the way through JSON."""

import json
from dataclasses import replace
from typing import Any

import pytest

from reclf.config import (
    DataConfig,
    ModelConfig,
    RunConfig,
    TowerConfig,
    TrainConfig,
    from_dict,
    load_json,
    override,
    read_as,
    to_dict,
)
from reclf.runs.files import write_json
from reclf.training.presets import PRESETS, phantom_small


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name, tmp_path):
    config = PRESETS[name]()
    write_json(tmp_path / "config.json", to_dict(config))
    assert load_json(RunConfig, tmp_path / "config.json") == config
    assert json.loads((tmp_path / "config.json").read_text()) == to_dict(config)


def test_from_dict_reads_text_and_keeps_defaults():
    train = from_dict(TrainConfig, {"learning_rate": "1e-4", "batch_size": "8"})
    assert train == TrainConfig(learning_rate=1e-4, batch_size=8)


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("train.learning_rate", "1e-4", 1e-4),
        ("train.learning_rate", 1, 1.0),
        ("train.seed", "3", 3),
        ("train.seed", 3.0, 3),
        ("train.seed", 2**53 + 1, 2**53 + 1),
        ("train.identity_aware", "True", True),
        ("train.identity_aware", "false", False),
        ("train.identity_aware", False, False),
        ("data.root", "folder", "folder"),
        ("model.image_tower.revision", 1234, "1234"),
    ],
)
def test_values_are_read_as_the_type_of_the_setting(path, given, expected):
    config = override(phantom_small(), {path: given})
    for part in path.split("."):
        config = getattr(config, part)
    assert config == expected
    assert type(config) is type(expected)


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [
        ("train.learning_rate", "fast", r"train\.learning_rate must be float, got 'fast' \(str\)"),
        ("train.learning_rate", float("nan"), "must be float, got nan"),
        ("train.learning_rate", None, "must be float, got None"),
        ("train.learning_rate", True, r"must be float, got True \(bool\)"),
        ("train.seed", 2.5, "must be int, got 2.5"),
        ("train.seed", "inf", "must be int, got 'inf'"),
        ("train.seed", True, "must be int, got True"),
        ("train.identity_aware", 1, r"train\.identity_aware must be bool, got 1"),
        ("train.identity_aware", "yes", "must be bool, got 'yes'"),
        ("data.root", None, r"data\.root must be str, got None"),
        ("data.root", True, "must be str, got True"),
        (
            "data.options",
            "a",
            r"data\.options must be dict, got 'a' \(str\); as text .* JSON",
        ),
        ("data.options", [1], r"data\.options must be dict, got \[1\] \(list\)$"),
        ("model.text_tower", "bert", r"model\.text_tower must be TowerConfig, got 'bert'"),
    ],
)
def test_values_that_do_not_fit_are_refused(path, given, message):
    with pytest.raises(TypeError, match=message):
        override(phantom_small(), {path: given})


def test_a_command_line_gives_dicts_as_json_and_the_rest_as_before():
    given = {
        "model.aggregator_options": "{}",
        "model.text_tower": '{"name": "folder"}',
        "model.text_tower.freeze": "true",
        "model.image_tower.config.depths": "[2, 1, 1, 1]",
        "data.options": '{"on_problem": "skip"}',
        "data.options.length": "400",
        "data.options.report_column": "null",
        "data.options.manifest": "007.csv",
        "data.root": "[1]",
        "train.learning_rate": "1e-4",
    }
    config = override(phantom_small(), given, from_text=True)
    assert config.model.aggregator_options == {}
    assert config.model.text_tower == TowerConfig(name="folder", freeze=True)
    assert config.model.image_tower.config["depths"] == [2, 1, 1, 1]
    assert config.data.options == {
        "on_problem": "skip",
        "length": 400,
        "report_column": None,
        "manifest": "007.csv",
    }
    assert config.data.root == "[1]"
    assert config.train.learning_rate == 1e-4
    # From a notebook an entry is what it is there.
    assert override(phantom_small(), {"data.options.a": "1"}).data.options == {"a": "1"}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            dict[str, Any],
            r"""^a\.b must be dict, got '\{a: 1' \(str\); .* JSON like \{"name": 1\}$""",
        ),
        (list[int], r"^a\.b must be list, got '\{a: 1' \(str\); as text .* JSON like \[1, 2\]$"),
        (int, r"^a\.b must be int, got '\{a: 1' \(str\)$"),
    ],
)
def test_text_that_is_no_json_is_refused_with_what_was_expected(kind, message):
    with pytest.raises(TypeError, match=message):
        read_as("{a: 1", kind, "a.b")


TOWER = TowerConfig(name="folder")


MODEL = ModelConfig(TOWER, TOWER)


@pytest.mark.parametrize(
    ("config", "field", "value", "message"),
    [
        (MODEL, "image_size", 31, r"model\.image_size must be 32 to 4096, got 31"),
        (MODEL, "image_std", 0.0, r"model\.image_std must be positive, got 0\.0"),
        (MODEL, "region_stage", 0, r"model\.region_stage must be 1 to 4, got 0"),
        (MODEL, "region_stage", 5, r"model\.region_stage must be 1 to 4, got 5"),
        (MODEL, "image_pooling", "max", r"model\.image_pooling must be one of mean, attention, "),
        (
            MODEL,
            "word_source",
            "first",
            r"model\.word_source must be one of token, embedding, last",
        ),
        (MODEL, "attention", "dot", r"model\.attention must be one of cosine, words_then_regions"),
        (MODEL, "max_words", 0, r"model\.max_words must be positive"),
        (MODEL, "embed_dim", 0, r"model\.embed_dim must be positive"),
        (MODEL, "matching_dim", -1, r"model\.matching_dim must be positive, got -1"),
        (MODEL, "attention_scale", 0.0, r"model\.attention_scale must be positive"),
        (MODEL, "logit_scale", 0.0, r"model\.logit_scale must be positive"),
        (MODEL, "max_tokens", 2, r"model\.max_tokens must be at least 3, got 2"),
        (DataConfig(), "workers", -1, r"data\.workers must not be negative"),
        (DataConfig(), "counterfactuals_from", -1, r"counterfactuals_from must not be negative"),
        (DataConfig(), "swapped_reports", 0, r"data\.swapped_reports must be positive, got 0"),
        (DataConfig(), "vocab_size", 49, r"data\.vocab_size must be at least 50"),
        (
            DataConfig(),
            "counterfactuals",
            {"side": -0.1},
            r"counterfactuals\.side must be a share from 0",
        ),
        (
            DataConfig(),
            "counterfactuals",
            {"side": "half"},
            r"counterfactuals\.side must be a share .* 'half'",
        ),
        (
            DataConfig(),
            "counterfactuals",
            {"binding": 0.6, "side": 0.5},
            r"data\.counterfactuals must sum to 1 at most, got \{'binding': 0\.6",
        ),
        (
            TrainConfig(),
            "soft_targets",
            {"label": 0.3},
            r"a kind of train\.soft_targets must be one of labels, mesh, text, got 'label'",
        ),
        (
            TrainConfig(),
            "soft_targets",
            {"mesh": 0.7, "text": 0.4},
            r"train\.soft_targets must sum to 1 at most",
        ),
        (TrainConfig(), "max_minutes", 0.0, r"train\.max_minutes must be positive"),
        (TrainConfig(), "batch_size", 0, r"train\.batch_size must be positive"),
        (TrainConfig(), "batch_size", 1, r"train\.batch_size must be at least 2, got 1"),
        (TrainConfig(), "accumulate", 0, r"train\.accumulate must be positive"),
        (TrainConfig(), "learning_rate", 0.0, r"train\.learning_rate must be positive"),
        (TrainConfig(), "val_studies", 0, r"train\.val_studies must be positive"),
        (TrainConfig(), "max_steps", -1, r"train\.max_steps must not be negative"),
        (TrainConfig(), "pair_chunk", -1, r"train\.pair_chunk must not be negative"),
        (TrainConfig(), "warmup_steps", -1, r"train\.warmup_steps must not be negative"),
        (TrainConfig(), "clip_norm", -0.1, r"train\.clip_norm must not be negative"),
        (TrainConfig(), "weight_decay", -0.1, r"train\.weight_decay must not be negative"),
        (
            TrainConfig(),
            "precision",
            "bf32",
            r"train\.precision must be one of auto, no, bf16, fp16",
        ),
        (TrainConfig(), "device", "tpu", r"train\.device must be one of auto, cpu, cuda"),
    ],
)
def test_nonsense_is_refused_by_field_name(config, field, value, message):
    with pytest.raises(ValueError, match=message):
        replace(config, **{field: value})


def test_tower_needs_a_name_or_a_configuration():
    with pytest.raises(ValueError, match="a tower needs `name`"):
        TowerConfig()
    with pytest.raises(ValueError, match=r"config=\{'hidden_size': 3\}"):
        TowerConfig(config={"hidden_size": 3})
