"""The verdict of the pretrain notebook: what is shown, and what is not, from intervals."""

import math

import pytest

from reclf.tasks.overview import Overview
from reclf.tasks.verdict import verdict


def measured(value, low, high, **more):
    return {"value": value, "interval": [low, high], **more}


def recalls(combined, by_global, *others):
    tables = {"combined": combined, "global": by_global, **dict.fromkeys(others, combined)}
    return {score: {"recall_at_5": table, "n": 300} for score, table in tables.items()}


GOOD = measured(0.9, 0.88, 0.92, chance=0.017)
WEAK = measured(0.8, 0.77, 0.83, chance=0.017)
NEAR = measured(0.87, 0.85, 0.89, chance=0.017)


def test_all_is_shown_where_intervals_lie_above_their_references():
    found = verdict(Overview(recalls(GOOD, WEAK, "local"), GOOD, GOOD, WEAK))
    assert found == (
        "After this training the model finds the matching report or image among 300 (recall@5 "
        ".900 [.880, .920], chance .017); it ranks better by the combined score than by the global "
        "score alone (recall@5 .900 [.880, .920], global .800 [.770, .830]); it recognizes "
        "findings from text prompts without labels (zero-shot macro AUROC .900 [.880, .920], "
        "chance .500); it has image features that predict findings better than the untrained "
        "baseline's (quick linear probe, macro AUROC .900 [.880, .920], untrained .800 "
        "[.770, .830])."
    )


def test_overlapping_intervals_are_not_shown():
    chance = measured(0.52, 0.49, 0.55)
    found = verdict(Overview(recalls(GOOD, NEAR, "local"), chance, NEAR, GOOD))
    shown, _, open_ = found.partition("; not shown: that it ")
    assert shown.count("(recall@5") == 1
    assert shown.startswith("After this training the model finds the matching report")
    assert open_.count("that it") == 2
    for text in ("ranks better by the combined", "recognizes findings", "has image features"):
        assert text in open_


def test_a_model_that_can_nothing_says_so_in_one_sentence():
    chance = measured(0.02, 0.01, 0.03, chance=0.017)
    found = verdict(Overview(recalls(chance, chance), None, None, None))
    assert found == (
        "Not shown after this training: that the model finds the matching report or image among "
        "300 (recall@5 .020 [.010, .030], chance .017)."
    )


@pytest.mark.parametrize("unknown", [None, measured(math.nan, math.nan, math.nan)])
def test_a_number_that_is_not_known_is_no_claim(unknown):
    found = verdict(Overview(recalls(GOOD, WEAK), unknown, unknown, unknown))
    assert "nan" not in found
    assert found.count("(") == 1  # retrieval alone: without local scores there is no combined one
