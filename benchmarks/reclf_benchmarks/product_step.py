"""One training step as the product takes it, on synthetic studies, and what it costs.

settings of a preset, B, R -> model, batch, optimizer -> `train_step` -> time, waits, memory
"""

import warnings
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from reclf.config import RunConfig, override
from reclf.data.batch import Batch
from reclf.models.reclf import RECLF
from reclf.training.pair_memory import kept_bytes
from reclf.training.presets import find_preset
from reclf.training.runtime import make_accelerator, make_optimizer
from reclf.training.step import train_step

from .timing import Job, in_turns, large_product, operations, peak_memory, ratio
from .training_step import relation_job

PRESET = "mimic_resnet50"
TOKENS_OF_A_WORD = 1.4  # pieces of Bio_ClinicalBERT, as in reports of Open-I
KERNELS = 12
RESNET = {
    "model_type": "resnet", "embedding_size": 16, "hidden_sizes": [16, 16, 16, 16],
    "depths": [1, 1, 1, 1], "layer_type": "basic",
}  # fmt: skip
BERT = {
    "model_type": "bert", "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 4,
    "num_attention_heads": 2, "intermediate_size": 14,
}  # fmt: skip
SMALL = {
    "model.image_tower.config": RESNET, "model.text_tower.config": BERT, "model.image_size": 64,
    "model.embed_dim": 8, "model.matching_dim": 8, "model.max_words": 5,
}  # fmt: skip


def settings(batch: int, regions: int, device: str, small: bool) -> RunConfig:
    """Those of the preset, with towers of fresh weights and so many regions.

    Raises:
        ValueError: no stage of the backbone has so many.
    """
    config = override(
        find_preset(PRESET),
        {
            "model.image_tower": {"name": "", "config": {"model_type": "resnet"}},
            "model.text_tower": {"name": "", "config": {"model_type": "bert"}},
            "train.batch_size": batch,
            "train.device": device,
            **(SMALL if small else {}),
        },
    )
    stages = {(config.model.image_size // 2 ** (stage + 1)) ** 2: stage for stage in (1, 2, 3, 4)}
    if regions not in stages:
        raise ValueError(f"regions must be one of {', '.join(map(str, stages))}, got {regions}")
    return override(config, {"model.region_stage": stages[regions]})


def synthetic_batch(config: RunConfig) -> Batch:
    """Noise, and reports of `max_words` words, as a reader gives them: on the CPU, pinned."""
    B, W, size = config.train.batch_size, config.model.max_words, config.model.image_size
    pieces = round(TOKENS_OF_A_WORD * W)
    T = pieces + 2
    word_ids = torch.full((T,), -1)
    word_ids[1:-1] = torch.arange(pieces) * W // pieces
    batch = Batch(
        pixels=torch.randint(0, 256, (B, 1, size, size), dtype=torch.uint8),
        input_ids=torch.randint(5, 40, (B, T)),
        attention_mask=torch.ones(B, T, dtype=torch.long),
        word_ids=word_ids.repeat(B, 1),
        word_mask=torch.ones(B, W, dtype=torch.bool),
        sentences=(torch.arange(W) // 12).repeat(B, 1),
        report_keys=torch.arange(B),
        word_counts=(W,) * B,
        token_counts=(T,) * B,
    )
    return batch.pin_memory() if config.train.device == "cuda" else batch


class ProductStep:
    """A model with its optimizer, as a training has them, and a batch.

    Args:
        compiled: "towers" or "relations" go through `torch.compile`.
    """

    def __init__(self, config: RunConfig, compiled: str = "", backend: str = "inductor"):
        torch.manual_seed(0)
        self.config, self.device = config, config.train.device
        self.accelerator = make_accelerator(config.train, Path())
        self.model = RECLF(config.model).to(self.device)
        parts = {
            "": (),
            "towers": (self.model.image_encoder.tower, self.model.text_encoder.tower),
            "relations": (self.model.matchings, self.model.aggregator),
        }
        for part in parts[compiled]:
            part.compile(backend=backend)
        optimizer = make_optimizer(self.model, config.train)
        self.wrapped, self.optimizer = self.accelerator.prepare(self.model, optimizer)
        self.batch = synthetic_batch(config)
        self.generator = torch.Generator().manual_seed(0)  # of augmentation

    def run(self, recompute: bool = False) -> None:
        """A step; with `recompute`, pairs are computed again in its backward pass."""
        train = replace(self.config.train, checkpoint_pairs=recompute)
        train_step(
            self.wrapped, self.optimizer, self.accelerator, [self.batch], train, self.generator
        )

    def again(self) -> None:
        self.run(recompute=True)

    def relations(self) -> Job:
        """A job: what lies between the features and their gradients."""
        batch = self.batch.to(self.device)
        return relation_job(self.model, batch, self.accelerator.autocast)


def measure_step(
    batch: int, regions: int, device: str, rounds: int, small: bool = False
) -> dict[str, Any]:
    """What a step costs, interleaved with what it is compared with.

    Returns:
        `step_ms`; `peak_share`, of the speed of large bfloat16 products; `relation_share`;
        `waits`, times that a step waits for the GPU (None on a CPU); `memory_mb`, its peak, and of
        it `pairs_mb`, beside the `pairs_counted_mb` of `kept_bytes`; `again_...`, pairs computed
        again; `compiled_...`, how many times faster with a part compiled; `kernels`, name -> share
        of the time; `notes`, what could not be measured. None where that is so.
    """
    config = settings(batch, regions, device, small)
    row: dict[str, Any] = {"batch": batch, "regions": regions, "notes": []}
    plain = ProductStep(config)
    product, of_product = large_product("bfloat16", device, 0 if small else batch)
    steps: dict[str, Job] = {"step": plain.run, "again": plain.again}
    for compiled in ("towers", "relations"):
        other = ProductStep(config, compiled, "eager" if small else "inductor")
        steps[f"compiled_{compiled}"] = other.run
    jobs = {name: job for name, job in steps.items() if _runs(name, job, row["notes"])}
    row |= dict.fromkeys(("step_ms", "memory_mb", "again_memory_mb", "pairs_mb", "again_time"))
    row |= dict.fromkeys(name for name in steps if name.startswith("compiled"))
    base = "step" if "step" in jobs else "again"  # where keeping pairs takes too much memory
    jobs |= {"relations": plain.relations(), "product": product}
    seconds = in_turns(jobs, rounds, device)
    share = operations(jobs[base]) / of_product
    row["step_ms"] = 1000 * median(seconds[base])
    row["studies_per_second"] = batch / median(seconds[base])
    row["peak_share"] = share * ratio(seconds, "product", base)[0]
    row["relation_share"] = ratio(seconds, "relations", base)[0]
    for name in steps:
        if name.startswith("compiled") and name in jobs:
            row[name], row[f"{name}_spread"] = ratio(seconds, base, name)
    row["waits"] = count_waits(jobs[base], device)
    for name, of in (("step", "memory_mb"), ("again", "again_memory_mb")):
        if name in jobs:
            row[of] = peak_memory(jobs[name], device)
    if {"step", "again"} <= jobs.keys():
        row["pairs_mb"] = row["memory_mb"] - row["again_memory_mb"]
        row["again_time"] = ratio(seconds, "again", "step")[0]
    sizes = batch, batch, config.model.max_words, regions
    kept = [kept_bytes(config.model, *sizes, recompute=again) for again in (False, True)]
    row["pairs_counted_mb"] = (kept[0] - kept[1]) / 2**20
    row["kernels"] = kernels(jobs[base], device)
    return row


def _runs(name: str, job: Job, notes: list[str]) -> bool:
    """Whether a job runs at all; why not is noted."""
    try:
        job()
    except Exception as error:  # no memory, no compiler, or what a compiler does not take
        notes.append(f"{name} did not run: {type(error).__name__}: {str(error).splitlines()[0]}")
        return False
    return True


def count_waits(job: Job, device: str) -> int | None:
    """How often a job waits for the GPU; None on a CPU, which has nothing to wait for.

    0 is said only where torch, told to raise at a wait, has not.
    """
    if device != "cuda":
        return None
    try:
        torch.cuda.set_sync_debug_mode("error")
        job()
        return 0
    except RuntimeError:
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            job()
        return max(1, sum("synchroniz" in str(one.message) for one in caught))
    finally:
        torch.cuda.set_sync_debug_mode("default")


def kernels(job: Job, device: str) -> dict[str, float]:
    """What takes most of the time of a job: kernel of a GPU, or operation of a CPU -> its share."""
    on_gpu = device == "cuda"
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * on_gpu]
    with profile(activities=activities) as record:
        job()
        if on_gpu:
            torch.cuda.synchronize()
    kind = DeviceType.CUDA if on_gpu else DeviceType.CPU
    spent = {
        event.key: event.self_device_time_total if on_gpu else event.self_cpu_time_total
        for event in record.key_averages()
        if event.device_type == kind
    }
    total = sum(spent.values())
    first = sorted(spent, key=spent.__getitem__, reverse=True)[:KERNELS]
    return {name: spent[name] / total for name in first}
