"""The figure of a task: a panel a measure, a row for everything that is compared."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from .number_text import OWN, TASK_TITLES, measure_title, rows_of, scale_of
from .table import PaperTable

ACROSS = 4  # panels


def draw(table: PaperTable, task: str) -> Figure:
    """Values with their interval or standard deviation; the chance level dotted.

    Blue: what the suite compares; orange squares: another protocol; gray: baselines.
    """
    measures = table.of_task(task)
    rows = rows_of(table, measures)
    across = min(ACROSS, len(measures))
    down = -(-len(measures) // across)
    size = (2.2 + 2.3 * across, 0.4 + down * (0.9 + 0.28 * len(rows)))
    with plt.rc_context({"text.parse_math": False}):  # names are text, never formulas
        figure, axes = plt.subplots(
            down, across, figsize=size, layout="constrained", sharey=True, squeeze=False
        )
        for axis in axes.flat[len(measures) :]:
            axis.set_axis_off()
        for axis, m in zip(axes.flat, measures, strict=False):
            scale = scale_of(m)
            for place, row in enumerate(rows):
                entry = table.entries.get((row, m))
                if entry is None:
                    continue
                color = "0.55" if table.rows[row] not in OWN else "C0" if entry.compares else "C1"
                ends = entry.interval
                if entry.deviation is not None:
                    ends = entry.value - entry.deviation, entry.value + entry.deviation
                if ends is not None:
                    axis.plot([scale * end for end in ends], [place] * 2, color=color, lw=1.5)
                marker = "o" if entry.compares else "s"
                axis.plot(scale * entry.value, place, marker, color=color, ms=5)
            if m in table.chance:
                axis.axvline(scale * table.chance[m], color="k", ls=":", lw=1)
            axis.set_yticks(range(len(rows)), rows)
            axis.set_ylim(len(rows) - 0.5, -0.5)
            axis.set_title(f"{m.data}\n{measure_title(m)}", fontsize=9)
            axis.grid(axis="x", color="0.9")
        figure.suptitle(TASK_TITLES.get(task, task), fontsize=11)
    return figure
