"""Shares over studies: values by hand, intervals by the plain bootstrap, pairing."""

import numpy as np
import pytest

from reclf.stats.bootstrap import RESAMPLES, bootstrap_interval
from reclf.stats.per_study import StudyRatio, share


@pytest.fixture
def ratio():
    generator = np.random.default_rng(3)
    count = generator.integers(0, 5, 23).astype(float)
    return StudyRatio(np.array([generator.uniform(0, c) for c in count]), count)


def test_it_divides_what_all_scored_by_all_they_could():
    ratio = StudyRatio(np.array([3.5, 0.0, 1.0]), np.array([4.0, 0.0, 1.0]))
    assert ratio.value == pytest.approx(4.5 / 5)
    assert ratio.n == 2


def test_values_of_a_study_count_alike_and_nan_not_at_all():
    ratio = StudyRatio.of(np.array([1.0, np.nan, 0.25]))
    assert (ratio.value, ratio.n) == (0.625, 2)
    values, study = np.array([1.0, 0.0, 0.5, np.nan, 0.2]), np.array([2, 0, 2, 0, 1])
    by_study = StudyRatio.by_study(values, study)
    assert by_study.total.tolist() == [0.0, 0.2, 1.5]
    assert by_study.count.tolist() == [1, 1, 2]
    nothing_at_the_end = StudyRatio.by_study(np.array([0.5, np.nan]), np.array([0, 2]))
    assert nothing_at_the_end.count.tolist() == [1, 0, 0]  # so that resamples stay paired


def test_the_interval_is_that_of_the_plain_bootstrap(ratio):
    plain = bootstrap_interval({"total": ratio.total, "count": ratio.count}, share, seed=5)
    assert ratio.interval(5) == pytest.approx(plain, rel=1e-12)
    assert ratio.interval(6) != pytest.approx(plain, rel=1e-12)
    low, high = ratio.interval(5)
    assert low < ratio.value < high


def test_resamples_of_two_ratios_are_paired(ratio):
    shifted = StudyRatio(ratio.total + 0.1 * ratio.count, ratio.count)
    difference = shifted.resampled(1) - ratio.resampled(1)
    assert len(difference) == RESAMPLES
    np.testing.assert_allclose(difference, 0.1, atol=1e-12)
    assert np.ptp(shifted.resampled(1) - ratio.resampled(2)) > 0.1


def test_a_ratio_of_nothing_says_nothing():
    empty = StudyRatio.of(np.array([np.nan, np.nan]))
    assert np.isnan(empty.value)
    assert empty.result() == {"value": None, "interval": None, "n": 0}


def test_a_ratio_of_one_study_has_a_value_and_no_interval():
    one = StudyRatio.of(np.array([np.nan, 0.25, np.nan]))
    assert one.result() == {"value": 0.25, "interval": None, "n": 1}
    assert one.interval() is None


def test_one_that_says_something_comes_with_interval_and_n(ratio):
    result = ratio.result(5)
    assert result["value"] == ratio.value
    assert result["interval"] == list(ratio.interval(5))
    assert result["n"] == ratio.n


def test_nan_and_uneven_lengths_are_refused():
    with pytest.raises(ValueError, match="must be finite; a study that says nothing is 0 of 0"):
        StudyRatio(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(ValueError, match=r"must be \(n,\), got \(2,\) and \(3,\)"):
        StudyRatio(np.zeros(2), np.ones(3))
