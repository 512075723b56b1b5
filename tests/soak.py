"""Training, explaining and exploring in one process for a long time: does anything grow?

    python tests/soak.py 120 --log soak.txt     two hours, a line a minute

A round trains a small model into a fresh folder while a live monitor watches, explains studies with
it, explores them as a person does, and throws the folder away. After each round it is counted what
the process holds. What is judged is the slope over the second half of the rounds, with its 95 %
interval: in the first half, caches fill (imports, compiled kernels, fonts, the allocator's arenas).
"""

import argparse
import ctypes
import gc
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ipywidgets
import matplotlib
import psutil
from scipy import stats

matplotlib.use("Agg")

import comm
import matplotlib.pyplot as plt

import reclf_widgets.monitor
from reclf.datasets.selection import gallery, open_splits
from reclf.explain import explain, load_explanations
from reclf.models.reclf import RECLF
from reclf.pretrain import open_run, pretrain
from reclf_widgets import (
    ImportanceView,
    MatchingExplorer,
    MatchingView,
    RelationGraphView,
    TrainingMonitor,
    plot_importance,
    plot_matchings,
    plot_relations,
    save_figure,
)

SETTINGS = {
    "model.image_size": 32,
    "train.max_steps": 12,
    "train.batch_size": 4,
    "train.val_studies": 6,
    "train.evaluate_every": 6,
    "data.vocab_size": 300,
    "train.device": "cpu",
    "data.counterfactuals": {},
}
FEWEST = 8
WORKERS_EVERY = 5  # rounds between two that read their data in a process of its own
# Growth a round that is let pass. The interval of memory has to reach below it, since some pages
# come and go, all the more in few rounds. What earlier soaks saw grow by 0.016 MB a round over two
# hours is what the allocator keeps for itself (see `held`): it went up and down by 11 MB from round
# to round while the rest stood still within 0.04 MB. At the limit a day of rounds of 7 s would take
# 370 MB; a study of 128 x 128 pixels that is kept is above it.
NAMES = ("memory", "files", "threads", "children", "temporary", "figures", "widgets")
MEMORY_LIMIT = 0.03  # MB


def limit_of(name: str, rounds: int) -> float:
    """Memory may also grow by 1.2 MB in all over the half of the rounds that is judged."""
    return max(MEMORY_LIMIT, 2.4 / rounds) if name == "memory" else 0


def held(temporary: Path) -> dict[str, float]:
    """What the process holds now: resident memory in MB, and counts.

    Free pages, which the allocator of glibc keeps for itself, are given back first.
    """
    gc.collect()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    process = psutil.Process()
    return {
        "memory": process.memory_info().rss / 1e6,
        "files": process.num_fds(),
        "threads": process.num_threads(),
        "children": len(process.children(recursive=True)),
        "temporary": len(list(temporary.iterdir())),
        "figures": len(plt.get_fignums()),
        "widgets": len(ipywidgets.widgets.widget._instances),
    }


def growth(values: Sequence[float]) -> tuple[float, float, float]:
    """Slope a round over the second half of the values, and its 95 % interval.

    Neighbours resemble each other, so the line is fitted to at most 12 means of equal parts, whose
    errors are nearly independent.
    """
    late = list(values[len(values) // 2 :])
    width = -(-len(late) // 12)
    parts = [late[k : k + width] for k in range(len(late) % width, len(late), width)]
    means = [sum(part) / width for part in parts]
    if len(set(means)) == 1:
        return 0.0, 0.0, 0.0
    fit = stats.linregress(range(len(means)), means)
    margin = stats.t.ppf(0.975, len(means) - 2) * fit.stderr
    slope, low, high = (
        float(x) / width for x in (fit.slope, fit.slope - margin, fit.slope + margin)
    )
    return slope, low, high


def growing(rounds: Sequence[Mapping[str, float]]) -> list[str]:
    """What grows beyond its limit, each a sentence."""
    found = []
    for name in NAMES:
        slope, low, high = growth([one[name] for one in rounds])
        if low > limit_of(name, len(rounds)):
            found.append(f"{name} grows by {slope:.3f} a round [{low:.3f}, {high:.3f}]")
    return found


def train_and_explain(folder: Path, number: int) -> tuple[RECLF, list[Any], list[Any]]:
    """A trained model, studies, and their explanations as read back from the run."""
    workers = int(number % WORKERS_EVERY == WORKERS_EVERY - 1)
    run = open_run(folder, SETTINGS | {"data.workers": workers}, "phantom_small")
    with TrainingMonitor(folder) as monitor:
        model = pretrain(run, progress_bar=False, on_log=monitor.log)
    save_figure(monitor.figure(), folder / "figures" / "curves.png")
    plt.close("all")
    monitor.close()
    studies = gallery(open_splits(run.config, report=False)[run.config.data.val_split], 3)
    for study in studies:
        one = explain(model, study)
        one.save(folder / "explanations" / one.file_name)
    explained = load_explanations(folder / "explanations")
    return model, studies, [explained[study.study_id] for study in studies]


def explore(
    folder: Path, number: int, model: RECLF, studies: list[Any], explanations: list[Any]
) -> None:
    """What a person does with an explorer, and what a notebook stores of it.

    Drawing takes the most time, so the rounds take turns: every third draws the same.
    """

    def on_edit(index: int, edit: Any) -> Any:
        return dict.fromkeys("ab", explain(model, studies[index], edit))

    explorer = MatchingExplorer({"a": explanations, "b": explanations}, on_edit=on_edit)
    views = [view(explorer) for view in (MatchingView, RelationGraphView, ImportanceView)]
    for index in range(len(studies)):
        explorer.case_index = index
        for word in range(min(3, len(explorer.explanation.words))):
            explorer.word, explorer.region = word, word
    explorer.view, explorer.other, explorer.smooth = "compare", 1, True
    explorer.edit = {"serial": 1, "text": "Small left effusion"}
    if explorer.status:
        raise RuntimeError(explorer.status)
    explorer.edit = {"serial": 2, "version": 0}
    turn = number % 3
    views[turn].still()
    explorer.to_html(folder / "page.html", "all")
    explorer.save_figure(folder / f"figure.{('png', 'svg', 'pdf')[turn]}")
    plt.close((plot_matchings, plot_relations, plot_importance)[turn](explanations[0]))
    for widget in (*views, explorer):
        widget.close()


class FrontEnd(comm.base_comm.BaseComm):
    """What is sent to it is written as JSON and thrown away."""

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keywords):
        json.dumps([msg_type, data, metadata], allow_nan=False)


def watched() -> ExitStack:
    """Within it, widgets have a front end, as in a notebook that somebody looks at."""
    stack = ExitStack()
    stack.enter_context(patch.dict(os.environ, JPY_SESSION_NAME="soak.ipynb"))
    stack.enter_context(patch.object(comm, "create_comm", FrontEnd))
    stack.enter_context(
        patch.object(reclf_widgets.monitor, "display", lambda monitor: monitor.still())
    )
    return stack


def soak(minutes: float, say: Callable[[str], None]) -> list[dict[str, float]]:
    """Rounds for some minutes, at least FEWEST; what was held after each."""
    rounds: list[dict[str, float]] = []
    start = said = time.monotonic()
    with tempfile.TemporaryDirectory() as home, watched():
        temporary = Path(home) / "tmp"
        temporary.mkdir()
        with patch.dict(os.environ, TMPDIR=str(temporary)), patch.object(tempfile, "tempdir", None):
            while len(rounds) < FEWEST or time.monotonic() - start < minutes * 60:
                folder = Path(home) / "run"
                explore(folder, len(rounds), *train_and_explain(folder, len(rounds)))
                shutil.rmtree(folder)
                rounds.append(held(temporary))
                if time.monotonic() - said > 60:
                    said = time.monotonic()
                    say(line((said - start) / 60, rounds))
    return rounds


def line(minutes: float, rounds: Sequence[Mapping[str, float]]) -> str:
    """Where the soak stands."""
    counts = ", ".join(f"{name} {value:.6g}" for name, value in rounds[-1].items())
    return f"{minutes:6.1f} min, {len(rounds)} rounds: {counts}"


def main(arguments: list[str] | None = None) -> int:
    """0 where nothing grows, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("minutes", type=float)
    parser.add_argument("--log", type=Path, help="file that receives the lines, too")
    given = parser.parse_args(arguments)

    def say(text: str) -> None:
        print(text, flush=True)
        if given.log:
            with given.log.open("a", encoding="utf-8") as file:
                file.write(text + "\n")

    start = time.monotonic()
    rounds = soak(given.minutes, say)
    say(line((time.monotonic() - start) / 60, rounds))
    for name in NAMES:
        slope, low, high = growth([one[name] for one in rounds])
        say(f"{name}: {slope:+.4f} a round [{low:+.4f}, {high:+.4f}], second half")
    for text in (found := growing(rounds)):
        say(text)
    return len(found) > 0


if __name__ == "__main__":
    sys.exit(main())
