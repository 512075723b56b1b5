"""What a suite would do, how long it would take and what it would write: the dry run.

    Cells -> data opened, films counted -> PlannedCell: done, to do or left out; seconds, megabytes

Estimates come from cells of the suite that are done, as far as there are any; before that from the
time limit of a training, and from FILMS_PER_SECOND. Data that cannot be opened are found here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from reclf.config import RunConfig
from reclf.datasets.registry import load_dataset
from reclf.models.reclf import RECLF
from reclf.stats.tables import markdown

from .cells import Cell, Cells
from .notebook_parameters import task_parameters

FILMS_PER_SECOND = 50  # read and encoded by two models, on two CPU cores: assumed
STEP_SECONDS = 0.2  # of the decoder of a segmentation: assumed
TRAINING_BYTES = 16  # a parameter: two checkpoints of 4, and the optimizer's two moments
LONGEST = 400  # characters of a reason
SIZES = {"split": "studies", "train_split": "train_studies", "val_split": "val_studies"}


@dataclass(frozen=True)
class PlannedCell:
    """One cell of a plan.

    Attributes:
        state: "done", "to do", or why it cannot be done.
        seconds, megabytes: of what is to do; None where nothing is known yet.
    """

    cell: Cell
    state: str
    seconds: float | None = None
    megabytes: float | None = None


def plan(cells: Cells) -> list[PlannedCell]:
    """Every cell with its state. The data that open cells need are opened, and no film is read."""
    films = _Films()
    here = [cell for cell in cells.all if not cell.lacks]
    done = {c.name: record for c in here if (record := cells.record(c)) is not None}
    return [_planned(cells, cell, done, films) for cell in cells.all]


def as_text(planned: Sequence[PlannedCell]) -> str:
    """A table of all cells in Markdown, and the sums below it."""
    rows = [
        (one.cell.name, one.state, _hours(one.seconds), _size(one.megabytes))
        if one.state == "to do"
        else (one.cell.name, one.state, "", "")
        for one in planned
    ]
    todo = [one for one in planned if one.state == "to do"]
    unknown = sum(one.seconds is None or one.megabytes is None for one in todo)
    seconds = sum(one.seconds or 0 for one in todo)
    megabytes = sum(one.megabytes or 0 for one in todo)
    states = [one.state for one in planned]
    left, wrong = (
        sum(s.startswith(word) for s in states) for word in ("left out", "cannot be done")
    )
    text = (
        f"{len(planned)} cells: {states.count('done')} done, {len(todo)} to do, {left} left out, "
        f"{wrong} that cannot be done. "
        f"To do: about {_hours(seconds)} one after the other, {_size(megabytes)}"
    )
    if unknown:
        text += f"; {unknown} of them cannot be estimated before one like them is done"
    return f"{markdown(('cell', 'state', 'time', 'disk'), rows)}\n\n{text}."


def _planned(
    cells: Cells, cell: Cell, done: Mapping[str, dict[str, Any]], films: "_Films"
) -> PlannedCell:
    if cell.lacks:
        folder = cells.suite.data[cell.lacks].folder
        return PlannedCell(cell, f"left out: {cell.lacks} is not in {folder}")
    if cell.name in done:
        return PlannedCell(cell, "done")
    if cell.row.kind == "run" and not cell.checkpoint.is_file():
        return PlannedCell(cell, f"cannot be done: no trained run in {cell.folder}")
    finished = [other for other in cells.all if other.name in done]
    alike = [o for o in finished if (o.kind, o.column) == (cell.kind, cell.column)]
    took = [s for other in alike if (s := done[other.name].get("seconds"))]
    seconds = median(took) if took else None
    if cell.kind == "import":
        return PlannedCell(cell, "to do", seconds)
    if cell.kind == "train":
        config = cell.row.configs[cell.run]
        if seconds is None and config.train.max_steps == 0:
            seconds = config.train.max_minutes * 60
        return PlannedCell(cell, "to do", seconds, _training_size(config, alike))
    try:
        guess = films.seconds(cells, cell)
    except Exception as error:  # whatever a data set has to say of itself
        text = " ".join(str(error).split())
        return PlannedCell(cell, f"cannot be done: {text[:LONGEST]}")
    return PlannedCell(cell, "to do", guess if seconds is None else seconds, 0.0)


class _Films:
    """Numbers of films by data set and split; each is opened once."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def seconds(self, cells: Cells, cell: Cell) -> float:
        """What an evaluation may take, from the films that it reads."""
        column = cells.suite.columns[cell.column]
        p = vars(task_parameters(column.task, cells.suite.parameters(cell.column)))
        films = 0
        for split, size in SIZES.items():
            if split in p:
                there = self._count(p, p[split] or "test")
                films += min(p.get(size) or there, there)
        steps = p["steps"] * len(p["fractions"]) * 2 if column.task == "segmentation" else 0
        return films / FILMS_PER_SECOND + steps * STEP_SECONDS

    def _count(self, p: dict[str, Any], split: str) -> int:
        key = repr((p["dataset"], p["data_root"], p["options"], split))
        if key not in self.counts:
            data = load_dataset(p["dataset"], p["data_root"], split, 64, **p["options"])
            self.counts[key] = len(data)
        return self.counts[key]


def _training_size(config: RunConfig, alike: Sequence[Cell]) -> float | None:
    """Megabytes of a run folder: of one that is there, or from the number of parameters."""
    for cell in alike:
        return sum(f.stat().st_size for f in cell.folder.rglob("*") if f.is_file()) / 1e6
    model, text = config.model, config.model.text_tower
    if not all(_is_local(tower.name) for tower in (model.image_tower, text)):
        return None
    if not text.name:
        sizes = text.config | {"vocab_size": config.data.vocab_size}
        model = replace(model, text_tower=replace(text, config=sizes))
    with torch.device("meta"):
        parameters = sum(p.numel() for p in RECLF(model).parameters())
    return parameters * TRAINING_BYTES / 1e6


def _is_local(name: str) -> bool:
    return not name or Path(name).expanduser().is_dir()


def _hours(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(megabytes: float | None) -> str:
    if megabytes is None:
        return "unknown"
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"
