"""The paper's table: numbers by row and measure, what competes, and what must be said of them.

Entry: mean, SD over seeds, interval of one seed; best among those that compare
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite, nan
from statistics import fmean, stdev
from typing import Any

from reclf.stats.estimate import FEWEST_STUDIES

from .published import PublishedNumber, standing

CONTROLS = ("dice_place_prior", "pointing_other_phrase")  # shown, and never best


@dataclass(frozen=True)
class Measure:
    """One column of numbers."""

    task: str
    data: str
    measure: str
    fraction: float | None = None

    @property
    def key(self) -> str:
        part = "" if self.fraction is None else f"@{100 * self.fraction:g}%"
        return f"{self.task}-{self.data}/{self.measure}{part}"


@dataclass(frozen=True)
class Entry:
    """One number of the table.

    Attributes:
        value: mean over seeds; NaN where one has no value.
        seeds: one value a seed.
        interval: over studies, of a single seed; None with several seeds, or where it is not known.
        n: studies of the smallest seed.
        compares: whether its protocol is that of the column.
        best: whether it is the highest of those that compare, one of them is lower, and there are
            at least FEWEST_STUDIES studies.
    """

    value: float
    seeds: tuple[float, ...]
    interval: tuple[float, float] | None
    n: int
    compares: bool = True
    best: bool = False

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds; None of one seed."""
        return stdev(self.seeds) if len(self.seeds) > 1 and isfinite(self.value) else None

    @classmethod
    def over(cls, results: list[Mapping[str, Any]]) -> Entry | None:
        """From one result a seed; None of none."""
        values = [nan if r.get("value") is None else float(r["value"]) for r in results]
        if not values:
            return None
        interval = results[0].get("interval") if len(results) == 1 else None
        known = interval is not None and None not in interval
        sizes = [result.get("n") or 0 for result in results]
        ends = (interval[0], interval[1]) if known and interval else None
        return cls(fmean(values), tuple(values), ends, min(sizes))


@dataclass
class PaperTable:
    """Everything that the files of a suite show.

    Attributes:
        measures: the columns of numbers, in the order of the suite.
        rows: title -> kind: "train", "run", "encoder", "start" or "untrained".
        entries: (title, measure) -> number.
        chance: measure -> expected value of a random answer, where it is known.
        notes: task -> what a reader must know of its numbers, in whole sentences.
        published: measure -> numbers of the literature, each with the choices in which it differs
            from the column, or which one of the two does not state.
        training: title -> seconds and steps of each seed.
        protocols: "task-data" -> the protocol of what compares.
    """

    measures: list[Measure] = field(default_factory=list)
    rows: dict[str, str] = field(default_factory=dict)
    entries: dict[tuple[str, Measure], Entry] = field(default_factory=dict)
    chance: dict[Measure, float] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    published: dict[Measure, list[tuple[PublishedNumber, list[str]]]] = field(default_factory=dict)
    training: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    protocols: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(measure.task for measure in self.measures))

    def of_task(self, task: str) -> list[Measure]:
        return [measure for measure in self.measures if measure.task == task]

    def standing(self, title: str, measure: Measure) -> str:
        """Where a row's number stands among published ones, of each direction of retrieval;
        empty where there are none."""
        entry = self.entries.get((title, measure))
        by_column: dict[Any, list[PublishedNumber]] = {}
        for number, _ in self.published.get(measure, ()):
            by_column.setdefault(number.column, []).append(number)
        if entry is None:
            return ""
        texts = []
        for numbers in by_column.values():
            direction = numbers[0].choices.get("direction", "")
            text = standing(entry.value, numbers)
            texts.append(f"{direction}: {text}" if direction else text)
        return "; ".join(texts)

    def note(self, task: str, sentence: str) -> None:
        """Add what a reader must know of the numbers of a task."""
        self.notes.setdefault(task, []).append(sentence)

    def mark_best(self) -> None:
        """Mark the highest of the entries that compare, in every column but CONTROLS."""
        for measure in self.measures:
            competing = {
                row: entry
                for row in self.rows
                if (entry := self.entries.get((row, measure))) is not None
                and entry.compares
                and isfinite(entry.value)
            }
            if measure.measure in CONTROLS or len(competing) < 2:
                continue
            few = min(entry.n for entry in competing.values())
            if few < FEWEST_STUDIES:
                name = f"{measure.data}, {measure.measure}"
                rule = f"of fewer than {FEWEST_STUDIES} studies nothing is bold"
                self.note(measure.task, f"{name}: n = {few}; {rule}.")
                continue
            values = {entry.value for entry in competing.values()}
            for row, entry in competing.items():
                is_best = entry.value == max(values) and len(values) > 1
                self.entries[row, measure] = replace(entry, best=is_best)
