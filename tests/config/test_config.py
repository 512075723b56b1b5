"""Settings: what is refused and with which words, how text is read, and the way through JSON."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from commands import run_python

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
    save_json,
    to_dict,
)
from reclf.models.relations import make_aggregator
from reclf.training.presets import PRESETS, make_config, phantom_small, table_small


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name, tmp_path):
    config = PRESETS[name]()
    save_json(config, tmp_path / "config.json")
    assert load_json(RunConfig, tmp_path / "config.json") == config
    assert json.loads((tmp_path / "config.json").read_text()) == to_dict(config)


def test_from_dict_reads_text_and_keeps_defaults():
    train = from_dict(TrainConfig, {"learning_rate": "1e-4", "batch_size": "8"})
    assert train == TrainConfig(learning_rate=1e-4, batch_size=8)


def test_override_leaves_the_original_alone():
    config = phantom_small()
    changed = override(config, {"train.learning_rate": 3e-4, "model.image_tower.freeze": True})
    assert changed.train.learning_rate == 3e-4
    assert changed.model.image_tower.freeze is True
    assert config == phantom_small()
    assert override(changed, {"train.learning_rate": 1e-3, "model.image_tower.freeze": False}) == (
        config
    )


def test_override_reaches_into_dicts():
    config = override(
        phantom_small(),
        {
            "model.aggregator_options": {"steps": 1},
            "model.aggregator_options.composition": "sequential",
            "model.image_tower.config.depths": [2, 1, 1, 1],
            "data.options.a.b": 3,
        },
    )
    own = phantom_small().model.aggregator_options
    assert config.model.aggregator_options == own | {"steps": 1, "composition": "sequential"}
    assert config.model.image_tower.config["depths"] == [2, 1, 1, 1]
    assert config.model.image_tower.config["model_type"] == "resnet"
    assert config.data.options == {"a": {"b": 3}}


def test_override_replaces_a_whole_part():
    tower = {"name": "folder"}
    assert override(phantom_small(), {"model.text_tower": tower}).model.text_tower == TowerConfig(
        name="folder"
    )


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("train.learning_rat", ["did you mean 'train.learning_rate'?", "train.seed"]),
        ("model.image_tower.frozen", ["did you mean 'model.image_tower.freeze'?"]),
        ("trian.seed", ["did you mean 'train.seed'?", "model.image_size", "data.dataset"]),
        ("zzz", ["unknown setting 'zzz'. Valid settings: ", "train.seed"]),
    ],
)
def test_unknown_path_is_refused_with_what_is_there(path, words):
    with pytest.raises(ValueError, match="unknown setting") as error:
        override(phantom_small(), {path: 1})
    assert all(word in str(error.value) for word in [repr(path), *words])


OPTIONS = table_small().data.options  # {"on_problem": "refuse", "cache": "memory"}
FORMS = [
    {"data.options.length": 3, "data.options.on_problem": "skip"},
    {"data.options": {"length": 3}, "data.options.on_problem": "skip"},
    {"data.options.on_problem": "skip", "data.options": {"length": 3}},
    {"data": {"options": {"length": 3}}, "data.options": {"on_problem": "skip"}},
]


@pytest.mark.parametrize("given", FORMS)
def test_a_dict_merges_key_by_key_in_every_form_and_order(given):
    expected = OPTIONS | {"on_problem": "skip", "length": 3}
    assert override(table_small(), given).data.options == expected
    text = {path: json.dumps(value) for path, value in given.items()}
    text |= {path: value for path, value in given.items() if isinstance(value, str)}
    if "data" not in given:
        assert override(table_small(), text, from_text=True).data.options == expected


def test_a_dict_in_a_dict_merges_too():
    config = override(table_small(), {"data.options": {"uncertain": {"Edema": 1, "Mass": 0}}})
    for given in (
        {"data.options.uncertain.Edema": 0},
        {"data.options": {"uncertain": {"Edema": 0}}},
    ):
        changed = override(config, given).data.options
        assert changed == OPTIONS | {"uncertain": {"Edema": 0, "Mass": 0}}
    # What was text is replaced.
    config = override(table_small(), {"data.options.uncertain": "ones"})
    given = {"data.options.uncertain.Edema": 0}
    assert override(config, given).data.options["uncertain"] == {"Edema": 0}


def test_null_removes_a_key_that_is_there_and_is_a_value_where_none_is():
    for given in ({"data.options.cache": None}, {"data.options": {"cache": None}}):
        assert override(table_small(), given).data.options == {"on_problem": "refuse"}
    given = {"data.options.report_column": None}  # a manifest without reports
    config = override(table_small(), given)
    assert config.data.options == OPTIONS | {"report_column": None}
    assert override(config, given) == config
    for nothing in (None, {}):
        for given in ({"data.options": nothing}, {"data": {"options": nothing}}):
            assert override(table_small(), given).data.options == {}
            given = {"data.options.cache": "disk"} | given
            assert override(table_small(), given).data.options == {"cache": "disk"}
    for given in ({"train.seed": None}, {"train": {"seed": None}}):
        with pytest.raises(TypeError, match=r"train\.seed must be int, got None"):
            override(table_small(), given)


@pytest.mark.parametrize(
    "given",
    [
        {"data.options.a": 1, "data.options": {"a": 2}},
        {"data.options": {"a": {"b": 2}}, "data.options.a": 1},
        {"data.options": {"a": 2}, "data": {"options": {"a": None}}},
    ],
)
def test_one_setting_given_twice_is_refused_unless_it_is_the_same(given):
    with pytest.raises(ValueError, match=r"data\.options\.a is given twice, as .* and as .*once"):
        override(phantom_small(), given)
    same = {"data.options.a": 1, "data.options": {"a": 1}}
    assert override(phantom_small(), same).data.options == {"a": 1}


def test_a_tower_of_another_kind_starts_afresh():
    own = phantom_small().model.image_tower.config
    vit = {"model_type": "vit", "hidden_size": 8}
    for given in (
        {"model.image_tower.config": vit},
        {"model.image_tower.config.hidden_size": 8, "model.image_tower.config.model_type": "vit"},
        {"model.image_tower": {"config": vit}},
    ):
        assert override(phantom_small(), given).model.image_tower.config == vit
    given = {"model.image_tower.config": {"model_type": "resnet", "embedding_size": 8}}
    assert override(phantom_small(), given).model.image_tower.config == own | {"embedding_size": 8}
    named = override(phantom_small(), {"model.image_tower.name": "folder"})
    assert named.model.image_tower == TowerConfig(name="folder")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("train.batchsize", "train.batch_size"),
        ("model.image_tower.nam", "model.image_tower.name"),
        ("model.text_towr.config.depths", "model.text_tower.config.depths"),
        ("batch_size", "train.batch_size"),
        ("batchsize", "train.batch_size"),
        ("train.image_size", "model.image_size"),
        ("trian.sed", "train.seed"),
        ("steps", "train.max_steps"),
    ],
)
def test_the_setting_suggested_is_the_nearest_of_the_group(given, meant):
    with pytest.raises(ValueError, match=rf"{given!r}; did you mean {meant!r}\? Valid"):
        override(phantom_small(), {given: 1})


def test_a_misspelt_setting_in_a_dict_is_named_with_its_group():
    with pytest.raises(ValueError, match=r"'train\.batchsize'; did you mean 'train\.batch_size'"):
        override(phantom_small(), {"train": {"batchsize": 8}})


def test_another_tower_comes_without_the_revision_and_a_folder_has_none(tmp_path):
    own = make_config("mimic_resnet50").model
    assert own.text_tower.revision
    tower = make_config(
        "mimic_resnet50", **{"model.text_tower.name": "other/bert"}
    ).model.text_tower
    assert tower == TowerConfig(name="other/bert")
    given = {"model.text_tower": {"name": "other/bert", "revision": "v2"}}
    model = make_config("mimic_resnet50", **given).model
    assert model.text_tower == TowerConfig(name="other/bert", revision="v2")
    assert model.image_tower == own.image_tower
    folder = {"model.text_tower.name": str(tmp_path), "model.text_tower.revision": "v2"}
    assert make_config("mimic_resnet50", **folder).model.text_tower.revision == ""


def test_path_below_a_number_is_refused():
    with pytest.raises(ValueError, match=r"train\.seed has no parts"):
        override(phantom_small(), {"train.seed.more": 1})


def test_unknown_preset_lists_presets():
    with pytest.raises(
        ValueError,
        match=r"'phantom' \(did you mean 'phantom_small'\?\); presets: phantom_small, table_small",
    ):
        make_config("phantom")


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
        (MODEL, "image_size", 31, r"model\.image_size must be at least 32, got 31"),
        (MODEL, "image_std", 0.0, r"model\.image_std must be positive, got 0\.0"),
        (MODEL, "region_stage", 0, r"model\.region_stage must be 1 to 4, got 0"),
        (MODEL, "region_stage", 5, r"model\.region_stage must be 1 to 4, got 5"),
        (MODEL, "image_pooling", "max", r"model\.image_pooling must be one of mean, attention"),
        (MODEL, "word_source", "first", r"model\.word_source must be one of embedding, last, last"),
        (MODEL, "attention", "dot", r"model\.attention must be one of cosine, words_then_regions"),
        (MODEL, "max_words", 0, r"model\.max_words must be positive"),
        (MODEL, "embed_dim", 0, r"model\.embed_dim must be positive"),
        (MODEL, "matching_dim", -1, r"model\.matching_dim must be positive, got -1"),
        (MODEL, "attention_scale", 0.0, r"model\.attention_scale must be positive"),
        (MODEL, "logit_scale", 0.0, r"model\.logit_scale must be positive"),
        (MODEL, "max_tokens", 2, r"model\.max_tokens must be at least 3, got 2"),
        (DataConfig(), "workers", -1, r"data\.workers must not be negative"),
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


def test_another_data_set_comes_without_the_counterfactuals_of_the_preset():
    own = make_config("phantom_small").data.counterfactuals
    assert own
    assert make_config("phantom_small", **{"data.dataset": "phantom"}).data.counterfactuals == own
    assert make_config("phantom_small", **{"data.dataset": "table"}).data.counterfactuals == {}
    mine = {"data.dataset": "mine:Data", "data.counterfactuals": {"side": 0.1}}
    assert make_config("phantom_small", **mine).data.counterfactuals == {"side": 0.1}
    given = {"data.dataset": "table", "data.counterfactuals": '{"side": 0.1}'}
    assert make_config("table_small", from_text=True, **given).data.counterfactuals == {"side": 0.1}


def test_another_data_set_comes_with_the_options_that_it_takes(monkeypatch):
    monkeypatch.setitem(sys.modules, "mine", SimpleNamespace(Data=lambda root, cache: None))
    assert make_config("table_small", **{"data.dataset": "nih"}).data.options == OPTIONS
    given = {"data.dataset": "mine:Data", "data.options": {"size": 3}}
    assert make_config("table_small", **given).data.options == {"cache": "memory", "size": 3}
    with pytest.raises(ValueError, match="unknown data set 'nhi'"):
        make_config("table_small", **{"data.dataset": "nhi"})


def test_another_aggregator_comes_with_the_options_that_it_takes():
    own = make_config("phantom_small").model.aggregator_options
    assert "importance_loss" in own
    srm = {name: value for name, value in own.items() if name != "importance_loss"}
    for name, kept in (("reclf", own), ("srm", srm), ("mean", {})):
        config = make_config("phantom_small", **{"model.aggregator": name})
        assert config.model.aggregator_options == kept
        make_aggregator(name, 8, kept)
    mine = {"model.aggregator": "srm", "model.aggregator_options.steps": 3}
    assert make_config("phantom_small", **mine).model.aggregator_options == srm | {"steps": 3}
    whole = {"model.aggregator": "srm", "model.aggregator_options": '{"steps": 4}'}
    config = make_config("phantom_small", from_text=True, **whole)
    assert config.model.aggregator_options == srm | {"steps": 4}
    with pytest.raises(ValueError, match=r"model\.aggregator must be one of reclf, srm"):
        make_config("phantom_small", **{"model.aggregator": "sgraf"})
    with pytest.raises(ValueError, match=r"model\.aggregator"):
        make_config("phantom_small", **{"model.aggregator": 3})


def test_tower_needs_a_name_or_a_configuration():
    with pytest.raises(ValueError, match="a tower needs `name`"):
        TowerConfig()
    with pytest.raises(ValueError, match=r"config=\{'hidden_size': 3\}"):
        TowerConfig(config={"hidden_size": 3})


def test_import_is_light():
    code = (
        "import sys, reclf, reclf.config, reclf.runs.run, reclf.models.reclf\n"
        "heavy = 'IPython ipywidgets matplotlib plotly captum papermill'.split()\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


def test_settings_of_version_0_1_are_read_by_their_present_names():
    old = to_dict(make_config("phantom_small"))
    old["data"]["twins"] = old["data"].pop("counterfactuals")
    old["model"]["aggregator"] = "reclf.variants:UniformSRM"
    old["model"]["aggregator_options"] = {"include_whole": True, "read_out": "whole", "steps": 3}
    found = from_dict(RunConfig, old)
    assert found.data.counterfactuals == {"binding": 0.25}
    assert found.model.aggregator == "reclf_study.variants:UniformSRM"
    options = {"include_global": True, "read_out": "global", "steps": 3}
    assert found.model.aggregator_options == options
    assert from_dict(ModelConfig, old["model"]) == found.model
