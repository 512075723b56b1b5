"""The batches of a training, in the order of its sampler, and the studies that cannot be read."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object

from reclf.config.foreign_files import check_size
from reclf.data.batch import Batch
from reclf.data.collate import Collate, Pairs
from reclf.data.read_ahead import QuietLoader, as_in_worker
from reclf.data.study import ImageError
from reclf.runs.files import named

from .sampler import StepSampler

LEFT_OUT = "left_out.txt"


class Reader:
    """Reads ahead in worker processes.

    Args:
        data: map-style data set of studies.
        workers: processes; 0 reads in this one.
        pinned: into memory from which a GPU copies.
        folder: of the run. LEFT_OUT in it gets a line for each study that is left out.

    Attributes:
        damage: why a batch could not be read, "" while all could. Files that only decoding shows
            to be damaged are left out if the data set says `on_problem = "skip"`; else they end
            up here.
    """

    def __init__(
        self, data: Any, sampler: StepSampler, collate: Collate, workers: int, pinned: bool,
        folder: Path,
    ):  # fmt: skip
        self.damage, self._list = "", folder / LEFT_OUT
        self._data, self._sampler = data, sampler
        self._batches = iter(
            QuietLoader(
                Pairs(data),
                batch_sampler=sampler,
                collate_fn=collate,
                num_workers=workers,
                prefetch_factor=4 if workers else None,
                pin_memory=pinned,
            )
        )
        self._known = set(left_out(folder))

    def read(self, n: int) -> list[Batch]:
        """The next n batches; none, and `damage`, where one cannot be read."""
        try:
            batches = [next(self._batches) for _ in range(n)]
        except ImageError as error:
            self.damage = as_in_worker(error)
            return []
        for reason in dict.fromkeys(reason for batch in batches for reason in batch.left_out):
            if reason not in self._known:
                self._known.add(reason)
                with named(self._list), self._list.open("a", encoding="utf-8") as file:
                    file.write(f"{reason}\n")
                warnings.warn(f"left out of the training: {reason}", stacklevel=2)
        return batches

    def studies_of(self, step: int) -> str:
        """The studies of a step, counted from 1, of all processes."""
        micros = range(self._sampler.accumulate)
        own = [i for micro in micros for i in self._sampler.indices(step - 1, micro)]
        indices = gather_object(own)
        ids = gather_object(study_ids(self._data, own))
        return f"studies {', '.join(ids)}; data set indices {indices}"


def left_out(folder: Path) -> list[str]:
    """Why studies were left out of a run's training, each once: every process writes its own."""
    path = folder / LEFT_OUT
    if not path.exists():
        return []
    check_size(path, 2**28)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    damaged = [n for n, line in enumerate(lines, 1) if "\0" in line or "\ufffd" in line]
    if damaged:
        warnings.warn(f"{path}: lines {damaged} are damaged, and left out", stacklevel=2)
    return list(dict.fromkeys(line for n, line in enumerate(lines, 1) if n not in damaged))


def study_ids(data: Any, indices: Sequence[int]) -> list[str]:
    """The names of some studies; of one that cannot be read, its index."""
    names = []
    for index in indices:
        try:
            names.append(getattr(data[index], "study_id", f"with index {index}"))
        except ImageError:
            names.append(f"with index {index}")
    return names
