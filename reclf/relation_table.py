"""The relation benchmark of one run as a table in Markdown: a column for each hospital.

results/relations-<hospital>.json -> what was measured, and what needs no model
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .tasks.relations import MEASURES
from .tasks.scoreboard import markdown, short

SHOWN = (
    "recall_at_5",
    "binding_accuracy",
    "relation_auroc",
    "relation_auroc_hard",
    "importance_auroc",
    "pointing_hit",
)


def as_markdown(results: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for every measure that the run has.

    Args:
        results: hospital -> what `notebooks/relations.ipynb` writes for it. The last column is of
            the first one.
    """
    hospitals = sorted(results)
    first = results[hospitals[0]]
    shown = [name for name in SHOWN if first[name]["value"] is not None]
    lines = [
        ["", *hospitals, f"without a model, {hospitals[0]}"],
        ["---"] * (2 + len(hospitals)),
        *([MEASURES[name].title, *_cells(results, hospitals, name)] for name in shown),
    ]
    return markdown(lines)


def _cells(
    results: Mapping[str, Mapping[str, Any]], hospitals: Sequence[str], name: str
) -> list[str]:
    baselines = (_baseline(results[hospitals[0]], b) for b in MEASURES[name].baselines)
    return [*(_value(results[hospital][name]) for hospital in hospitals), ", ".join(baselines)]


def _value(found: Mapping[str, Any]) -> str:
    low, high = (short(value) for value in found["interval"])
    return f"{short(found['value'])} [{low}, {high}]"


def _baseline(result: Mapping[str, Any], baseline: str | float) -> str:
    return short(result[baseline]["value"] if isinstance(baseline, str) else baseline)
