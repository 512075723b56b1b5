"""Metrics against scikit-learn, torchmetrics and plain loops, degenerate input too.

Sizes differ along every axis, and scores are coarse so that ties occur.
"""

import itertools
import math
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score, roc_auc_score
from torchmetrics.functional.classification import multilabel_auroc
from torchmetrics.functional.retrieval import retrieval_precision

from reclf.stats.bootstrap import bootstrap_interval, weighted_interval
from reclf.stats.classification import (
    accuracy,
    auroc,
    f1_per_class,
    macro_auroc,
    macro_auroc_interval,
    macro_f1,
    resampled_macro_auroc,
)
from reclf.stats.maps import (
    THRESHOLDS,
    contrast_to_noise,
    dice_and_iou,
    iou_at_thresholds,
    pointing_hit,
)
from reclf.stats.ranking import precision_at_k, rank_of_partner, recall_chance


@pytest.fixture
def random():
    return np.random.default_rng(3)


# -- AUROC -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [3, 1000])
def test_auroc_is_that_of_scikit_learn_with_ties_and_without(random, levels):
    labels = random.integers(0, 2, 67).astype(float)
    scores = random.integers(0, levels, 67) / levels
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auroc_counts_pairs_in_order(random):
    labels, scores = np.array([1, 0, 1, 0, 0.0]), np.array([3, 3, 1, 0, 2.0])
    pairs = [(p, n) for p in (3, 1) for n in (3, 0, 2)]
    by_hand = sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)
    assert auroc(labels, scores) == by_hand == 3.5 / 6


def test_auroc_leaves_nan_labels_out(random):
    labels = np.array([1, 0, math.nan, 1, 0.0])
    scores = np.array([0.9, 0.1, math.nan, 0.4, 0.6])  # an unknown study may have any score
    assert auroc(labels, scores) == roc_auc_score([1, 0, 1, 0], [0.9, 0.1, 0.4, 0.6])


@pytest.mark.parametrize("labels", [[1.0, 1.0], [0.0, 0.0], [math.nan, math.nan], []])
def test_auroc_of_one_class_is_nan(labels):
    assert math.isnan(auroc(np.array(labels), np.zeros(len(labels))))


def test_auroc_refuses_uncertain_labels_and_nan_scores():
    with pytest.raises(ValueError, match=r"labels must be 1, 0 or NaN, got \[-1.0\]"):
        auroc(np.array([1.0, 0.0, -1.0]), np.zeros(3))
    with pytest.raises(ValueError, match="scores must not be NaN; 1 are"):
        auroc(np.array([1.0, 0.0]), np.array([math.nan, 1.0]))


def test_one_pair_is_enough():
    assert auroc(np.array([1.0, 0.0]), np.array([0.9, 0.1])) == 1


def test_macro_auroc_is_that_of_torchmetrics(random):
    labels = random.integers(0, 2, (53, 4)).astype(float)
    scores = random.integers(0, 9, (53, 4)) / 9
    expected = multilabel_auroc(torch.tensor(scores), torch.tensor(labels).long(), 4)
    assert macro_auroc(labels, scores) == pytest.approx(float(expected), abs=1e-6)


def test_macro_auroc_leaves_labels_of_one_class_out(random):
    labels = np.stack([np.ones(9), np.arange(9) % 2, np.full(9, math.nan)], 1).astype(float)
    scores = random.random((9, 3))
    assert macro_auroc(labels, scores) == auroc(labels[:, 1], scores[:, 1])
    with warnings.catch_warnings(action="error"):
        assert math.isnan(macro_auroc(labels[:, [0, 2]], scores[:, [0, 2]]))


# -- intervals -------------------------------------------------------------------------------------


def test_bootstrap_is_the_plain_loop(random):
    values = random.random(31)
    generator, means = np.random.default_rng(5), []
    for _ in range(200):
        means.append(np.mean([values[generator.integers(0, 31, 31)]]))
    expected = np.quantile(means, [0.05, 0.95])
    found = bootstrap_interval(values, seed=5, resamples=200, level=0.9)
    assert found == pytest.approx(tuple(expected), abs=1e-12)


def test_bootstrap_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        low, high = bootstrap_interval(generator.normal(1.0, 2.0, 60), seed=trial, resamples=300)
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_bootstrap_draws_arrays_together():
    values = {"a": np.arange(20.0), "b": np.arange(20.0)}
    low, high = bootstrap_interval(values, lambda a, b: float(np.abs(a - b).max()), resamples=50)
    assert low == high == 0.0


def test_bootstrap_without_any_result_is_none_and_without_values_an_error():
    assert bootstrap_interval(np.full(4, math.nan), resamples=10) is None
    nothing = bootstrap_interval(np.arange(4.0), lambda values: math.nan, resamples=10)
    assert nothing is None
    with pytest.raises(ValueError, match=r"got lengths \[2, 3\]"):
        bootstrap_interval({"a": np.zeros(2), "b": np.zeros(3)})


def test_the_fast_interval_of_auroc_is_the_plain_one_number_for_number(random):
    labels = random.integers(0, 2, (40, 3)).astype(float)
    labels[random.random((40, 3)) < 0.2] = math.nan
    labels[:, 2] = np.where(np.arange(40) == 7, 1.0, 0.0)  # often absent from a resample
    scores = random.integers(0, 6, (40, 3)) / 6
    together = {"labels": labels, "scores": scores}
    plain = bootstrap_interval(together, macro_auroc, seed=2, resamples=120)
    assert macro_auroc_interval(labels, scores, seed=2, resamples=120) == pytest.approx(plain)
    weights = random.integers(0, 3, (120, 40))  # more than are taken at a time
    one_by_one = [resampled_macro_auroc(labels, scores, row[None])[0] for row in weights]
    np.testing.assert_allclose(resampled_macro_auroc(labels, scores, weights), one_by_one)
    labels[np.isnan(labels)] = 0
    given = {"seed": 3, "resamples": 120, "level": 0.8}
    plain = bootstrap_interval(together, macro_auroc, **given)
    assert macro_auroc_interval(labels, scores, **given) == pytest.approx(plain)


@pytest.mark.parametrize(
    "values",
    [
        np.array([0.7]), np.array([math.nan, 0.7, math.nan]),
        np.array([[math.nan, math.nan], [0.7, math.nan]]),
        {"a": np.array([1.0, 2.0, math.nan]), "b": np.array([math.nan, 2.0, 3.0])},
    ],
)  # fmt: skip
def test_one_study_that_says_something_has_no_interval(values):
    def first(*arrays, **named):
        array = [*arrays, *named.values()][0]
        return float(np.nan_to_num(array).max())

    assert bootstrap_interval(values, first, resamples=50) is None
    two = np.array([0.7, math.nan, 0.2])
    low, high = bootstrap_interval(two, first, resamples=50)
    assert low < high


@pytest.mark.parametrize(
    "labels", [[[1.0]], [[1.0, math.nan]], [[1.0], [1.0], [1.0]], [[math.nan], [0.0], [1.0]][:2]]
)
def test_auroc_of_one_study_or_of_one_class_has_no_interval(labels):
    labels = np.array(labels)
    assert macro_auroc_interval(labels, np.zeros(labels.shape), resamples=50) is None


# -- classes ---------------------------------------------------------------------------------------


def test_f1_is_that_of_scikit_learn_over_the_classes_that_occur(random):
    truth, predicted = random.integers(0, 4, 50), random.integers(0, 6, 50)
    classes = np.unique(truth)
    expected = f1_score(truth, predicted, labels=classes, average=None)
    assert list(f1_per_class(truth, predicted).values()) == pytest.approx(list(expected))
    assert macro_f1(truth, predicted, np.ones((1, 50))) == pytest.approx(expected.mean())


@pytest.mark.parametrize(
    ("measure", "plain"),
    [
        (accuracy, lambda t, p: (t == p).mean()),
        (macro_f1, lambda t, p: f1_score(t, p, labels=np.unique(t), average="macro")),
    ],
)
def test_the_fast_interval_of_classes_is_the_plain_one_number_for_number(random, measure, plain):
    truth, predicted = random.integers(0, 3, 30), random.integers(0, 4, 30)
    truth[4] = 3  # often absent from a resample
    both = {"t": truth, "p": predicted}
    expected = bootstrap_interval(both, plain, seed=2, resamples=120, level=0.9)
    found = weighted_interval(
        partial(measure, truth, predicted), 30, 30, seed=2, resamples=120, level=0.9
    )
    assert found == pytest.approx(expected, abs=1e-12)
    one = weighted_interval(partial(measure, truth, predicted), 30, 1, resamples=120)
    assert one is None


def test_f1_of_a_class_never_found_is_zero():
    assert f1_per_class(np.array([0, 2]), np.array([0, 0])) == {0: pytest.approx(2 / 3), 2: 0.0}


# -- retrieval -------------------------------------------------------------------------------------


def plain_rank(scores, right):
    """Mean rank of the best right answer over all orders of candidates with equal scores."""
    best = max(s for s, is_right in zip(scores, right, strict=True) if is_right)
    above = sum(s > best and not r for s, r in zip(scores, right, strict=True))
    level = sum(s == best and not r for s, r in zip(scores, right, strict=True))
    return 1 + above + level / 2


def test_rank_of_partner_is_the_plain_loop(random):
    scores = random.integers(0, 5, (9, 13)).astype(float)
    right = random.random((9, 13)) < 0.2
    right[:, 4] = True
    expected = [plain_rank(s, r) for s, r in zip(scores, right, strict=True)]
    assert rank_of_partner(scores, right).tolist() == expected


def test_constant_scores_get_no_better_rank_than_chance():
    assert rank_of_partner(np.zeros((3, 7)), np.eye(3, 7, dtype=bool)).tolist() == [4.0] * 3


def test_rank_refuses_nan_and_queries_without_answer():
    with pytest.raises(ValueError, match="1 of 2 queries have NaN scores"):
        rank_of_partner(np.array([[0, math.nan], [0, 1]]), np.eye(2, dtype=bool))
    with pytest.raises(ValueError, match="1 queries have no correct candidate"):
        rank_of_partner(np.zeros((2, 2)), np.array([[True, False], [False, False]]))


@pytest.mark.parametrize(("n", "m", "k"), [(6, 1, 2), (6, 2, 3), (6, 4, 3), (5, 1, 5), (5, 5, 1)])
def test_recall_chance_counts_the_orders(n, m, k):
    orders = list(itertools.permutations(range(n)))
    hit = np.mean([any(candidate < m for candidate in order[:k]) for order in orders])
    assert recall_chance(np.array([m]), n, k)[0] == pytest.approx(hit)


def test_precision_is_that_of_torchmetrics_without_ties(random):
    scores = random.permutation(11 * 8).reshape(8, 11) / 88
    relevant = random.random((8, 11)) < 0.4
    for k in (1, 3, 11):
        found = precision_at_k(scores, relevant, k)
        for i in range(8):
            expected = retrieval_precision(
                torch.tensor(scores[i]), torch.tensor(relevant[i]), top_k=k
            )
            assert found[i] == pytest.approx(float(expected))


def test_precision_with_ties_is_the_mean_over_their_orders():
    scores, relevant = np.array([2.0, 1.0, 1.0, 1.0, 0.0]), np.array([0, 1, 0, 0, 1], dtype=bool)
    for k in (1, 2, 3):
        values = []
        for order in itertools.permutations(range(5)):
            if all(scores[a] >= scores[b] for a, b in itertools.pairwise(order)):
                values.append(relevant[list(order[:k])].mean())
        assert precision_at_k(scores[None], relevant[None], k)[0] == pytest.approx(np.mean(values))


def test_precision_refuses_more_places_than_candidates():
    with pytest.raises(ValueError, match="k must be 1 to the number of candidates, 3, got 4"):
        precision_at_k(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), 4)


# -- masks -----------------------------------------------------------------------------------------


@pytest.fixture
def masks(random):
    """Predicted and true masks (7, 3, 5, 6); some are empty on either side, some on both."""
    predicted, truth = (random.random((7, 3, 5, 6)) < 0.3 for _ in range(2))
    truth[:3, 1] = False
    predicted[2:5, 1] = False
    predicted[6, 0] = False
    return predicted, truth


@pytest.mark.parametrize(("empty", "value"), [("leave_out", np.nan), ("one", None)])
def test_dice_and_iou_are_f1_and_jaccard_of_pixels_empty_masks_included(masks, empty, value):
    predicted, truth = masks
    dice, iou = dice_and_iou(predicted, truth, empty)
    for found, score in ((dice, f1_score), (iou, jaccard_score)):
        for place in np.ndindex(truth.shape[:2]):
            t, p = truth[place].ravel(), predicted[place].ravel()
            # scikit-learn's zero_division: neither mask has a pixel
            expected = score(t, p, zero_division=1.0) if t.any() or value is None else value
            np.testing.assert_allclose(found[place], expected, atol=1e-6, equal_nan=True)


def test_dice_by_hand():
    predicted, truth = np.zeros((2, 1, 1, 2, 4), dtype=bool)
    predicted[0, 0, 0, :3] = True
    truth[0, 0, 0, 1:] = True
    dice, iou = dice_and_iou(predicted, truth)
    assert dice[0, 0] == pytest.approx(4 / 6)
    assert iou[0, 0] == 0.5


def test_dice_refuses_an_unknown_rule_and_unlike_shapes(masks):
    with pytest.raises(ValueError, match=r"empty must be one of .* got 'zero'"):
        dice_and_iou(*masks, "zero")
    with pytest.raises(ValueError, match="predicted is"):
        dice_and_iou(masks[0][:2], masks[1])


# -- maps ------------------------------------------------------------------------------------------


def test_pointing_is_the_place_of_the_maximum(random):
    for _ in range(20):
        heat, mask = random.random((4, 7)), random.random((4, 7)) < 0.3
        y, x = max(itertools.product(range(4), range(7)), key=lambda place: heat[place])
        assert pointing_hit(heat, mask) == float(mask[y, x])


def test_pointing_of_level_maxima_is_their_share_inside():
    mask = np.zeros((2, 4), dtype=bool)
    mask[0, :3] = True
    assert pointing_hit(np.zeros((2, 4)), mask) == 3 / 8
    assert pointing_hit(np.array([[0, 1, 0, 1], [0, 0, 0, 0.0]]), mask) == 0.5


def test_cnr_is_the_plain_formula_and_knows_its_sign(random):
    heat, mask = random.random((5, 6)), random.random((5, 6)) < 0.4
    inside = [heat[p] for p in itertools.product(range(5), range(6)) if mask[p]]
    outside = [heat[p] for p in itertools.product(range(5), range(6)) if not mask[p]]

    def mean(values):
        return sum(values) / len(values)

    def variance(values):
        return sum((value - mean(values)) ** 2 for value in values) / len(values)

    expected = (mean(inside) - mean(outside)) / math.sqrt(variance(inside) + variance(outside))
    assert contrast_to_noise(heat, mask, signed=True) == pytest.approx(expected)
    assert contrast_to_noise(-heat, mask, signed=True) == pytest.approx(-expected)
    assert contrast_to_noise(-heat, mask) == pytest.approx(abs(expected))


def test_cnr_does_not_change_with_scale_and_offset_of_the_map(random):
    heat, mask = random.random((5, 6)), random.random((5, 6)) < 0.4
    assert contrast_to_noise(3 * heat - 7, mask) == pytest.approx(contrast_to_noise(heat, mask))


def test_cnr_of_degenerate_input():
    mask = np.eye(3, dtype=bool)
    assert contrast_to_noise(np.ones((3, 3)), mask) == 0.0
    assert contrast_to_noise(mask.astype(float), mask) == math.inf
    assert math.isnan(contrast_to_noise(np.ones((3, 3)), np.zeros((3, 3), dtype=bool)))
    assert math.isnan(contrast_to_noise(np.ones((3, 3)), np.ones((3, 3), dtype=bool)))


def test_iou_at_thresholds_is_the_plain_loop(random):
    heat, mask = random.random((4, 5)), random.random((4, 5)) < 0.3
    found = iou_at_thresholds(heat, mask)
    for threshold, value in zip(THRESHOLDS, found, strict=True):
        reached = heat >= threshold
        assert value == (reached & mask).sum() / (reached | mask).sum()
    assert np.isnan(iou_at_thresholds(heat, np.zeros((4, 5), dtype=bool))).all()


def test_maps_refuse_nan_and_other_sizes():
    with pytest.raises(ValueError, match="must not hold NaN"):
        pointing_hit(np.full((2, 2), math.nan), np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match=r"the map is \(2, 3\) and the mask \(3, 2\)"):
        contrast_to_noise(np.zeros((2, 3)), np.zeros((3, 2), dtype=bool))
