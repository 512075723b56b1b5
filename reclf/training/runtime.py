"""What the training loop needs of the machine: device, optimizer, threads, memory, signals."""

import ctypes
import resource
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import nn

from reclf.config import TrainConfig
from reclf.data.read_ahead import cores_left_by
from reclf.models.parallel import parallel_threads
from reclf.models.reclf import RECLF
from reclf.runs.device import choose_device, choose_precision


def make_accelerator(config: TrainConfig, folder: Path) -> Accelerator:
    """Device, precision and processes of a training.

    Raises:
        ValueError: CUDA or fp16 was asked for and is not there.
    """
    on_cpu = choose_device(config.device, "train.device") == "cpu"
    return Accelerator(
        cpu=on_cpu,
        mixed_precision=choose_precision(config.precision, on_cpu),
        log_with="tensorboard" if config.tensorboard else None,
        project_dir=folder,
        # An aggregator may leave parts of the frame unused ("global" has no matchings).
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def make_optimizer(model: RECLF, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with decay on matrices only, and its own rate for the towers if one is given."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        is_tower = ".tower." in name
        peak = (is_tower and config.tower_learning_rate) or config.learning_rate
        decays = parameter.ndim > 1 and "embedding" not in name
        groups.setdefault((peak, config.weight_decay * decays), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "peak": peak, "lr": peak, "weight_decay": decay}
            for (peak, decay), parameters in groups.items()
        ],
        fused=True,
    )


def keep_freed_memory() -> bool:
    """Keep freed buffers for the next step instead of giving them back to the system (glibc).

    Else every buffer above 32 MB is asked for anew in every step, and the system fills it with
    zeros first: a twentieth of the time of a small model on a CPU.

    Returns:
        Whether the C library took the settings.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    mmap_threshold, trim_threshold = -3, -1
    return bool(mallopt(mmap_threshold, 2**30) and mallopt(trim_threshold, 2**31 - 1))


@contextmanager
def cpu_threads(workers: int):
    """Within, torch splits operations over the cores that the data workers leave, and jobs run in
    parallel on all cores."""
    with cores_left_by(workers) as before, parallel_threads(before):
        yield


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory: allocated on the GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


@contextmanager
def interrupts():
    """Ctrl-C and SIGTERM set a flag, so that a step is finished and saved before the stop.

    A second signal stops at once. Outside the main thread nothing is caught.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def set_flag(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {s: signal.signal(s, set_flag) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
