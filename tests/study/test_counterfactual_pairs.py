"""Minimal pairs: who wins a comparison, and scores that are the model's own."""

import numpy as np
import pytest

from reclf.datasets.phantom import Phantom, counterfactual_pairs
from reclf.models.inference import encode_images, encode_texts, score_all
from reclf_study.counterfactual_pairs import comparisons_won, fact_ratios, score_pairs


@pytest.fixture(scope="module")
def pairs():
    return list(counterfactual_pairs(Phantom(None, "test", 64), 5, "side"))


def test_comparisons_by_hand():
    scores = np.array(
        [
            [[2.0, 1.0], [0.0, 3.0]],  # all four right
            [[1.0, 2.0], [3.0, 0.0]],  # all four wrong
            [[5.0, 1.0], [5.0, 1.0]],  # one report fits every image better: two of four, by ties
            [[4.0, 4.0], [1.0, 1.0]],  # one image scores higher with every report
        ],
        dtype=np.float32,
    )
    won = comparisons_won(scores)
    assert won["to_report"].total.tolist() == [2, 0, 1, 1]
    assert won["to_image"].total.tolist() == [2, 0, 1, 1]
    assert won["both"].total.tolist() == [4, 0, 2, 2]
    assert won["both"].count.tolist() == [4] * 4
    assert won["both"].value == 0.5


def test_a_plain_loop_counts_the_same():
    scores = np.random.default_rng(0).integers(0, 3, (40, 2, 2)).astype(np.float32)
    won = comparisons_won(scores)
    for n, ((aa, ab), (ba, bb)) in enumerate(scores):
        to_report = [(aa, ab), (bb, ba)]
        to_image = [(aa, ba), (bb, ab)]
        for name, comparisons in (("to_report", to_report), ("to_image", to_image)):
            points = sum(1.0 if r > w else 0.5 if r == w else 0.0 for r, w in comparisons)
            assert won[name].total[n] == points


def test_a_taste_for_short_reports_is_worth_nothing():
    """What ignores the image wins one comparison and loses the other."""
    length = np.random.default_rng(1).normal(size=(30, 1, 2)).repeat(2, axis=1)
    assert comparisons_won(length)["to_report"].value == 0.5


def test_nan_is_refused():
    with pytest.raises(ValueError, match="must not be NaN; 1 of 2 pairs"):
        comparisons_won(np.array([[[1.0, np.nan], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]]))


@pytest.mark.parametrize("aggregator", ["reclf", "global"])
def test_scores_are_those_of_the_whole_matrix(build, pairs, aggregator):
    model = build(aggregator=aggregator)
    studies = [study for pair in pairs for study in pair]
    texts = encode_texts(model, [study.report for study in studies])
    whole = score_all(model, encode_images(model, studies), texts)
    expected = {"combined": whole.logits, "global": whole.logits_global}
    if aggregator == "reclf":
        expected["local"] = whole.logits_local
    found = score_pairs(model, pairs)
    assert found.keys() == expected.keys()
    for name, matrix in expected.items():
        for n in range(len(pairs)):
            block = matrix[2 * n : 2 * n + 2, 2 * n : 2 * n + 2].numpy()
            np.testing.assert_allclose(found[name][n], block, rtol=1e-4, atol=1e-4)


def test_a_fact_without_pairs_is_left_out(model, pairs):
    found = fact_ratios(model, {"side": pairs, "binding": []})
    assert found.keys() == {"side"}
    assert found["side"]["combined"]["both"].count.tolist() == [4] * 5
