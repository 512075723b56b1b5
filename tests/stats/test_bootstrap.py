"""Shares over studies: values by hand, intervals by the plain bootstrap, pairing."""

import numpy as np
import pytest

from reclf.stats.bootstrap import RESAMPLES, Tally, share
from reclf.stats.metrics import bootstrap_interval


@pytest.fixture
def tally():
    generator = np.random.default_rng(3)
    count = generator.integers(0, 5, 23).astype(float)
    return Tally(np.array([generator.uniform(0, c) for c in count]), count)


def test_it_divides_what_all_scored_by_all_they_could():
    tally = Tally(np.array([3.5, 0.0, 1.0]), np.array([4.0, 0.0, 1.0]))
    assert tally.value == pytest.approx(4.5 / 5)
    assert tally.n == 2


def test_values_of_a_study_count_alike_and_nan_not_at_all():
    tally = Tally.of(np.array([1.0, np.nan, 0.25]))
    assert (tally.value, tally.n) == (0.625, 2)
    values, study = np.array([1.0, 0.0, 0.5, np.nan, 0.2]), np.array([2, 0, 2, 0, 1])
    by_study = Tally.by_study(values, study)
    assert by_study.total.tolist() == [0.0, 0.2, 1.5]
    assert by_study.count.tolist() == [1, 1, 2]


def test_the_interval_is_that_of_the_plain_bootstrap(tally):
    plain = bootstrap_interval({"total": tally.total, "count": tally.count}, share, seed=5)
    assert tally.interval(5) == pytest.approx(plain, rel=1e-12)
    assert tally.interval(6) != pytest.approx(plain, rel=1e-12)
    low, high = tally.interval(5)
    assert low < tally.value < high


def test_resamples_of_two_tallies_are_paired(tally):
    shifted = Tally(tally.total + 0.1 * tally.count, tally.count)
    difference = shifted.resampled(1) - tally.resampled(1)
    assert len(difference) == RESAMPLES
    np.testing.assert_allclose(difference, 0.1, atol=1e-12)
    assert np.ptp(shifted.resampled(1) - tally.resampled(2)) > 0.1


def test_a_tally_of_nothing_says_nothing():
    empty = Tally.of(np.array([np.nan, np.nan]))
    assert np.isnan(empty.value)
    assert empty.result() == {"value": None, "interval": None, "n": 0}


def test_one_that_says_something_comes_with_interval_and_n(tally):
    result = tally.result(5, chance=0.5)
    assert result["value"] == tally.value
    assert result["interval"] == list(tally.interval(5))
    assert result["n"] == tally.n
    assert result["chance"] == 0.5


def test_nan_and_uneven_lengths_are_refused():
    with pytest.raises(ValueError, match="must be finite; a study that says nothing is 0 of 0"):
        Tally(np.array([np.nan]), np.array([1.0]))
    with pytest.raises(ValueError, match=r"must be \(n,\), got \(2,\) and \(3,\)"):
        Tally(np.zeros(2), np.ones(3))
