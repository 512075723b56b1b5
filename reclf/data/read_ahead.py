"""Studies read by worker processes, ahead of who takes them: for everything but training.

studies --workers, some at a time--> Study, Study, ... in their order
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from .study import ImageError, Study

# Ctrl-C; docker stop, Slurm, torchrun, papermill; a terminal that is closed; Slurm's warning.
STOPS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
)
PART = 16  # studies that a worker reads and sends at a time
PARTS_AHEAD = 4  # of each worker


class ReadAhead:
    """Iterates over studies, as often as it is asked to.

    Args:
        studies: with a length, read by their numbers: a data set, a part of one, a list.
        workers: processes that read; 0 reads in this one.
    """

    def __init__(self, studies: Any, workers: int = 0):
        self.studies, self.workers = studies, workers

    def __len__(self) -> int:
        return len(self.studies)

    def __iter__(self) -> Iterator[Study]:
        """The studies in their order.

        Raises:
            ImageError: one that cannot be read.
        """
        if not self.workers:
            yield from (self.studies[index] for index in range(len(self)))
            return
        loader = QuietLoader(
            self.studies,
            PART,
            num_workers=self.workers,
            prefetch_factor=PARTS_AHEAD,
            collate_fn=list,
            generator=torch.Generator(),  # else one number of the global generator is drawn
        )
        try:
            with cores_left_by(self.workers):
                for part in loader:
                    yield from part
        except ImageError as error:
            raise ImageError(as_in_worker(error)) from None


@contextmanager
def cores_left_by(workers: int) -> Iterator[int]:
    """Within, torch splits operations over the cores that the workers leave, at least one; gives
    the number of threads before.

    Two threads of which one waits for a core that a worker has are slower than one thread: the
    other waits with it, in every operation (LOG.md, 2026-11-25). OMP_NUM_THREADS decides if set.
    """
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, before - workers))
    try:
        yield before
    finally:
        torch.set_num_threads(before)


def as_in_worker(error: ImageError) -> str:
    """What an error said in its worker, from where it comes as text behind its traceback."""
    return str(error).strip().rpartition("ImageError: ")[2]


class QuietLoader(DataLoader):
    """A `DataLoader` whose processes do not answer signals, see `quiet_worker`.

    They and the threads that libraries begin in them inherit a mask, so that a signal that comes
    before `quiet_worker` ran waits for it.
    """

    def __init__(self, dataset: Any, batch_size: int = 1, **options: Any):
        super().__init__(dataset, batch_size, worker_init_fn=quiet_worker, **options)

    def __iter__(self) -> Any:
        if not hasattr(signal, "sigwaitinfo"):
            return super().__iter__()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            return super().__iter__()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def quiet_worker(worker: int) -> None:
    """Signals reach the whole process group; only the main process answers them.

    SIGTERM of the main process itself ends a worker, as it must: Python waits for it at its end.
    """
    for number in STOPS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # which tells who has sent it; macOS has it not
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_by_parent, args=(os.getppid(),), daemon=True).start()


def _end_by_parent(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
