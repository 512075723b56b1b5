"""What is said follows from the intervals, and nothing is said of too few cases."""

import numpy as np
import pytest
from small_pairs import Additive

from reclf.data.region_grid import center_prior, random_map
from reclf.stats.estimate import Estimate
from reclf_study.faithfulness_measures import MEASURES, measure
from reclf_study.faithfulness_report import (
    FEWEST,
    difference,
    differences,
    mean_over_cases,
    verdict,
    word_verdict,
)
from reclf_study.faithfulness_study import CONTROLS

BETTER, WORSE, OPEN = (
    Estimate(value, ends, 24) for value, ends in ((2, (1, 3)), (-2, (-3, -1)), (0.1, (-1, 1)))
)


def all_measures(**by_control):
    row = dict.fromkeys(CONTROLS, BETTER) | by_control
    return dict.fromkeys(MEASURES, row)


def test_a_mean_leaves_out_what_is_not_known():
    found = mean_over_cases(np.array([1.0, np.nan, 3, np.inf]))
    assert (found.value, found.n) == (2, 2)
    assert found.low <= 2 <= found.high
    assert mean_over_cases(np.array([np.nan])).n == 0


def test_differences_are_paired_and_above_0_is_better():
    of, control = np.array([1.0, 5, 9, np.nan]), np.array([0.0, 4, 8, 8])
    found = difference(of, control)
    # The cases differ by far more than the maps; in pairs the difference is exact.
    assert found == Estimate(1, (1, 1), 3)
    assert difference(of, control, more_is_better=False).value == -1


@pytest.mark.parametrize(
    ("ends", "n", "direction"),
    [
        ((1, 3), 24, 1), ((-3, -1), 24, -1), ((-1, 1), 24, 0), ((0, 2), 24, 0),
        ((1, 3), FEWEST - 1, 0), ((-3, -1), FEWEST - 1, 0), ((1, 3), FEWEST, 1),
        ((np.nan, np.nan), FEWEST, 0), (None, 24, 0),
    ],
)  # fmt: skip
def test_a_difference_is_shown_where_its_interval_excludes_0(ends, n, direction):
    assert Estimate(2, ends, n).direction(FEWEST) == direction


def test_only_a_map_that_beats_all_on_all_is_trusted():
    *_, last = verdict(all_measures())
    assert last.startswith("On these 24 cases attention beats every control on all 5 measures")
    assert "can be trusted" in last
    for one in (OPEN, WORSE):
        sentences = verdict(all_measures(**{"center prior": one}), "occlusion")
        assert "occlusion beats every control on 0 of 5 measures: do not" in sentences[-1]
    mixed = {**all_measures(**{"random map": OPEN}), "cnr": dict.fromkeys(CONTROLS, BETTER)}
    assert "on 1 of 5 measures (cnr): do not take it as evidence" in verdict(mixed)[-1]


def test_each_sentence_names_the_controls_with_their_intervals():
    found = all_measures(**{"random map": WORSE, "center prior": OPEN})
    sentence = verdict(found)[0]
    assert sentence.startswith("pointing (does it point at the finding?): better than shuffled")
    assert "; worse than random map (-2.000 [-3.000, -1.000], n = 24)" in sentence
    assert (
        "; no significant difference to center prior (+.100 [-1.000, +1.000], n = 24)" in sentence
    )


def test_what_was_not_measured_is_said_and_does_not_count():
    nothing = dict.fromkeys(CONTROLS, Estimate(np.nan))
    sentences = verdict(all_measures() | {"pointing": nothing, "cnr": nothing})
    assert "not measured, no case has a mask" in sentences[0]
    assert "on all 3 measures" in sentences[-1]
    assert "0 cases are too few" in verdict(dict.fromkeys(MEASURES, nothing))[-1]


def test_too_few_cases_give_no_verdict():
    few = dict.fromkeys(MEASURES, dict.fromkeys(CONTROLS, Estimate(2, (1, 3), 4)))
    assert verdict(few)[-1] == "4 cases are too few to trust attention or not: take 6 or more."


def test_on_planted_scores_the_true_map_is_trusted_and_a_blind_one_is_not():
    rows = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        gains = random.random((4, 5))
        place = (random.integers(4), random.choice([0, 4]))  # off the center
        gains[place] += 4
        mask = np.zeros((4, 5), dtype=bool)
        mask[place] = True
        cells = Additive(gains)
        maps = {
            "true": gains,
            "blind": random.random((4, 5)),
            "random map": random_map((4, 5), 100 + seed),
            "center prior": center_prior((4, 5)),
        }
        mask = np.kron(mask, np.ones((2, 2), dtype=bool))
        rows.append({name: measure(cells, heat, mask) for name, heat in maps.items()})
    values = {
        name: {kind: np.array([row[name][kind] for row in rows]) for kind in MEASURES}
        for name in rows[0]
    }
    controls = ("random map", "center prior")
    assert "can be trusted" in verdict(differences(values, "true", controls), "true")[-1]
    assert "do not take it" in verdict(differences(values, "blind", controls), "blind")[-1]


def words(importance, n=10):
    noise = np.random.default_rng(0).normal(0, 0.05, (4, n))
    return {
        "importance": importance + noise[0], "random order": noise[1],
        "word length": 0.1 + noise[2], "randomized weights": noise[3],
    }  # fmt: skip


def test_word_weights_follow_the_score_only_where_they_beat_their_controls():
    assert word_verdict(words(0.6))[-1].endswith(
        "importance weights follow what the score rests on."
    )
    for wrong in (0.1, 0.0, -0.6):
        assert "are not shown to follow" in word_verdict(words(wrong))[-1]
    assert "importance is worse than word length" in " ".join(word_verdict(words(-0.6)))
    assert word_verdict({}) == [
        "This model has no importance weights, so there is nothing to evaluate."
    ]
    assert word_verdict(words(0.6, n=5)) == [
        "5 cases are too few to evaluate importance: take 6 or more."
    ]
