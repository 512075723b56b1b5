"""Watch a training: its curves and how long it will take, live in the notebook or as a picture.

metrics.jsonl -> MetricsLog -> charts (steps and values) -> static/monitor.js | plot_training
"""

import math
import time
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from IPython.display import display
from matplotlib.figure import Figure

from reclf.config.foreign_files import read_json
from reclf.runs.metrics_log import MetricsLog
from reclf.runs.notebook import is_live
from reclf.stats.tables import number, plain

from . import browser
from .figure import PAGE, STYLE
from .palette import RELATION, SELECTED
from .still import StillWidget

POINTS = 400  # drawn of each curve; a screen shows no more
PAUSE = 0.5  # seconds between two messages to the browser
LINE_EVERY = 50  # steps between two printed lines where nobody watches
LOSSES = {  # name in metrics.jsonl -> name for people; the loss is their sum
    "global_loss": "global",
    "local_loss": "relation-enhanced",
    "auxiliary_loss": "auxiliary",
}
CURVES = {  # chart -> name in metrics.jsonl -> name for people
    "InfoNCE loss": LOSSES,
    "recall@5, validation": {"val_recall_at_5": "combined", "val_global_recall_at_5": "global"},
}
COLORS = {
    "global": RELATION,
    "relation-enhanced": SELECTED,
    "combined": SELECTED,
    "auxiliary": "#009E73",
}


class TrainingMonitor(StillWidget):
    """Curves of a run while it trains.

    Args:
        folder: of the run.
        theme: "auto", "light" or "dark".

    In a `with` block it shows itself, follows `log`, and at the end leaves a picture of all curves
    in the notebook. Where nobody watches (papermill), `log` prints a line now and then instead.
    """

    _esm = browser.module(browser.MONITOR)
    _css = browser.style("monitor")

    charts: Any = traitlets.List(help="see `charts_of`").tag(sync=True)
    progress: Any = traitlets.Dict(help="step, total, left (s), studies_per_second").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(self, folder: str | Path, theme: str = "auto"):
        self.folder = Path(folder)
        self._history = MetricsLog(self.folder / "metrics.jsonl")
        self._shown = False
        self._sent = 0.0
        super().__init__(theme=theme)
        self.update()

    def update(self) -> None:
        """Read what was logged since, and show it."""
        records = self._history.read()
        with self.hold_sync():
            self.charts = charts_of(records, self._chance())
            self.progress = progress_of(records)
        self._sent = time.monotonic()

    def log(self, record: dict[str, Any]) -> None:
        """Give this to `pretrain(run, on_log=monitor.log)`."""
        if not self._shown:
            if "loss" in record and record["step"] % LINE_EVERY == 0:
                print(sentence(progress_of([record])), flush=True)
        elif time.monotonic() - self._sent > PAUSE:
            self.update()

    def __enter__(self) -> "TrainingMonitor":
        if is_live():
            display(self)
            self._shown = True
        return self

    def __exit__(self, *error: Any) -> None:
        self.update()
        self.store()  # the last picture, not the first

    def alt_text(self) -> str:
        """Where the training stands, and the last value of every curve."""
        curves = [
            f"{chart['title']}, {line['name']}: {line['y'][-1]:.3f}"
            for chart in self.charts
            for line in chart["lines"]
        ]
        return "; ".join([f"Training of {self.folder.name}, {sentence(self.progress)}", *curves])

    def figure(self, width: float = PAGE) -> Figure:
        """The curves for print."""
        return plot_training(self.charts, width)

    def _still(self) -> Figure:
        return self.figure()

    def _chance(self) -> dict[str, Any] | None:
        """The loss of a model that knows nothing: every report fits every image equally well.

        The batch is that of all processes. With a shortlist the relation-enhanced loss has fewer
        negatives, nobody counts how many, and with a weight it is scaled: then the guide is named
        as that of the global loss.
        """
        path = self.folder / "config.json"
        machine = self.folder / "environment.json"
        try:
            train = read_json(path)["train"]
            there = read_json(machine) if machine.exists() else {}
            loss = math.log(train["batch_size"] * there.get("processes", 1))
        except (OSError, ValueError, TypeError, AttributeError, LookupError):
            return None  # the curves need neither
        of_both = not train.get("shortlist") and train.get("local_weight", 1) == 1
        return {
            "name": "chance" if of_both else "chance, global loss",
            "y": loss,
        }


def charts_of(
    records: list[dict[str, Any]], chance: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Charts with lines of steps and values, at most POINTS each; empty lines are left out.

    Args:
        records: of metrics.jsonl.
        chance: name and y of a guide, the loss of a model that knows nothing.
    """
    charts = []
    for title, curves in CURVES.items():
        lines = []
        points = full_windows(records) if curves is LOSSES else records
        for key, name in curves.items():
            there = [(r["step"], r[key]) for r in points if plain(r.get(key)) is not None]
            chosen = np.linspace(0, len(there) - 1, min(len(there), POINTS)).round().astype(int)
            if there:
                steps, values = zip(*(there[i] for i in chosen), strict=True)
                lines.append(
                    {"name": name, "color": COLORS[name], "x": list(steps), "y": list(values)}
                )
        guide, top = (chance, None) if curves is LOSSES else (None, 1)
        if guide and any(line["name"] == "auxiliary" for line in lines):
            guide = guide | {"name": f"{guide['name']} (not of auxiliary)"}  # which has a weight
        charts.append({"title": title, "lines": lines, "guide": guide, "top": top})
    return charts


def full_windows(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records with losses, each averaged over at least a usual number of steps.

    A record is the mean over the steps since the one before. At the end of a run, or where it was
    saved in between, these are few, and the mean of few batches looks like a spike. Such a record
    is averaged with those before it, weighted by their steps, until the window is full.

    Args:
        records: of metrics.jsonl, from the first step on.
    """
    logged = [record for record in records if "loss" in record]
    if not logged:
        return []
    counts = np.diff([0, *(record["step"] for record in logged)])
    usual = np.median(counts)
    found = []
    for end in range(1, len(logged) + 1):
        start = end - 1
        while start > 0 and counts[start:end].sum() < usual:
            start -= 1
        losses = {
            key: float(np.average([r[key] for r in logged[start:end]], weights=counts[start:end]))
            for key in LOSSES
            if all(key in r for r in logged[start:end])
        }
        found.append(logged[end - 1] | losses)
    return found


def progress_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Where a training stands, from its last record with a loss; {} before the first."""
    needed = {"loss", "total_steps", "seconds", "studies_per_second"}
    last = next((r for r in reversed(records) if needed <= r.keys() and r["step"] > 0), None)
    if last is None:
        return {}
    step, total = last["step"], last["total_steps"]
    # A run that is planned by time does not know its steps at first.
    left = (total - step) / step * last["seconds"] if total >= step else None
    rate = last["studies_per_second"]
    progress = {
        "step": step,
        "total": total,
        "loss": last["loss"],
        "parts": {name: last[key] for key, name in LOSSES.items() if key in last},
        "left": left,
        "studies_per_second": rate,
    }
    return plain(progress)


def sentence(progress: dict[str, Any]) -> str:
    """ "step 50 of 900, loss 3.6 = global 2.1 + relation-enhanced 1.5, 98 studies/s, 4 min left".

    The parts of the loss are those that were logged.
    """
    if not progress:
        return "no step yet"
    total = f" of {progress['total']}" if progress["left"] is not None else ""
    left = f", {progress['left'] / 60:.1f} min left" if progress["left"] else ""
    parts = (f"{name} {number(value, '.3f')}" for name, value in progress["parts"].items())
    return (
        f"step {progress['step']}{total}, loss {number(progress['loss'], '.3f')} = "
        f"{' + '.join(parts)}, {number(progress['studies_per_second'], '.0f')} studies/s{left}"
    )


def plot_training(charts: list[dict[str, Any]], width: float = PAGE) -> Figure:
    """The charts of `charts_of` side by side, for print."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(charts), figsize=(width, 0.34 * width), layout="constrained"
        )
        for axis, chart in zip(axes, charts, strict=True):
            for line in chart["lines"]:
                few = "o" if len(line["x"]) < 30 else None
                dashes = "--" if line["name"] == "global" else "-"
                axis.plot(
                    line["x"], line["y"], dashes, color=line["color"], label=line["name"],
                    marker=few, ms=3, lw=1.2,
                )  # fmt: skip
            if chart["guide"]:
                axis.axhline(chart["guide"]["y"], color="0.5", ls=":", label=chart["guide"]["name"])
            if not chart["lines"]:
                axis.text(0.5, 0.5, "nothing yet", transform=axis.transAxes, ha="center")
            axis.set(xlabel="step", ylabel=chart["title"], ylim=(0, chart["top"]))
            if chart["lines"] or chart["guide"]:
                axis.legend()
    return figure
