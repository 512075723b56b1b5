"""The result of an ablation as two tables in Markdown: every variant, and what beats its control.

results/ablation.json -> means with intervals | differences with verdicts
"""

from collections.abc import Mapping
from typing import Any

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, number

from .ablation import ABLATION_MEASURES, LEVEL
from .relation_table import named_baselines
from .variants import title

SHOWN = (
    "recall_at_5",
    "recall_at_5_global",
    "binding_accuracy",
    "relation_auroc",
    "relation_auroc_hard",
    "importance_auroc",
    "pointing_hit",
    "zero_shot_auroc",
    "linear_probe_auroc",
)
COMPARED = ("recall_at_5", "binding_accuracy", "zero_shot_auroc", "linear_probe_auroc")
_OTHERS = ("comparisons", "baselines", "verdicts", "protocol", "training")


def as_markdown(result: Mapping[str, Any]) -> str:
    """Both tables.

    Args:
        result: what `notebooks/study/ablation.ipynb` writes.
    """
    return f"{means(result)}\n\n{differences(result)}"


def means(result: Mapping[str, Any]) -> str:
    """A row for every variant, a column for every measure that one of them has."""
    rows = {name: row for name, row in result.items() if name not in _OTHERS}
    columns = [measure for measure in SHOWN if any(measure in row for row in rows.values())]
    lines = [
        [title(name), *(_estimate(row.get(measure)) for measure in columns)]
        for name, row in rows.items()
    ]
    lines.append(["baselines", *(_baselines(result["baselines"].get(m, {}), m) for m in columns)])
    header = ["", *(ABLATION_MEASURES[measure] for measure in columns)]
    if cost := result.get("training"):  # absent in results of version 0.2
        header.append("steps in seconds")
        for name, line in zip([*rows, ""], lines, strict=True):
            found = cost.get(name)
            steps = f"{found['steps']:,} in {number(found['seconds'], '.0f')} s" if found else ""
            line.append(steps)
    return markdown(header, lines)


def differences(result: Mapping[str, Any]) -> str:
    """A row for every comparison; what is not shown is in parentheses, and what is real after
    Holm's correction too has a star."""
    compared = result["comparisons"].values()
    columns = [m for m in COMPARED if any(m in entry["measures"] for entry in compared)]
    lines = []
    for pair, entry in result["comparisons"].items():
        name, _, control = pair.partition(" - ")
        cells = []
        for measure in columns:
            found = entry["measures"].get(measure)
            cell = _estimate(found, "+")
            real = found is None or found["verdict"] == "real"
            p = found.get("p_holm") if found and real else None
            star = " *" if p is not None and p < LEVEL else ""
            idle = "not trained: " * (found is not None and found["verdict"] == "not trained")
            cells.append(f"{cell}{star}" if real else f"({idle}{cell})")
        lines.append([f"{title(name)} over {title(control)}", entry["question"], *cells])
    made = markdown(["", "what it asks", *(ABLATION_MEASURES[m] for m in columns)], lines)
    family = [m for entry in compared for m in entry["measures"].values() if "p_holm" in m]
    note = f"(*) also after Holm's correction for {len(family)} comparisons, at {100 * LEVEL:g} %."
    return f"{made}\n\n{note}" if family else made


def _estimate(found: Mapping[str, Any] | None, sign: str = "") -> str:
    return "" if found is None else format(Estimate.of(found), sign)


def _baselines(found: Mapping[str, float], measure: str) -> str:
    # The cosine of word vectors is of one run, and no baseline of all variants.
    shared = {name: value for name, value in found.items() if not name.endswith("_word_cosine")}
    return named_baselines(shared, measure) if shared else ""
