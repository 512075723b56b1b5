"""A value with its interval: as text, as a result holds it, and what is shown."""

import math

import pytest

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, short


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (0.8125, "", ".812"), (-0.25, "", "-.250"), (1, "", "1.000"), (0.03, "+", "+.030"),
        (-0.03, "+", "-.030"), (12.5, "+", "+12.500"), (0, "", ".000"), (None, "", ""),
        (math.nan, "+", "n/a"),
        (math.inf, "", "n/a"),
    ],
)  # fmt: skip
def test_a_number_has_three_decimals_and_no_leading_zero(value, sign, text):
    assert short(value, sign) == text


def test_an_estimate_is_written_with_its_interval_where_it_has_one():
    estimate = Estimate(0.03, (-0.01, 1.25), 9)
    assert str(estimate) == ".030 [-.010, 1.250]"
    assert f"{estimate:+}" == "+.030 [-.010, +1.250]"
    assert str(Estimate(0.2)) == ".200"
    assert str(Estimate(math.nan, (0.1, 0.2))) == "n/a"


def test_results_and_estimates_say_the_same():
    estimate = Estimate(0.5, (0.4, 0.6), 30)
    assert estimate.result() == {"value": 0.5, "interval": [0.4, 0.6], "n": 30}
    assert Estimate.of(estimate.result()) == estimate
    over_seeds = Estimate(0.5, (0.4, 0.6), 30, (0.4, 0.6)).result("mean")
    assert over_seeds == {"mean": 0.5, "interval": [0.4, 0.6], "n": 30, "seeds": [0.4, 0.6]}
    assert Estimate.of(over_seeds) == estimate
    nothing = Estimate(math.nan, (math.nan, math.nan))
    assert nothing.result() == {"value": None, "interval": None, "n": 0}
    assert math.isnan(Estimate.of(nothing.result()).value)
    assert Estimate.of({"value": 0.2, "interval": [0.1, None]}) == Estimate(0.2)
    assert math.isnan(Estimate(0.2).low)
    assert math.isnan(Estimate(0.2).high)


@pytest.mark.parametrize(
    ("ends", "n", "seeds", "direction"),
    [
        ((0.01, 0.05), 20, (), 1), ((-0.05, -0.01), 20, (), -1), ((0.0, 0.06), 20, (), 0),
        ((0.01, 0.05), 19, (), 0), ((0.01, 0.05), 20, (0.03,), 0), (None, 20, (), 0),
        ((0.01, 0.05), 20, (0.02, 0.04), 1), ((math.nan, math.nan), 20, (), 0),
    ],
)  # fmt: skip
def test_a_direction_needs_studies_two_seeds_and_an_interval_without_0(ends, n, seeds, direction):
    estimate = Estimate(0.03, ends, n, seeds)
    assert estimate.direction() == direction
    assert estimate.verdict == ("real" if direction else "not shown")


def test_a_table_has_a_header_and_a_line_per_row():
    assert markdown(["", "n"], [("a", "1"), ("b", "2")]) == (
        "|  | n |\n| --- | --- |\n| a | 1 |\n| b | 2 |"
    )
