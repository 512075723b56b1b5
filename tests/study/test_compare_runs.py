"""Comparison of runs: what is shown, and what is refused for which reason."""

import json

import pytest

from reclf.runs.run import Run
from reclf.stats.estimate import Estimate
from reclf.training.presets import make_config
from reclf_study.compare_runs import (
    Comparison,
    disagreements,
    find_runs,
    groups,
    headlines,
    numbers_of,
    read_results,
)

PROTOCOL = {
    "split_hash": "abc", "image_size": 96, "prompts": {"edema": ["There is edema."]},
    "checkpoint_step": 5, "checkpoint_hash": "x", "trained_on": "phantom",
}  # fmt: skip


def make_run(folder, name, results, **settings):
    run = Run(folder / name, make_config("phantom_small", **settings))
    for file, values in results.items():
        run.write_result(file, values)
    return run


def zero_shot(value, **choices):
    return {"value": value, "interval": [value - 0.1, value + 0.1], "protocol": PROTOCOL | choices}


@pytest.fixture
def two(tmp_path):
    one = {"zero_shot-phantom": zero_shot(0.6), "pretrain": {"recall_at_5": 0.5, "n_gallery": 300}}
    other = {"zero_shot-phantom": zero_shot(0.7, checkpoint_step=9, checkpoint_hash="y")}
    return [
        make_run(tmp_path, "one", one, **{"model.aggregator_options.importance_loss": 0.5}),
        make_run(tmp_path, "other", other, **{"model.aggregator": "srm", "train.seed": 3}),
    ]


def test_shared_results_stand_side_by_side(two):
    compared = Comparison.of(two)
    assert compared.table("zero_shot-phantom") == {
        "one": {"value": ".600 [.500, .700]"},
        "other": {"value": ".700 [.600, .800]"},
    }
    assert compared.table("pretrain") == {"one": {"recall_at_5": ".500", "n_gallery": "300.000"}}
    two[1].write_result("pretrain", {"recall_at_1": 0.5})
    wider = Comparison.of(two, allow=["gallery"]).table("pretrain")
    assert wider["other"] == {"recall_at_5": "-", "n_gallery": "-", "recall_at_1": ".500"}
    (two[1].folder / "results" / "pretrain.json").unlink()
    assert compared.settings == {
        "model.aggregator": {"one": "reclf", "other": "srm"},
        "model.aggregator_options.importance_loss": {"one": 0.5, "other": "not stated"},
        "train.seed": {"one": 0, "other": 3},
    }
    assert json.dumps(compared.result(), allow_nan=False)
    entry = compared.result()["results"]["zero_shot-phantom"]["value"]["other"]
    assert entry == {"value": 0.7, "interval": [0.6, pytest.approx(0.8)]}


@pytest.mark.parametrize(
    ("choice", "value", "said"),
    [
        ("split_hash", "abd", "split_hash is 'abc' in one and 'abd' in other"),
        ("image_size", 224, "image_size is 96 in one and 224 in other"),
        ("pooling", "max", "pooling is not stated in one and 'max' in other"),
        ("prompts", {"edema": ["Edema."]}, "prompts.edema is"),
    ],
)
def test_another_choice_is_another_table_and_said_by_name(two, choice, value, said):
    two[1].write_result("zero_shot-phantom", zero_shot(0.7, **{choice: value}))
    compared = Comparison.of(two)
    assert [list(compared.numbers[name]) for name in compared.numbers] == [
        ["one"], ["one"], ["other"],
    ]  # fmt: skip
    assert list(compared.numbers) == ["pretrain", "zero_shot-phantom", "zero_shot-phantom (2)"]
    (difference,) = compared.apart["zero_shot-phantom (2)"]
    assert difference.startswith(f"zero_shot-phantom: {said}")
    assert compared.result()["apart"] == compared.apart
    assert compared.result()["results"]["zero_shot-phantom (2)"]["value"].keys() == {"other"}
    assert Comparison.of(two, allow=[choice]).apart == {}
    assert Comparison.of(two, patterns=["pretrain"]).apart == {}


def test_the_largest_group_has_the_first_table():
    protocols = {"a": {"k": 1}, "b": {"k": 2}, "c": {}, "d": {"k": 2, "n": None}, "e": {"k": 2}}
    assert groups(protocols) == [["b", "e"], ["a"], ["c"], ["d"]]
    assert groups(protocols, ["k", "n"]) == [list("abcde")]
    assert groups(protocols, ["n"]) == [["b", "d", "e"], ["a"], ["c"]]


def test_three_runs_are_named_by_value():
    protocols = {"a": {"k": 1}, "b": {"k": 2}, "c": {"k": 1}}
    assert disagreements("f", protocols) == ["f: k is 1 in a, c and 2 in b"]


def test_a_file_without_a_protocol_is_held_to_its_runs_settings(tmp_path):
    runs = [
        make_run(tmp_path, name, {"pretrain": {"recall_at_5": 0.5}}, **{"model.image_size": size})
        for name, size in (("small", 96), ("large", 128))
    ]
    (difference,) = Comparison.of(runs).apart["pretrain (2)"]
    assert difference == "pretrain: image_size is 96 in small and 128 in large"


def test_numbers_are_found_wherever_they_are():
    found = numbers_of(
        {
            "value": 0.5, "interval": [0.4, 0.6], "chance": 0.1, "n": 30, "metric": "dice",
            "recall_at_5": 0.8, "recall_at_5_interval": [0.7, 0.9],
            "binding": {"value": 0.51, "interval": [0.5, 0.52], "random": 0.5},
            "missing": {"value": None, "interval": None},
            "deep": {"er": {"value": 0.2}},
            "protocol": {"threshold": {"value": 0.5}},
            "done": True,
        }
    )  # fmt: skip
    assert found == {
        "value": Estimate(0.5, (0.4, 0.6)),
        "recall_at_5": Estimate(0.8, (0.7, 0.9)),
        "binding": Estimate(0.51, (0.5, 0.52)),
        "deep.er": Estimate(0.2),
    }


def test_headlines_leave_details_to_details():
    names = ["recall_at_1", "recall_at_10", "recall_at_5", "recall_at_5_global", "binding.deep"]
    assert headlines(names) == ["recall_at_1", "recall_at_10", "recall_at_5"]
    assert headlines(["a.b", "a.c"]) == ["a.b", "a.c"]


def test_what_is_no_run_is_said(two, tmp_path):
    (tmp_path / "notes").mkdir()
    runs, others = find_runs(str(tmp_path / "*"))
    assert [run.folder.name for run in runs] == ["one", "other"]
    assert others == {"notes": "no config.json"}
    (tmp_path / "notes" / "config.json").write_text('{"model": ')
    runs, others = find_runs(str(tmp_path / "*"))
    assert [run.folder.name for run in runs] == ["one", "other"]
    assert others["notes"].startswith("its config.json cannot be read: ")
    with pytest.raises(FileNotFoundError, match=r"of 1 folders none has a config\.json"):
        find_runs(str(tmp_path / "n*"))
    with pytest.raises(
        FileNotFoundError, match=r"none of 2 runs has a results file like nothing-\*"
    ):
        read_results(runs, ["nothing-*"])
    (runs[0].folder / "results" / "pretrain.json").write_text("")
    with pytest.raises(ValueError, match=r"pretrain\.json is damaged .* run its notebook again"):
        read_results(runs)
    twin = make_run(tmp_path / "elsewhere", "one", {})
    with pytest.raises(ValueError, match=r"two runs have one folder name \(one\)"):
        read_results([*runs, twin])
