"""What the training loop needs of the machine: device, optimizer, threads, memory."""

import ctypes
import os
import resource
from collections.abc import Callable, Hashable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from accelerate.utils import LoggerType
from torch import nn

from reclf.config import RunConfig, TrainConfig, check_choice, to_dict
from reclf.data.read_ahead import cores_left_by
from reclf.models.memo import memo_of
from reclf.models.parallel import parallel_threads
from reclf.models.reclf import RECLF
from reclf.runs.device import choose_device, choose_precision
from reclf.runs.run import Run
from reclf.stats.tables import json_text

# Processes that a launcher started. SLURM_NTASKS is no sign: a batch script has it too, and is one.
STARTED = ("WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
# How a tracker calls the name of a run within its project, where it takes one.
NAME_OF_RUN = {"wandb": "name", "trackio": "name", "mlflow": "run_name"}


class SeparateProcesses(ValueError):
    """A launcher started several processes that would train one by one in the same folder."""


def make_accelerator(config: TrainConfig, folder: Path) -> Accelerator:
    """Device, precision and processes of a training.

    Raises:
        ValueError: CUDA or fp16 was asked for and is not there.
        SeparateProcesses: see there.
    """
    on_cpu = choose_device(config.device, "train.device") == "cpu"
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision=choose_precision(config.precision, on_cpu),
        log_with=list(config.trackers) or None,  # an empty list warns
        project_dir=folder,
        # Until it is known that all have gradients (`choices`).
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    for name in STARTED:
        count = os.environ.get(name, "")
        if accelerator.num_processes == 1 and count.isdigit() and int(count) > 1:
            raise SeparateProcesses(
                f"{count} processes were started ({name}), and this one does not know of the "
                f"others: each would train alone in {folder}. Add --multi_gpu to `accelerate "
                f"launch`, or use torchrun; where each has a run folder of its own, unset {name}"
            )
    return accelerator


def check_trackers(names: Sequence[str]) -> None:
    """Refuse trackers that Accelerate does not know, or whose package is not installed.

    Raises:
        ValueError: names the tracker, and what there is.
    """
    built_in, here = ({str(t) for t in some} for some in (LoggerType, get_available_trackers()))
    for name in names:
        check_choice("train.trackers", name, tuple(sorted(LOGGER_TYPE_TO_CLASS)))
        if name in built_in - here:
            raise ValueError(
                f"train.trackers has {name!r}, whose package is not installed: `pip install {name}`"
                ", or leave it out"
            )


def start_trackers(accelerator: Accelerator, run: Run) -> None:
    """Open the trackers of a run in the project "reclf", and tell them its settings.

    TensorBoard gets numbers only: settings would be one more run in its list.
    """
    names = {tracker: {word: run.folder.name} for tracker, word in NAME_OF_RUN.items()}
    accelerator.init_trackers("reclf", init_kwargs=names)
    settings = {
        f"{part}.{name}": value if isinstance(value, str | int | float) else json_text(value)
        for part, values in to_dict(run.config).items()
        for name, value in values.items()
    }
    for tracker in accelerator.trackers:
        if tracker.name != "tensorboard":
            tracker.store_init_configuration(settings)


def make_optimizer(model: RECLF, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW with decay on matrices only, and its own rate for the towers if one is given."""
    groups, aligned = [], bool(config.aligned_start and config.tower_learning_rate)
    parts = parameter_groups(model, lambda *kind: kind, aligned)
    for (is_tower, decays), parameters in parts.items():
        peak = (is_tower and config.tower_learning_rate) or config.learning_rate
        decay = config.weight_decay * decays
        groups.append({"params": parameters, "peak": peak, "lr": peak, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=True)


def parameter_groups(
    model: RECLF, key: Callable[[bool, bool], Hashable], starts_aligned: bool = False
) -> dict[Any, list[nn.Parameter]]:
    """What is trained, by a key of whether it is of a tower and whether it decays.

    Args:
        starts_aligned: projections have a start, so that they count as parts of the towers.
    """
    groups: dict[Hashable, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and "embedding" not in name
            aligned = starts_aligned and ".project_" in name
            groups.setdefault(key(aligned or ".tower." in name, decays), []).append(parameter)
    return groups


def remember(model: RECLF, config: RunConfig) -> None:
    """Give frozen towers a memo of what they made (`reclf.models.memo`), within `train.memo_gb`."""
    limit, precision = int(config.train.memo_gb * 1e9), config.train.precision
    images, texts = model.image_encoder, model.text_encoder
    if limit and config.model.image_tower.freeze and not config.data.augment:
        of = config.model
        pixels = (of.image_mean, of.image_std, of.region_stage, images.grid)
        images.memo = images.memo or memo_of(images.tower, limit, precision, *pixels)
    if limit and config.model.text_tower.freeze:
        words = config.model.word_source
        texts.memo = texts.memo or memo_of(texts.tower, limit, precision, words)


def forget(model: RECLF) -> None:
    """Take the memos away."""
    model.image_encoder.memo = model.text_encoder.memo = None


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


@contextmanager
def fast_math(on: bool, device: torch.device):
    """Within, a GPU rounds float32 products to TF32 and times cuDNN's kernels to take the fastest.

    Results then differ by rounding from run to run.
    """
    cudnn, before = torch.backends.cudnn, torch.get_float32_matmul_precision()
    benchmark = cudnn.benchmark
    if on and device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        cudnn.benchmark = benchmark


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory: allocated on the GPU, resident on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
