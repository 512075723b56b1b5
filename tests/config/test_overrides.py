"""Overrides: how settings merge, which are refused with which suggestion; presets."""

import json
import sys
from types import SimpleNamespace

import pytest

from reclf.config import (
    ModelConfig,
    RunConfig,
    TowerConfig,
    from_dict,
    override,
    to_dict,
)
from reclf.models.relations import make_aggregator
from reclf.training.presets import derive, make_config, phantom_small, table_small

OPTIONS = table_small().data.options  # {"on_problem": "refuse", "cache": "memory"}


FORMS = [
    {"data.options.length": 3, "data.options.on_problem": "skip"},
    {"data.options": {"length": 3}, "data.options.on_problem": "skip"},
    {"data.options.on_problem": "skip", "data.options": {"length": 3}},
    {"data": {"options": {"length": 3}}, "data.options": {"on_problem": "skip"}},
]


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
    srm = make_config("phantom_small").model.aggregator_options
    base = override(phantom_small(), {"model.aggregator_options.importance_loss": 0.2})
    for name, kept in (("reclf", srm | {"importance_loss": 0.2}), ("srm", srm), ("mean", {})):
        config = derive(base, {"model.aggregator": name})
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


@pytest.mark.parametrize(("old", "new"), [(True, ["tensorboard"]), (False, [])])
def test_tensorboard_of_version_0_1_is_a_tracker(old, new):
    values = to_dict(make_config("phantom_small"))
    values["train"]["tensorboard"] = old
    del values["train"]["trackers"]
    assert from_dict(RunConfig, values).train.trackers == new
    text = {"train.tensorboard": str(old).lower()}
    for given, from_text in (({"train.tensorboard": old}, False), (text, True)):
        assert make_config(from_text=from_text, **given).train.trackers == new
    with pytest.raises(TypeError, match=r"train\.tensorboard must be bool, got 'maybe'"):
        make_config(**{"train.tensorboard": "maybe"})
