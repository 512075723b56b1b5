"""Results of several runs as interactive figures: point at a value to read it with its interval.

Comparison -> one plotly figure per results file -> one HTML page that works offline
"""

import html
from pathlib import Path

import plotly.graph_objects as go

from reclf.runs.files import write_atomically

from .compare_runs import Comparison

# Okabe and Ito's colors, which people with color blindness distinguish.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")


def interval_figure(compared: Comparison, name: str, details: bool = False) -> go.Figure:
    """Every measure of a results file with its 95 % interval, a color for each run.

    Measures beyond [-1, 1] are counts and not shares; they are left to the table.

    Args:
        name: of the results file.
        details: also measures that are details of others.
    """
    by_run = compared.numbers[name]
    rows = [
        measure for measure in compared.rows(name, details)
        if all(-1 <= found[measure].value <= 1 for found in by_run.values() if measure in found)
    ]  # fmt: skip
    figure = go.Figure()
    for k, run in enumerate(run for run in compared.runs if run in by_run):
        known = [(row, by_run[run][row]) for row in rows if row in by_run[run]]
        ends = [number.interval or (number.value, number.value) for _, number in known]
        values = [number.value for _, number in known]
        figure.add_scatter(
            x=values,
            y=[_text(row.replace("_", " ")) for row, _ in known],
            mode="markers",
            name=_text(run),
            marker={"color": COLORS[k % len(COLORS)], "size": 9},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [high - value for (_, high), value in zip(ends, values, strict=True)],
                "arrayminus": [value - low for (low, _), value in zip(ends, values, strict=True)],
            },
            text=[str(number) for _, number in known],
            hovertemplate="%{y}: %{text}",
        )
    figure.update_layout(
        title=_text(name), scattermode="group", template="plotly_white", height=140 + 34 * len(rows)
    )
    figure.update_yaxes(autorange="reversed")
    return figure


def _text(name: str) -> str:
    """A name as plotly shows it: it reads HTML everywhere, and formulas between dollar signs."""
    return html.escape(name, quote=False).replace("$", "&#36;")


def write_page(compared: Comparison, path: Path, details: bool = False) -> Path:
    """All figures on one page, with plotly's own code in it (5 MB), so that it opens offline."""
    parts: list[str] = []
    for k, name in enumerate(compared.numbers):
        figure = interval_figure(compared, name, details)
        parts.append(figure.to_html(full_html=False, include_plotlyjs=not k, div_id=f"figure-{k}"))
    head = '<!doctype html><meta charset="utf-8"><title>Runs compared</title>'
    page = f"{head}<body>{''.join(parts)}</body>"
    write_atomically(path, lambda temporary: temporary.write_text(page, encoding="utf-8"))
    return path
