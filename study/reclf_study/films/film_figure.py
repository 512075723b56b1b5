"""The figure of the real-film benchmark: measures with interval, chance and ceiling."""

from collections.abc import Mapping
from typing import Any

from .film_benchmark import MEASURES


def draw_measures(result: Mapping[str, Any]) -> Any:
    """A matplotlib figure: left the swaps and what has chance at .5, right the differences and
    shares. Measures that are not between -1 and 1 are left to the table.

    Args:
        result: what results/films-<data>.json holds.
    """
    import matplotlib.pyplot as plt

    names = [n for n in MEASURES if n in result and -1 <= result[n]["value"] <= 1]
    panels = [[n for n in names if (MEASURES[n].chance == 0.5) == half] for half in (True, False)]
    height = 1 + 0.28 * max(map(len, panels))
    figure, axes = plt.subplots(1, 2, figsize=(13, height), layout="constrained")
    for axis, shown in zip(axes, panels, strict=True):
        for y, name in enumerate(shown):
            entry = result[name]
            low, high = entry["interval"] or (entry["value"],) * 2
            axis.plot([low, high], [y, y], color="C0", lw=1.5)
            axis.plot(entry["value"], y, "o", color="C0", label="run" if y == 0 else None)
            for key, marker in (("ceiling", "D"), ("chance", "|")):
                if entry.get(key) is not None:
                    color = {"ceiling": "C1", "chance": "0.4"}[key]
                    axis.plot(entry[key], y, marker, mfc="none", color=color, ms=8)
        axis.set_yticks(range(len(shown)), [MEASURES[n].title for n in shown], fontsize=8)
        axis.invert_yaxis()
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_title("chance at .5", fontsize=9)
    axes[1].set_title("differences and shares", fontsize=9)
    axes[0].plot([], [], "D", mfc="none", color="C1", label="ceiling")
    axes[0].plot([], [], "|", color="0.4", ms=8, label="chance")
    axes[0].legend(fontsize=8)
    return figure
