"""The relation benchmark of one run as a table in Markdown: a column for each hospital.

results/relations-<hospital>.json -> what was measured, and what it must beat
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, short

from .relation_benchmark import MEASURES

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
        results: hospital -> what relations.ipynb writes for it. The last column is of
            the first one.
    """
    hospitals = sorted(results)
    first = results[hospitals[0]]
    shown = [name for name in SHOWN if first[name]["value"] is not None]
    return markdown(
        ["", *hospitals, f"baselines, {hospitals[0]}"],
        ([MEASURES[name].title, *_cells(results, hospitals, name)] for name in shown),
    )


def _cells(
    results: Mapping[str, Mapping[str, Any]], hospitals: Sequence[str], name: str
) -> list[str]:
    first = results[hospitals[0]]
    baselines = {
        str(b): first[b]["value"] if isinstance(b, str) else b for b in MEASURES[name].baselines
    }
    cells = [str(Estimate.of(results[hospital][name])) for hospital in hospitals]
    return [*cells, named_baselines(baselines, name)]


def named_baselines(baselines: Mapping[str, float], measure: str) -> str:
    """Baselines of a measure in a cell, by name where there are several.

    Args:
        baselines: name of the ratio, such as "pointing_center" -> value.
        measure: such as "pointing_hit".
    """
    if len(baselines) == 1:
        return _baseline(next(iter(baselines.values())))
    stem = measure.removesuffix("_hit")
    names = {name: name.removeprefix(f"{stem}_").replace("_", " ") for name in baselines}
    return ", ".join(f"{names[name]} {_baseline(value)}" for name, value in baselines.items())


def _baseline(value: float | None) -> str:
    return "n/a" if value is None else short(value)
