"""Training over several processes: the contrast is that of their joint batch.

    own studies -> own features --gather--> images of all processes
    images of all, own reports -> own columns of logits --gather--> logits of the joint batch

Every process matches its own reports with the images of all, so that negatives are global and the
costly part, relating pairs, is shared. One process takes `RECLF.forward`, the same steps without
gathering.
"""

import gc
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeAlias

import torch
import torch.distributed as distributed
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from reclf.config import TrainConfig
from reclf.data.batch import Batch
from reclf.data.terms import similarity
from reclf.models.batch_logits import by_name, own_reports, score_negatives
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.models.tiles import hardest_pairs
from reclf.runs.lock import RunInUse
from reclf.runs.run import Run

Hosts: TypeAlias = distributed.ProcessGroup | None  # see `host_group`


class JointModel(nn.Module):
    """A model that takes the studies of one process and gives the logits of the joint batch.

    It is what DistributedDataParallel wraps, since that wants every parameter used inside one
    forward. Arguments and result are those of `RECLF.forward`; `positives` are of the joint batch,
    which every process contributes equally many studies to.
    """

    def __init__(self, model: RECLF):
        super().__init__()
        self.model = model

    def forward(
        self,
        batch: Batch,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
        encoder_chunk: int = 0,
        shortlist: int = 0,
        positives: Tensor | None = None,
    ) -> dict[str, Any]:
        model = self.model
        images, texts = model.encode(batch, encoder_chunk)
        how = pair_chunk, checkpoint_pairs
        found = score_negatives(model, images, texts, batch, *how)
        negatives = [None if part is None else gather(part) for part in found]
        texts, counts = own_reports(texts, batch)
        joint = images._replace(global_embedding=gather(images.global_embedding))
        logits_global = gather(model.score_global(joint, texts), 1)
        if not model.aggregator.uses_matchings:
            return by_name(model.aggregator, logits_global, None, *negatives)
        joint = joint._replace(regions=gather(images.regions))
        chosen = None
        if shortlist:
            first = distributed.get_rank() * len(batch)
            chosen = hardest_pairs(logits_global, positives, shortlist)
            chosen = chosen[:, first : first + len(batch)]
        local = model.score_local(joint, texts, counts, chosen, *how, batch.distinct)
        local = None if local is None else gather(local, 1)
        return by_name(model.aggregator, logits_global, local, *negatives)


def batch_losses(
    model: nn.Module, batch: Batch, config: TrainConfig, accelerator: Accelerator
) -> dict[str, Tensor]:
    """The losses of one micro-batch; with several processes, of their joint batch.

    Args:
        model: a `RECLF`, or with several processes a wrapped `JointModel`.
    """
    joint = gather if accelerator.num_processes > 1 else lambda own: own
    positives = None
    if config.identity_aware:
        keys = joint(batch.report_keys[: len(batch)])
        positives = keys[:, None] == keys[None]
    soft = []
    if config.soft_targets:
        if batch.terms is None:
            raise ValueError(
                "train.soft_targets needs studies with terms, as `pretrain` gives them"
            )
        kinds = zip(config.soft_targets.items(), joint(batch.terms).unbind(1), strict=True)
        soft = [(share, similarity(hashes, kind == "text")) for (kind, share), hashes in kinds]
    with accelerator.autocast():
        outputs = model(
            batch,
            pair_chunk=config.pair_chunk,
            checkpoint_pairs=config.checkpoint_pairs is True,  # "auto" was chosen by now
            encoder_chunk=config.encoder_chunk,
            shortlist=config.shortlist,
            positives=positives,
        )
    weight = config.local_weight
    return contrastive_losses(**outputs, positives=positives, local_weight=weight, soft=soft)


def gather(share: Tensor, dim: int = 0) -> Tensor:
    """The equal shares of all processes, joined along a dimension in the order of the processes."""
    return _Gather.apply(share, dim)


class _Gather(torch.autograd.Function):
    """Join the equal shares of all processes along a dimension.

    Backward sums the gradients of all processes, since all of them used this share, and DDP then
    averages over processes: together that is the gradient of the joint batch. Each process is sent
    the sum of its own share alone, half of what a sum for all would send.
    """

    @staticmethod
    def forward(ctx, share: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        share = share.contiguous()
        shares = [torch.empty_like(share) for _ in range(distributed.get_world_size())]
        distributed.all_gather(shares, share)
        return torch.cat(shares, dim)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        parts = [part.contiguous() for part in grad.chunk(distributed.get_world_size(), ctx.dim)]
        own = torch.empty_like(parts[0])
        distributed.reduce_scatter(own, parts)
        return own, None


def host_group(accelerator: Accelerator) -> Hosts:
    """Where the hosts of a training agree, beside what their devices compute; None for one process.

    A number that is agreed on over the devices is there when all that they were given before is
    done, and the next step would be given to them only then.
    """
    return distributed.new_group(backend="gloo") if accelerator.num_processes > 1 else None


class Said(NamedTuple):
    """What processes tell each other before a step; each is true where one says it."""

    damaged: bool  # a study cannot be read
    over: bool  # there is no batch
    stop: bool  # a signal came
    late: bool  # the time is over
    overdue: bool  # the last checkpoint is old


def agree(hosts: Hosts, *flags: bool) -> list[bool]:
    """Each is true on all processes if it is on one, so that they stop at the same step."""
    if hosts is None:
        return list(flags)
    said = torch.tensor([int(flag) for flag in flags])
    distributed.all_reduce(said, distributed.ReduceOp.MAX, group=hosts)
    return [flag > 0 for flag in said.tolist()]


def broadcast(hosts: Hosts, number: int) -> int:
    """The number that the first process has."""
    if hosts is None:
        return number
    said = torch.tensor(number)
    distributed.broadcast(said, src=0, group=hosts)
    return int(said)


@contextmanager
def alone(run: Run, accelerator: Accelerator) -> Iterator[None]:
    """Within, the first process holds the lock of a run that goes on.

    Raises:
        RunInUse: another training holds it; on all processes.
    """
    refused: list[str] = [""]
    with ExitStack() as held:
        if accelerator.is_main_process and not run.is_finished:
            try:
                held.enter_context(run.lock)
            except RunInUse as error:
                refused = [str(error)]
        if said := broadcast_object_list(refused)[0]:
            raise RunInUse(said)
        yield


def leave_processes() -> None:
    """Leave the group of processes; the last thing that a process does with it. One is none.

    Whatever refers to the group must be gone: DDP's reducer joins the group's threads when it is
    destroyed. At the end of the interpreter that happens under its lock, for which such a thread
    may wait, and the process hangs for ever. A process that ends before the others, in the group
    still, may abort after all was written. The frames of an exception that is being handled refer
    to the wrapped model, so their local variables are cleared.
    """
    error = sys.exception()
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
    gc.collect()
    if distributed.is_initialized():
        PartialState().destroy_process_group()
