"""Independent parts of a computation side by side, on the cores of a CPU.

    jobs --each in one of a few threads--> outputs;   their gradients --the same way--> gradients

Torch's threads share every operation, and wait for each other at its end: on small operations, or
where something else wants a core too, two are hardly faster than one and can be slower (LOG.md,
2026-11-25). Here threads meet a few times in a step. A job comes to the same numbers in whatever
thread, and gradients are summed in the order of the jobs.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.dropout import _DropoutNd

from .checkpointing import AutocastState, Outputs, gradients_of

_THREADS: ContextVar[int] = ContextVar("threads")


class Job(NamedTuple):
    """`run(*tensors)`; it may depend on nothing else but the parameters of its modules."""

    modules: Sequence[nn.Module]  # parameters of others get no gradient
    run: Callable[..., Outputs]  # gives a tuple, of tensors and of anything without a gradient
    tensors: tuple[Tensor | None, ...]


@contextmanager
def parallel_threads(count: int):
    """Within, so many jobs at a time; without, as many as torch has threads."""
    token = _THREADS.set(count)
    try:
        yield
    finally:
        _THREADS.reset(token)


def run_parallel(jobs: Sequence[Job]) -> list[Outputs]:
    """The outputs of every job, in their order; on a GPU one after the other.

    Also one after the other where their order would show: with dropout, and where the running
    statistics of a norm would be updated by several jobs.
    """
    count = min(_THREADS.get(torch.get_num_threads()), len(jobs))
    tensors = [tensor for job in jobs for tensor in job.tensors if tensor is not None]
    on_cpu = all(tensor.device.type == "cpu" for tensor in tensors)
    if count < 2 or not on_cpu or _order_shows(jobs):
        return [job.run(*job.tensors) for job in jobs]
    if not torch.is_grad_enabled():
        return list(_threads(count, lambda job: job.run(*job.tensors), jobs))
    parameters = [_parameters(job) for job in jobs]
    unique = {id(t): t for t in [*tensors, *(p for some in parameters for p in some)]}
    place = {key: k for k, key in enumerate(unique)}
    given = [[None if t is None else place[id(t)] for t in job.tensors] for job in jobs]
    weights = [[place[id(p)] for p in some] for some in parameters]
    runs = [job.run for job in jobs]
    flat = _Parallel.apply(count, runs, given, weights, *unique.values())
    sizes, outputs = flat[0], iter(flat[1:])
    return [tuple(next(outputs) for _ in range(size)) for size in sizes]


def _parameters(job: Job) -> list[nn.Parameter]:
    return [p for module in job.modules for p in module.parameters() if p.requires_grad]


def _order_shows(jobs: Sequence[Job]) -> bool:
    users = Counter(part for job in jobs for module in job.modules for part in module.modules())
    for part, count in users.items():
        if part.training and isinstance(part, _DropoutNd) and part.p > 0:
            return True
        if part.training and count > 1 and getattr(part, "running_mean", None) is not None:
            return True
    return False


def _threads(count: int, work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[Any]:
    """`work` of every item, `count` at a time, with the gradient mode and autocast of here."""
    graded, autocast = torch.is_grad_enabled(), AutocastState.now(torch.device("cpu"))

    def one(item: Any) -> Any:
        with parallel_threads(1), torch.set_grad_enabled(graded), autocast.again():
            return work(item)

    share = max(1, torch.get_num_threads() // count)
    yield from _pool(os.getpid(), count, share).map(one, items)


@cache
def _pool(process: int, count: int, share: int) -> ThreadPoolExecutor:
    """Threads that stay, since oneDNN prepares its kernels in every thread that is new to them.

    Args:
        process: a fork has none of the threads of its parent, and makes its own.
        share: threads that torch has in each of them.
    """
    return ThreadPoolExecutor(count, initializer=torch.set_num_threads, initargs=(share,))


class _Parallel(torch.autograd.Function):
    """Jobs on detached tensors, their graphs kept for a backward pass in threads as well."""

    @staticmethod
    def forward(
        ctx,
        count: int,
        runs: Sequence[Callable[..., Outputs]],
        given: Sequence[Sequence[int | None]],
        weights: Sequence[Sequence[int]],
        *tensors: Tensor,
    ) -> Outputs:
        ctx.set_materialize_grads(False)
        needed = {k for k, needs in enumerate(ctx.needs_input_grad[4:]) if needs}
        sources = list(tensors)
        for k in {k for own in given for k in own if k is not None}:
            sources[k] = tensors[k].detach().requires_grad_(k in needed)

        def work(job: tuple[Callable[..., Outputs], Sequence[int | None]]) -> Outputs:
            run, own = job
            with torch.enable_grad():
                return run(*(None if k is None else sources[k] for k in own))

        outputs = list(_threads(count, work, list(zip(runs, given, strict=True))))
        ctx.count, ctx.outputs, ctx.sources = count, outputs, sources
        ctx.wanted = [
            sorted(needed & {*own, *some}) for own, some in zip(given, weights, strict=True)
        ]
        flat = [part for some in outputs for part in some]
        return (
            [len(some) for some in outputs],
            *(part.detach() if isinstance(part, Tensor) else part for part in flat),
        )

    @staticmethod
    @once_differentiable
    def backward(ctx, _: None, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if ctx.outputs is None:
            raise RuntimeError("these jobs have been through a backward pass; run them again")
        arriving = iter(gradients)
        work: list[Any] = [(some, [next(arriving) for _ in some]) for some in ctx.outputs]
        ctx.outputs = None
        total: list[Tensor | None] = [None] * len(ctx.sources)

        def back(number: int) -> Sequence[Tensor | None]:
            some, arrived = work[number]
            work[number] = None  # the graph of a job is freed when its gradients are there
            return gradients_of(some, arrived, [ctx.sources[k] for k in ctx.wanted[number]])

        found = _threads(ctx.count, back, range(len(work)))
        for own, gradients_of_job in zip(ctx.wanted, found, strict=True):
            for k, gradient in zip(own, gradients_of_job, strict=True):
                if gradient is not None:
                    total[k] = gradient if total[k] is None else total[k] + gradient
        return None, None, None, None, *total
