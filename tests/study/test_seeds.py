"""Differences over seeds and studies: by hand, how often a true 0 is excluded, and verdicts."""

import math

import numpy as np
import pytest

from reclf.stats.estimate import Estimate
from reclf.stats.per_study import StudyRatio
from reclf_study.seeds import Ranking, Resampled, holm, mean_over_seeds, paired_difference

STUDIES = 120


def simulate(generator, over_seeds, over_studies, within, seeds=3):
    """Ratios of several seeds whose true mean is 0, with effects of seed, study and both."""
    common = over_studies * generator.normal(size=STUDIES)
    return [
        StudyRatio.of(
            over_seeds * generator.normal() + common + within * generator.normal(size=STUDIES)
        )
        for _ in range(seeds)
    ]


def pooled_interval(runs, generator):
    """What seems simpler: seeds and studies both drawn with replacement."""
    resampled = np.stack([run.resampled() for run in runs])
    chosen = generator.integers(0, len(runs), (resampled.shape[1], len(runs)))
    means = [resampled[pick, i].mean() for i, pick in enumerate(chosen)]
    return np.quantile(means, [0.025, 0.975])


@pytest.mark.parametrize(
    ("over_seeds", "over_studies", "within"), [(0, 1, 0.5), (0.1, 0, 0.5), (0.3, 0, 0.5)]
)
def test_a_true_zero_is_seldom_excluded(over_seeds, over_studies, within):
    generator = np.random.default_rng(0)
    excluded = 0
    for _ in range(400):
        runs = simulate(generator, over_seeds, over_studies, within)
        estimate = mean_over_seeds([Resampled.of(run) for run in runs])
        excluded += estimate.verdict == "real"
    assert excluded / 400 < 0.085  # 5 % and what 400 tries leave open


def test_drawing_seeds_with_replacement_would_exclude_it_often():
    generator = np.random.default_rng(0)
    excluded = 0
    for _ in range(100):
        low, high = pooled_interval(simulate(generator, 0.3, 0, 0.5), generator)
        excluded += low > 0 or high < 0
    assert excluded / 100 > 0.15


def test_holm_by_hand():
    """Of four: .01 * 4; .03 * 2 is below .02 * 3, which stands before it; .04 * 1 likewise."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.0, 0.02]) == [0.0, 0.02]
    assert holm([]) == []


def test_holm_keeps_the_chance_of_any_wrong_rejection():
    generator, wrong, plain = np.random.default_rng(0), 0, 0
    for _ in range(1000):
        p = [*generator.random(8), 1e-6, 1e-6]  # eight true zeros and two that are none
        wrong += min(holm(p)[:8]) < 0.05
        plain += min(p[:8]) < 0.05
    assert wrong / 1000 < 0.07
    assert plain / 1000 > 0.25


def test_the_p_value_is_students_and_agrees_with_the_interval():
    from scipy.stats import ttest_1samp

    values = (0.2, 0.5, 0.35)
    constant = [Resampled.of(StudyRatio.of(np.full(STUDIES, value))) for value in values]
    zero = [Resampled.of(StudyRatio.of(np.zeros(STUDIES)))] * 3
    assert paired_difference(constant, zero).p == pytest.approx(ttest_1samp(values, 0).pvalue)
    assert paired_difference(zero, zero).p == 1.0
    assert paired_difference(constant[:1] * 3, zero).p == 0.0
    assert mean_over_seeds(constant).p is None
    generator = np.random.default_rng(5)
    for _ in range(60):
        runs = [Resampled.of(run) for run in simulate(generator, 0.1, 0.3, 0.5)]
        found = paired_difference(runs, zero)
        assert (found.p < 0.05) == (found.low > 0 or found.high < 0)
        assert Estimate.of(found.result("difference")).p == found.p


def test_with_one_seed_it_is_the_bootstrap_over_studies():
    ratio = StudyRatio.of(np.random.default_rng(1).normal(size=STUDIES))
    estimate = mean_over_seeds([Resampled.of(ratio, 4)])
    assert estimate.value == pytest.approx(ratio.value)
    low, high = ratio.interval(4)
    assert estimate.low == pytest.approx(low, abs=0.02)
    assert estimate.high == pytest.approx(high, abs=0.02)


def test_without_noise_over_studies_it_is_students_interval_over_seeds():
    from scipy.stats import t, ttest_1samp

    values = (0.2, 0.5, 0.35)
    runs = [Resampled.of(StudyRatio.of(np.full(STUDIES, value))) for value in values]
    estimate = mean_over_seeds(runs)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    half = t.ppf(0.975, 2) * np.std(values, ddof=1) / 3**0.5
    assert estimate.high == pytest.approx(0.35 + half)


@pytest.mark.parametrize(
    ("values", "n", "freedom"),
    [
        # over studies the variance is 4; that of the seeds' values over their number is 7 / 3,
        # 1 and 0, and of one seed nothing is known
        ((1.0, 2.0, 6.0), (30, 11, 20), (19 / 3) ** 2 / (16 / 10 + (7 / 3) ** 2 / 2)),
        ((0.0, 2.0), (11, 11), 5**2 / (16 / 10 + 1)),
        ((0.5, 0.5, 0.5), (11, 12, 13), 10),
        ((0.5,), (11,), 10),
        ((0.5,), (2,), 1),
        ((0.5,), (1,), 1),
    ],
)
def test_the_interval_is_students_with_satterthwaites_degrees_of_freedom(values, n, freedom):
    """(a + b)^2 / (a^2 / (n - 1) + b^2 / (seeds - 1)), n the fewest studies of a run."""
    from scipy.stats import t

    over_studies = np.array([-2.0, 2.0, math.nan])  # one resample has no value
    runs = [Resampled(v, studies, v + over_studies) for v, studies in zip(values, n, strict=True)]
    mean = sum(values) / len(values)
    over_seeds = sum((v - mean) ** 2 for v in values) / max(len(values) - 1, 1) / len(values)
    error = math.sqrt(4 + over_seeds)
    half = t.interval(0.95, freedom)[1] * error
    found = mean_over_seeds(runs)
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))
    assert (found.value, found.n, found.seeds) == (pytest.approx(mean), min(n), values)
    zeros = [Resampled(0.0, studies + 5, 0 * over_studies) for studies in n]
    difference = paired_difference(runs, zeros)
    assert (difference.low, difference.n) == (pytest.approx(found.low), min(n))
    assert difference.p == pytest.approx(2 * t.cdf(-mean / error, freedom))


def test_pairing_takes_what_studies_share_out_of_a_difference():
    generator = np.random.default_rng(2)
    hard = generator.normal(size=STUDIES)  # some studies are hard for every run
    runs = [
        Resampled.of(StudyRatio.of(hard + 0.05 + 0.01 * generator.normal(size=STUDIES)))
        for _ in "abc"
    ]
    controls = [
        Resampled.of(StudyRatio.of(hard + 0.01 * generator.normal(size=STUDIES))) for _ in "abc"
    ]
    difference = paired_difference(runs, controls)
    assert difference.verdict == "real"
    assert difference.low < 0.05 < difference.high
    assert difference.high - difference.low < 0.02
    alone = mean_over_seeds(runs)
    assert alone.high - alone.low > 0.2


def test_a_ranking_is_a_macro_auroc_and_can_be_paired():
    generator = np.random.default_rng(3)
    labels = (generator.random((STUDIES, 2)) < 0.4).astype(float)
    good = Ranking(labels, labels + generator.normal(size=labels.shape))
    poor = Ranking(labels, generator.normal(size=labels.shape))
    difference = paired_difference([Resampled.of(good)] * 2, [Resampled.of(poor)] * 2)
    assert difference.value == pytest.approx(good.value - poor.value)
    assert difference.low < difference.value < difference.high
    assert difference.verdict == "real"


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate(0.03, (0.01, 0.05), 100, (0.03, 0.03)), "real"),
        (Estimate(-0.03, (-0.05, -0.01), 100, (-0.03, -0.03)), "real"),
        (Estimate(0.03, (-0.01, 0.07), 100, (0.03, 0.03)), "not shown"),
        (Estimate(0.03, (0.0, 0.06), 100, (0.03, 0.03)), "not shown"),
        (Estimate(0.03, (0.01, 0.05), 100, (0.03,)), "not shown"),  # one seed
        (Estimate(0.03, (0.01, 0.05), 5, (0.03, 0.03)), "not shown"),  # five studies
    ],
)
def test_nothing_is_real_without_an_interval_two_seeds_and_studies(estimate, verdict):
    assert estimate.verdict == verdict


def test_what_does_not_pair_up_is_refused():
    one = Resampled.of(StudyRatio.of(np.ones(5)))
    with pytest.raises(ValueError, match="2 runs and 1 controls do not pair up"):
        paired_difference([one, one], [one])
    with pytest.raises(ValueError, match="at least one run"):
        mean_over_seeds([])
    with pytest.raises(ValueError, match="says nothing about the measure"):
        mean_over_seeds([Resampled(float("nan"), 0, np.zeros(2000))])
