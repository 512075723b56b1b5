"""Signals to stop: a step is finished and saved first, whoever they were sent to.

a signal of STOPS, or the end of the process that started this one -> flag -> save, stop
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from reclf.data.read_ahead import STOPS

AGAIN = 1.0  # seconds; the same signal once more within them is one that a launcher passed on
POLLER = "ParentPollerUnix"  # the thread of ipykernel that ends a kernel whose parent is gone
# Variables of a process that torchrun or `accelerate launch` started.
LAUNCHED = ("TORCHELASTIC_RUN_ID", "ACCELERATE_USE_CPU")


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """A signal of STOPS sets a flag, so that a step is finished and saved before the stop.

    The same signal a second time, AGAIN later, stops at once. Another kind does not: Jupyter sends
    SIGINT and then SIGTERM, Slurm its warning and then SIGTERM, all while a large model is saved.
    `nohup` ignores SIGHUP, which stays so. Outside the main thread nothing is caught.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    first: dict[int, float] = {}

    def answer(number: int, frame: Any) -> None:
        now = time.monotonic()
        flag.set()
        if now - first.setdefault(number, now) > AGAIN:
            raise KeyboardInterrupt("at once; the same command goes on from what was saved before")

    before = {
        number: signal.signal(number, answer)
        for number in STOPS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        with outliving_parent(flag):
            yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


class _AnyProcess(int):
    """The number of whatever process it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = int.__hash__


@contextmanager
def outliving_parent(flag: threading.Event) -> Iterator[None]:
    """Under Jupyter or a launcher: set the flag when the parent is gone, and outlive it till then.

    papermill ends at SIGTERM, torchrun at SIGUSR1, without a word to what they started. A kernel
    then ends within a second, with all that was not saved, and a process of torchrun trains on for
    nobody.
    """
    pollers: list[Any] = [t for t in threading.enumerate() if type(t).__name__ == POLLER]
    parent, over = os.getppid(), threading.Event()
    before = [poller.parent_pid for poller in pollers]

    def watch() -> None:
        while not over.wait(0.2):
            if os.getppid() != parent:
                flag.set()

    for poller in pollers:
        poller.parent_pid = _AnyProcess(parent)
    try:
        if pollers or any(name in os.environ for name in LAUNCHED):
            threading.Thread(target=watch, daemon=True).start()
        yield
    finally:
        over.set()
        for poller, number in zip(pollers, before, strict=True):
            poller.parent_pid = number
