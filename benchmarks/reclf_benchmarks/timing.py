"""Times and memory of jobs, taken in turns in one process, so that only their ratios are claimed.

    jobs --A B A B ...--> seconds per round --> ratio of the rounds, median and quartiles

On a CPU time is CPU time of one thread, which another busy process disturbs less than wall time,
and memory is resident memory of the process. On a GPU time is wall time between synchronisations,
and memory what torch has allocated.
"""

import ctypes
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from reclf.models.parallel import parallel_threads

Job = Callable[[], object]
Seconds = dict[str, list[float]]

PAGE = 4 / 2**10
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1


def in_turns(jobs: Mapping[str, Job], rounds: int, device: str = "cpu") -> Seconds:
    """Seconds of every job in every round, after one round that is not counted."""
    seconds: Seconds = {name: [] for name in jobs}
    with buffers(kept=True):
        for number in range(rounds + 1):
            for name, job in jobs.items():
                start = _now(device)
                job()
                if number:
                    seconds[name].append(_now(device) - start)
                else:
                    _now(device)
    return seconds


def ratio(seconds: Seconds, slow: str, fast: str) -> tuple[float, float]:
    """How many times `fast` is faster: median over the rounds, and quartiles apart."""
    ratios = [a / b for a, b in zip(seconds[slow], seconds[fast], strict=True)]
    if len(ratios) == 1:
        return ratios[0], 0.0
    low, _, high = quantiles(ratios, n=4)
    return median(ratios), high - low


def operations(job: Job) -> int:
    """Floating-point operations of a job's matrix products, convolutions and attention."""
    with parallel_threads(1), _Operations() as counted:
        job()  # in other threads they would not be seen
    return counted.total


class _Operations(TorchDispatchMode):
    """By torch's formulas; its own FlopCounterMode hooks modules, which checkpointing does not
    bear."""

    total = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **kwargs or {})
        if formula := flop_registry.get(function.overloadpacket):
            self.total += formula(*args, **kwargs or {}, out_val=result)
        return result


def large_product(dtype: str, device: str, studies: int = 32) -> tuple[Job, int]:
    """A job of large square matrix products, as fast as the device multiplies, and its operations.

    Args:
        studies: few ones take a small product, for tests.
    """
    side = 64 if studies < 16 else 8192 if device == "cuda" else 2048
    factors = [torch.randn(side, side, device=device).to(getattr(torch, dtype)) for _ in range(2)]
    return lambda: factors[0] @ factors[1], 2 * side**3


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def peak_memory(job: Job, device: str = "cpu") -> float:
    """Most memory that a job takes beyond what is there before it, in MB; at least a page.

    Raises:
        OSError: on a CPU whose system does not tell the peak of a process (Linux does).
    """
    gc.collect()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        allocated = torch.cuda.memory_allocated()
        job()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - allocated) / 2**20
    with buffers(kept=False):
        # What was freed may lie in the process still, and would be taken again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _status("VmRSS")
        job()
        return max(_status("VmHWM") - before, PAGE)


def _status(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = next(line for line in lines if line.startswith(name)).split()[1]
    return float(kilobytes) / 2**10


@contextmanager
def buffers(kept: bool) -> Iterator[None]:
    """Whether freed buffers stay in the process (fast) or go back at once (so that a peak is one).

    Needs glibc; elsewhere nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: None)
    mallopt(M_MMAP_THRESHOLD, 2**30 if kept else 2**16)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1 if kept else 0)
    try:
        yield
    finally:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within, torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
