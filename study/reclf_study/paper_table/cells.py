"""The work of a suite in cells: one training, or one task of one run. Each is done once.

    Suite --> Cell "train/srm-seed0", "srm-seed0/zero_shot-rsna", ... --run--> cells/<name>.json

A cell is an independent process where one wants that: it reads what earlier cells wrote, takes a
lock that its death releases, and writes one record when all is done. So a killed suite loses the
cell that it was in, and of a training no more than the time since its last checkpoint.
"""

import gc
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import file_digest
from importlib import import_module
from pathlib import Path
from typing import Any

import matplotlib
from filelock import FileLock, Timeout

from reclf.config.foreign_files import DamagedFile, read_json
from reclf.import_encoder import import_encoder
from reclf.pretrain import pretrain
from reclf.runs.files import whole_folder, write_atomically, write_json
from reclf.runs.notebook import resolve
from reclf.runs.run import IMPORTED, Run
from reclf.stats.tables import json_text, plain
from reclf.tasks.results import present_names, short_hash

from .notebook_parameters import task_parameters
from .suite import Row, Suite

EVALUATIONS = "reclf.tasks.evaluations"
NO_QUESTION = ("run", "device", "workers", "trust_code")  # parameters that change no number
IMAGE_TASKS = ("linear_probe", "segmentation")  # which an image encoder alone can be asked


@dataclass(frozen=True)
class Cell:
    """One piece of work.

    Attributes:
        name: "train/<run>", "import/<encoder>" or "<run>/<column>".
        row: what it belongs to.
        run: name of the run in `row.folders`.
        column: of an evaluation; empty for others.
        lacks: a data source that is not there, so that the cell cannot be run.
    """

    name: str
    row: Row
    run: str
    column: str = ""
    lacks: str = ""

    @property
    def kind(self) -> str:
        return "evaluate" if self.column else self.name.partition("/")[0]

    @property
    def folder(self) -> Path:
        """Of its run."""
        return self.row.folders[self.run]

    @property
    def checkpoint(self) -> Path:
        """The weights that are asked."""
        return whole_folder(self.folder / "checkpoints" / "best") / "model.safetensors"


class Cells:
    """The cells of a suite, their records and locks in `<folder>/cells`.

    Args:
        suite: what to do.
    """

    def __init__(self, suite: Suite):
        self.suite = suite
        self.folder = suite.folder / "cells"
        self.all = list(_cells_of(suite))
        self._by_name = {cell.name: cell for cell in self.all}

    def find(self, name: str) -> Cell:
        """A cell by name; `ValueError` lists the names."""
        if name not in self._by_name:
            raise ValueError(f"no cell {name!r}; cells: {', '.join(self._by_name)}")
        return self._by_name[name]

    def record(self, cell: Cell) -> dict[str, Any] | None:
        """What a finished cell left, if it was asked the same of the same checkpoint; else None."""
        if cell.kind != "evaluate":
            return self._made(cell)
        path = self._path(cell)
        if not path.is_file() or not cell.checkpoint.is_file():
            return None
        try:
            found = read_json(path)
        except DamagedFile as error:
            warnings.warn(f"{error}. The cell is done again", stacklevel=2)
            return None
        return found if found.get("key") == self._key(cell) else None

    def _made(self, cell: Cell) -> dict[str, Any] | None:
        """Of a training or an import: the run's own words, the only ones on its success."""
        if not (cell.folder / "config.json").is_file():
            return None
        run = Run(cell.folder, cell.row.configs.get(cell.run))
        status = run.status
        is_made = run.is_finished if cell.kind == "train" else status["state"] == IMPORTED
        if not is_made:
            return None
        return {"seconds": status.get("seconds"), "steps": status.get("step")}

    @property
    def open(self) -> list[Cell]:
        """Cells that can be run and are not done."""
        return [cell for cell in self.all if not cell.lacks and self.record(cell) is None]

    def run(self, cell: Cell, show: Callable[[str], None] = print) -> bool:
        """Do one cell, unless it is done.

        Returns:
            False where another process is at it.

        Raises:
            FileNotFoundError: its data, or the run that it evaluates, are not there.
        """
        if cell.lacks:
            root = self.suite.data[cell.lacks].folder
            raise FileNotFoundError(f"{cell.name}: data source {cell.lacks!r} is not in {root}")
        self.folder.mkdir(parents=True, exist_ok=True)
        # Of several processes of one training, as torchrun starts them, the first has the lock.
        is_first = os.environ.get("RANK", "0") == "0"
        lock = FileLock(self.folder / f".{_file_name(cell)}.lock", timeout=0)
        try:
            with lock if is_first else nullcontext():
                if self.record(cell) is None:
                    {"train": _train, "import": _import}.get(cell.kind, self._evaluate)(cell, show)
        except Timeout:
            return False
        return True

    def _evaluate(self, cell: Cell, show: Callable[[str], None]) -> None:
        if not cell.checkpoint.is_file():
            before = f"train/{cell.run}"
            way = f"run the cell {before!r} first" if before in self._by_name else "train it first"
            raise FileNotFoundError(f"{cell.name}: no checkpoint in {cell.folder}: {way}")
        column = self.suite.columns[cell.column]
        given = {**self.suite.parameters(cell.column), "run": str(cell.folder)}
        # What the suite itself trained or imported names the suite's own code.
        given["trust_code"] = self.suite.trust_code or cell.row.kind != "run"
        p = task_parameters(column.task, given)
        module = import_module(f"{EVALUATIONS}.{column.task}")
        start = time.monotonic()
        with matplotlib.rc_context():
            task_run = module.open_task(p)
            evaluation = module.evaluate(task_run, p)
        path = evaluation.write(task_run)
        values = present_names(plain({**evaluation.result, "protocol": evaluation.protocol}))
        write_json(self._path(cell), {
            "cell": cell.name,
            "key": self._key(cell),
            "task": evaluation.task,
            "seconds": time.monotonic() - start,
            "file": path.name,
            "result": values,
        })  # fmt: skip
        del task_run, evaluation
        gc.collect()  # models of a finished cell beside those of the next would be two

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{_file_name(cell)}.json"

    def failure(self, cell: Cell) -> Path:
        """Where the traceback of its last failure lies."""
        return self.folder / f"{_file_name(cell)}.failed.txt"

    def _key(self, cell: Cell) -> str:
        """Changes with the question and with the checkpoint that is asked."""
        column = self.suite.columns[cell.column]
        given = self.suite.parameters(cell.column)
        # As the suite has it: a project that moved as a whole is asked nothing again.
        given["data_root"] = self.suite.data[column.data].root
        asked = vars(task_parameters(column.task, given))
        asked = {k: v for k, v in asked.items() if k not in NO_QUESTION}
        path = cell.checkpoint
        digest = _digest(path, path.stat().st_mtime_ns, path.stat().st_size)
        return short_hash(json_text(asked, sort_keys=True, default=str), digest)


def run_all(
    cells: Cells, names: Sequence[str] = (), show: Callable[[str], None] = print
) -> list[str]:
    """Do the open cells, or some of them, one after the other; a failed one does not stop others.

    Returns:
        A line for each cell that failed or that another process is at.

    Raises:
        KeyboardInterrupt: on Ctrl-C; what is done stays.
    """
    wanted = [cells.find(name) for name in names] or cells.all
    wanted = [cell for cell in wanted if not cell.lacks]
    todo = [cell for cell in wanted if cells.record(cell) is None]
    if len(todo) < len(wanted):
        show(f"taken over: {len(wanted) - len(todo)} of {len(wanted)} cells are done")
    problems: list[str] = []
    failed_runs: set[str] = set()
    for number, cell in enumerate(todo, 1):
        if cell.run in failed_runs and cell.kind == "evaluate":
            problems.append(f"{cell.name}: its run could not be made")
            continue
        start = time.monotonic()
        show(f"[{number}/{len(todo)}] {cell.name}")
        failure = cells.failure(cell)
        try:
            if not cells.run(cell, show):
                problems.append(f"{cell.name}: another process is at it")
                continue
        except Exception as error:
            text = traceback.format_exc()
            write_atomically(failure, partial(Path.write_text, data=text, encoding="utf-8"))
            first = str(error).strip().partition("\n")[0]
            problems.append(f"{cell.name}: {type(error).__name__}: {first}")
            show(f"    failed: {problems[-1]} (all of it in {failure.name})")
            if cell.kind != "evaluate":
                failed_runs.add(cell.run)
            continue
        failure.unlink(missing_ok=True)
        show(f"    {time.monotonic() - start:.1f} s")
    return problems


def _cells_of(suite: Suite) -> Iterable[Cell]:
    """Trainings and imports first; then, run by run, the tasks. All rows of a seed come before the
    next seed, so that a suite that is stopped has whole comparisons."""
    missing = set(suite.missing)
    lacks = suite.train_data if suite.train_data in missing else ""
    depth = max(len(row.folders) for row in suite.rows)
    for number in range(depth):
        for row in suite.rows:
            if number >= len(row.folders):
                continue
            run = list(row.folders)[number]
            own = lacks if row.kind == "train" else ""
            if row.kind != "run":
                made = {"train": "train", "encoder": "import"}[row.kind]
                yield Cell(f"{made}/{run}", row, run, lacks=own)
            for name, column in suite.columns.items():
                if row.kind == "encoder" and column.task not in IMAGE_TASKS:
                    continue
                absent = column.data if column.data in missing else own
                yield Cell(f"{run}/{name}", row, run, name, absent)


def _train(cell: Cell, show: Callable[[str], None]) -> None:
    run = Run(cell.folder, cell.row.configs[cell.run])
    pretrain(run, progress_bar=False, on_log=_Lines(show))


def _import(cell: Cell, show: Callable[[str], None]) -> None:
    encoder = cell.row.encoder
    assert encoder is not None
    is_function = ":" in encoder.source and not resolve(encoder.source).exists()
    source = encoder.source if is_function else str(resolve(encoder.source))
    import_encoder(source, cell.folder, **encoder.options)


class _Lines:
    """A line of a training now and then."""

    def __init__(self, show: Callable[[str], None], seconds: float = 30.0):
        self.show, self.seconds, self.shown = show, seconds, time.monotonic()

    def __call__(self, record: dict[str, Any]) -> None:
        if "loss" in record and time.monotonic() - self.shown > self.seconds:
            self.shown = time.monotonic()
            self.show(f"    step {record['step']}, loss {record['loss']:.3f}")


@lru_cache
def _digest(path: Path, modified: int, size: int) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _file_name(cell: Cell) -> str:
    return cell.name.replace("/", "--")
