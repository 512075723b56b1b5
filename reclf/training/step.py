"""One step of the optimizer, in plain sight.

micro-batches -> augment -> forward -> losses -> backward, each -> clip -> step
"""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from reclf.config import TrainConfig
from reclf.data.augmentation import augment
from reclf.data.batch import Batch

from .processes import batch_losses


def train_step(
    wrapped: nn.Module,
    optimizer: AcceleratedOptimizer,
    accelerator: Accelerator,
    batches: Sequence[Batch],
    config: TrainConfig,
    augmented: torch.Generator | None,
) -> dict[str, Tensor]:
    """Move the weights by the mean gradient of `config.accumulate` micro-batches.

    Args:
        wrapped: the model as Accelerate has prepared it, and its optimizer likewise.
        batches: of this process.
        augmented: draws the changes of images; None leaves them as they are.

    Returns:
        The losses, means over the micro-batches, and "gradient_norm" before it is clipped, where
        the step was not skipped; detached, of shape ().
    """
    wrapped.train()
    total: dict[str, Tensor] = {}
    for micro, waiting in enumerate(batches):
        batch = waiting.to(accelerator.device)
        if augmented is not None:
            batch.pixels = augment(batch.pixels, augmented)
        last = micro == config.accumulate - 1
        with nullcontext() if last else accelerator.no_sync(wrapped):
            losses = batch_losses(wrapped, batch, config, accelerator)
            accelerator.backward(sum(losses.values()) / config.accumulate)
        for name, loss in losses.items():
            total[name] = total.get(name, 0) + loss.detach() / config.accumulate
    if config.clip_norm:
        parameters = [p for p in wrapped.parameters() if p.grad is not None]
        norm = accelerator.clip_grad_norm_(parameters, config.clip_norm)
    else:
        accelerator.unscale_gradients()
        norm = get_total_norm([p.grad for p in wrapped.parameters() if p.grad is not None])
    optimizer.step()
    if not optimizer.step_was_skipped:  # as fp16's scaler does where they overflow
        total["gradient_norm"] = norm.detach()
    optimizer.zero_grad(set_to_none=True)
    return total
