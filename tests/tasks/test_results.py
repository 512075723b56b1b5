"""Result files: what JSON can hold, and files that version 0.1 wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from reclf.stats.tables import plain
from reclf.tasks.results import RENAMED, REQUIRED, format_value, present_names, read_result

STORED = Path(__file__).parents[2] / "notebooks" / "results"
TASKS = ("zero_shot", "linear_probe", "segmentation", "retrieval", "grounding")


def names_in(value):
    if isinstance(value, dict):
        return set(value).union(*map(names_in, value.values()))
    return set().union(*map(names_in, value)) if isinstance(value, list) else set()


def test_values_become_what_json_can_hold():
    assert plain({1: (np.float64("nan"), np.bool_(True)), "x": np.arange(2)}) == {
        "1": [None, True], "x": [0, 1],
    }  # fmt: skip


def test_a_value_is_written_with_its_interval():
    assert format_value({"value": 0.81249, "interval": [0.7, 0.9]}) == ".812 [.700, .900]"
    assert format_value({"value": None, "interval": None, "n": 0}) == "n/a"


def test_old_names_become_present_ones_at_any_depth():
    old = {"random_encoder": {"value": 0.5}, "a": [{"random_encoder": None}], "protocol": {"n": 1}}
    new = {"untrained_baseline": {"value": 0.5}, "a": [{"untrained_baseline": None}]}
    assert present_names(old) == new | {"protocol": {"n": 1}}
    assert present_names(new) == new


@pytest.mark.parametrize("name", [f"{task}-phantom" for task in TASKS])
def test_stored_files_have_their_required_parts_under_present_names(name):
    path = STORED / f"{name}.json"
    result = read_result(path)
    assert set(REQUIRED) <= result.keys()
    assert not names_in(result) & RENAMED.keys()
    assert result["value"] == json.loads(path.read_text(encoding="utf-8"))["value"]
    assert result["untrained_baseline"]["n"] > 0
