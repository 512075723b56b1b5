"""What the training loop stands on: device, optimizer, the loss of all processes, signals."""

import ctypes
import gc
import os
import resource
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from accelerate import Accelerator, DistributedDataParallelKwargs, PartialState
from torch import Tensor, nn

from reclf.config import TrainConfig
from reclf.data.batch import Batch
from reclf.models.losses import contrastive_losses
from reclf.models.parallel import parallel_threads
from reclf.models.reclf import RECLF


def make_accelerator(config: TrainConfig, folder: Path) -> Accelerator:
    """Device, precision and processes of a training.

    Raises:
        ValueError: CUDA or fp16 was asked for and is not there.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        raise ValueError('train.device is "cuda" but torch sees no GPU; use "auto" or "cpu"')
    on_cpu = config.device == "cpu" or not torch.cuda.is_available()
    if config.precision == "fp16" and on_cpu:
        raise ValueError('train.precision "fp16" needs a GPU; use "no" or "bf16"')
    return Accelerator(
        cpu=on_cpu,
        mixed_precision=choose_precision(config.precision, on_cpu),
        log_with="tensorboard" if config.tensorboard else None,
        project_dir=folder,
        # An aggregator may leave parts of the frame unused ("global" has no matchings).
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def choose_precision(precision: str, on_cpu: bool) -> str:
    """What "auto" means here: bf16 on a device with instructions for it, else float32.

    Without them a CPU converts back and forth, and is several times slower (LOG.md, 2026-11-24).
    """
    if precision != "auto":
        return precision
    if not on_cpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16") else "no"


def batch_losses(
    model: nn.Module, batch: Batch, config: TrainConfig, accelerator: Accelerator
) -> dict[str, Tensor]:
    """The losses of one micro-batch; with several processes, of their joint batch."""

    def gather(tensor: Tensor, dim: int) -> Tensor:
        if accelerator.num_processes == 1:
            return tensor
        return _Gather.apply(tensor, dim)

    positives = None
    if config.identity_aware:
        keys = gather(batch.report_keys, 0)
        positives = keys[:, None] == keys[None]
    with accelerator.autocast():
        outputs = model(
            batch,
            pair_chunk=config.pair_chunk,
            checkpoint_pairs=config.checkpoint_pairs,
            encoder_chunk=config.encoder_chunk,
            shortlist=config.shortlist,
            positives=positives,
            first=accelerator.process_index * len(batch),
            gather=gather,
        )
    return contrastive_losses(**outputs, positives=positives, local_weight=config.local_weight)


class _Gather(torch.autograd.Function):
    """Join the equal shares of all processes along a dimension.

    Backward sums the gradients of all processes, since all of them used this share, and DDP then
    averages over processes: together that is the gradient of the joint batch.
    """

    @staticmethod
    def forward(ctx, share: Tensor, dim: int) -> Tensor:
        ctx.dim, ctx.size = dim, share.shape[dim]
        share = share.contiguous()
        shares = [torch.empty_like(share) for _ in range(distributed.get_world_size())]
        distributed.all_gather(shares, share)
        return torch.cat(shares, dim)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        grad = grad.contiguous()
        distributed.all_reduce(grad)
        return grad.narrow(ctx.dim, distributed.get_rank() * ctx.size, ctx.size), None


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


def leave_processes() -> None:
    """Leave the group of processes; the last thing that a process does with it. One is none.

    Whatever refers to the group must be gone: DDP's reducer joins the group's threads when it is
    destroyed. At the end of the interpreter that happens under its lock, for which such a thread
    may wait, and the process hangs for ever. A process that ends before the others, in the group
    still, may abort after all was written.
    """
    gc.collect()
    PartialState().destroy_process_group()


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
    """Within, torch splits operations over the cores that the data workers leave, at least one, and
    jobs run side by side on all cores.

    Two threads of which one waits for a core that a worker has are slower than one thread: the
    other waits with it, in every operation (LOG.md, 2026-11-25). OMP_NUM_THREADS decides if set.
    """
    before = torch.get_num_threads()
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, before - workers))
    try:
        with parallel_threads(before):
            yield
    finally:
        torch.set_num_threads(before)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory: allocated on the GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def quiet_worker(worker: int) -> None:
    """Ctrl-C reaches the whole process group; only the training process shall answer to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


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
