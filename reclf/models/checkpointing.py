"""Forget the activations of a chunk, and compute them again in the backward pass.

    tensors --run, nothing kept--> outputs;   their gradients --run again--> gradients

`torch.utils.checkpoint` does this too, and keeps what it has recomputed in cycles of references
until Python collects them: with small chunks that was most of the peak. Here a chunk is freed when
its gradients are there. In return `run` may depend on nothing but its tensors and the parameters of
the modules that are named.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Outputs = tuple[Any, ...]


def checkpointed(
    modules: Sequence[nn.Module], run: Callable[..., Outputs], *tensors: Tensor | None
) -> Outputs:
    """`run(*tensors)`, forgotten and run again in the backward pass.

    Random numbers and autocast are the same both times, and running statistics are updated once.

    Args:
        modules: whose parameters `run` uses; others get no gradient.
        run: gives a tuple, of tensors and of anything that has no gradient.
    """
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    return _Checkpointed.apply(modules, run, len(tensors), *tensors, *parameters)


class _Checkpointed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,
        modules: Sequence[nn.Module],
        run: Callable[..., Outputs],
        count: int,
        *tensors: Tensor | None,
    ) -> Outputs:
        ctx.set_materialize_grads(False)
        ctx.modules, ctx.run = modules, run
        ctx.parameters = tensors[count:]
        ctx.save_for_backward(*tensors[:count])
        device = next(tensor.device for tensor in tensors if tensor is not None)
        ctx.device, ctx.random = device, _random_state(device)
        ctx.autocast = AutocastState.now(device)
        with ctx.autocast.again():
            return run(*tensors[:count])

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[3:]
        inputs = [
            None if tensor is None else tensor.detach().requires_grad_(needs)
            for tensor, needs in zip(ctx.saved_tensors, needed, strict=False)
        ]
        cuda = [ctx.device] if ctx.device.type == "cuda" else []
        with torch.random.fork_rng(cuda), _statistics_kept(ctx.modules):
            _set_random_state(ctx.device, ctx.random)
            with torch.enable_grad(), ctx.autocast.again():
                outputs = ctx.run(*inputs)
            all_tensors = zip([*inputs, *ctx.parameters], needed, strict=True)
            sources = [tensor for tensor, needs in all_tensors if needs]
            found = iter(gradients_of(outputs, gradients, sources))
        return None, None, None, *(next(found) if needs else None for needs in needed)


class AutocastState(NamedTuple):
    """Autocast as it was, but for casts of weights that are kept between calls: those that are
    made without a graph, or by another thread, must not be found by who needs one."""

    kind: str
    dtype: torch.dtype | None  # None where the device has no autocast
    enabled: bool

    @classmethod
    def now(cls, device: torch.device) -> "AutocastState":
        kind = device.type
        if not torch.amp.is_autocast_available(kind):
            return cls("cpu", None, False)
        return cls(kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))

    def again(self) -> torch.autocast:
        return torch.autocast(self.kind, self.dtype, self.enabled, cache_enabled=False)


def gradients_of(
    outputs: Outputs, gradients: Sequence[Tensor | None], sources: Sequence[Tensor]
) -> Sequence[Tensor | None]:
    """Of every source, from the gradients of the outputs that have a graph and one arrived for."""
    arrived = [
        (output, gradient)
        for output, gradient in zip(outputs, gradients, strict=True)
        if gradient is not None and isinstance(output, Tensor) and output.requires_grad
    ]
    if not arrived or not sources:
        return [None] * len(sources)
    outputs, gradients = zip(*arrived, strict=True)
    return torch.autograd.grad(outputs, sources, gradients, allow_unused=True)


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    on_cuda = device.type == "cuda"
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if on_cuda else None


def _set_random_state(device: torch.device, state: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)


@contextmanager
def _statistics_kept(modules: Sequence[nn.Module]):
    """Within, norms leave their running statistics as they are."""
    norms = [
        norm
        for module in modules
        for norm in module.modules()
        if norm.training and getattr(norm, "running_mean", None) is not None
    ]
    kept = [{name: b.clone() for name, b in norm.named_buffers(recurse=False)} for norm in norms]
    try:
        yield
    finally:
        for norm, buffers in zip(norms, kept, strict=True):
            for name, before in buffers.items():
                getattr(norm, name).copy_(before)


def encoded_in_chunks(encoder: nn.Module, chunk: int, *parts: Tensor) -> tuple[Any, ...]:
    """The features of some studies at a time, checkpointed in the backward pass; 0 takes all."""
    if not chunk:
        return encoder(*parts)
    split = zip(*(part.split(chunk) for part in parts), strict=True)
    found = zip(*(checkpointed([encoder], encoder, *some) for some in split), strict=True)
    # What is no tensor is the size of the grid, the same for all.
    return tuple(torch.cat(part) if isinstance(part[0], Tensor) else part[0] for part in found)
