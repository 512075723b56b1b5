"""A value with its 95 % interval: one type, with one verdict, one text and one JSON form.

Estimate --str--> ".812 [.790, .834]"    --format "+", a difference--> "+.030 [+.010, +.050]"
         --result--> {"value": ..., "interval": [low, high], "n": ...}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

from .tables import short

FEWEST_SEEDS = 2
FEWEST_STUDIES = 20
_VALUES = ("value", "mean", "difference")  # names of the value in result files


@dataclass(frozen=True)
class Estimate:
    """A measure, or the difference of two.

    Attributes:
        value: NaN where no study has one.
        interval: lower and upper end; None where it is not known.
        n: studies (or cases) that have a value; 0 where it is not known.
        seeds: one value per seed, of a mean over seeds.
        p: two-sided p-value of a difference, against 0; None where it is not known.
    """

    value: float
    interval: tuple[float, float] | None = None
    n: int = 0
    seeds: tuple[float, ...] = ()
    p: float | None = None

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Estimate:
        """The estimate that a result file holds, see `result`; the value may be None."""
        value = next(result[name] for name in _VALUES if name in result)
        low_high = result.get("interval")
        interval = None if low_high is None or None in low_high else (low_high[0], low_high[1])
        value = nan if value is None else value
        return cls(value, interval, result.get("n", 0), p=result.get("p"))

    @property
    def low(self) -> float:
        return nan if self.interval is None else self.interval[0]

    @property
    def high(self) -> float:
        return nan if self.interval is None else self.interval[1]

    def direction(self, fewest: int = FEWEST_STUDIES) -> int:
        """1 where the interval lies above 0, -1 where below, 0 where neither is shown.

        One seed says nothing about another, and a handful of studies nothing about others: of one
        seed, or of fewer studies than `fewest`, nothing is shown, whatever the interval.
        """
        if self.n < fewest or 0 < len(self.seeds) < FEWEST_SEEDS:
            return 0
        return int(self.low > 0) - int(self.high < 0)

    @property
    def verdict(self) -> str:
        """ "real" where the interval of a difference excludes 0, else "not shown"."""
        return "real" if self.direction() else "not shown"

    def __format__(self, sign: str) -> str:
        """Three decimals; with `sign` "+", positive numbers have one too."""
        value = short(self.value, sign)
        if self.interval is None or not isfinite(self.value):
            return value
        return f"{value} [{short(self.low, sign)}, {short(self.high, sign)}]"

    def __str__(self) -> str:
        return format(self)

    def result(self, name: str = "value") -> dict[str, Any]:
        """As result files hold it, the value under `name`; None where it is not known."""
        known = isfinite(self.value)
        interval = list(self.interval) if known and self.interval is not None else None
        found = {name: self.value if known else None, "interval": interval, "n": self.n}
        more = {"seeds": list(self.seeds)} if self.seeds else {}
        return found | more | ({} if self.p is None else {"p": self.p})
