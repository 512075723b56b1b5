"""The presets' aggregator options are those that the stored ablations support."""

import json
from pathlib import Path

import pytest

from reclf.config.overrides import RENAMED
from reclf.training.presets import PRESETS, RELATIONS

RESULTS = Path(__file__).parents[2] / "notebooks/results"
ABLATIONS = sorted(RESULTS.glob("ablation*.json"))


def variants(result):
    """Aggregator and options of each variant, by the names of today; what is 0 is left out."""
    found = {}
    for name, model in result["protocol"]["variants"].items():
        options = model["aggregator_options"].items()
        given = {RENAMED.get(option, option): value for option, value in options if value}
        found[name] = RENAMED.get(model["aggregator"], model["aggregator"]), given
    return found


def helps(comparison):
    return comparison["verdict"] == "real" and comparison["difference"] > 0


@pytest.mark.parametrize("name", PRESETS)
def test_presets_share_one_set_of_aggregator_options(name):
    model = PRESETS[name]().model
    assert model.aggregator == "reclf"
    own = {"norm": "report", "word_gate": True} if name == "films_small" else {}
    assert model.aggregator_options == RELATIONS | own


def test_gates_of_films_small_see_the_word_since_their_weights_then_beat_idf():
    result = json.loads((RESULTS / "films-open_i.json").read_text())
    low, _ = result["importance_difference"]["interval"]
    assert low > 0
    assert result["irm_max_min"]["value"] > 3


def test_the_options_are_those_of_srm_where_it_beats_its_controls():
    result = json.loads((RESULTS / "ablation.json").read_text())
    assert variants(result)["srm"] == ("srm", RELATIONS)
    for control in ("mean", "mean_global", "srm_distance_only"):
        assert helps(result["comparisons"][f"srm - {control}"])


def test_an_option_that_was_asked_for_alone_is_kept_only_where_it_helps():
    asked = set()
    for path in ABLATIONS:
        result = json.loads(path.read_text())
        known = variants(result)
        for pair, comparison in result["comparisons"].items():
            (kind, options), (other_kind, others) = (known[name] for name in pair.split(" - "))
            differ = {k for k in options.keys() | others if options.get(k) != others.get(k)}
            if kind == other_kind and len(differ) == 1 and differ < options.keys():
                (option,) = differ
                asked.add(option)
                assert (option in RELATIONS) <= helps(comparison), (path.name, pair)
    assert {"overlap", "importance_loss"} <= asked


def test_words_of_the_phantom_s_preset_are_those_that_are_better_at_equal_time():
    result = json.loads((RESULTS / "ablation-words.json").read_text())
    words = {name: model["word_source"] for name, model in result["protocol"]["variants"].items()}
    assert (words["reclf"], words["reclf_placed"]) == ("token", "embedding")
    assert result["training"]["reclf"]["steps"] > result["training"]["reclf_placed"]["steps"]
    assert result["protocol"]["seeds"] == 6
    better = helps(result["comparisons"]["reclf - reclf_placed"])
    assert (
        PRESETS["phantom_small"]().model.word_source == words["reclf" if better else "reclf_placed"]
    )


@pytest.mark.parametrize("path", ABLATIONS, ids=lambda path: path.stem)
def test_stored_verdicts_say_what_their_intervals_do(path):
    for comparison in json.loads(path.read_text())["comparisons"].values():
        low, high = comparison["interval"]
        shown = comparison["verdict"] not in ("not shown", "not trained")
        assert shown == (not low <= 0 <= high)
        assert (comparison["verdict"] == "not trained") <= bool(comparison.get("not_moved"))
