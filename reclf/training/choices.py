"""What is left to the machine: chosen before the first step, printed and recorded.

    settings, model, free memory, number of processes --> settings without "auto", DDP's flag

Nothing here changes a number of the training but its rounding: pairs are computed again or kept,
and DDP looks in every step for parameters without a gradient, or need not. A shortlist, which
changes what is learned, is advised and never chosen (`reclf.training.pair_memory`).
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from reclf.config import TrainConfig
from reclf.data.batch import Batch
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS

from .pair_memory import judge_memory
from .processes import Hosts, agree


def choose(
    model: RECLF, config: TrainConfig, accelerator: Accelerator, hosts: Hosts
) -> tuple[TrainConfig, dict[str, Any]]:
    """The settings of a step, and what was chosen: name -> value, for environment.json.

    On a CPU pairs are kept, unless the settings say otherwise.
    """
    chosen: dict[str, Any] = {}
    recompute = config.checkpoint_pairs is True
    if accelerator.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(accelerator.device)
        short = judge_memory(model, config, accelerator.num_processes, free)
        if config.checkpoint_pairs == "auto":
            (recompute,) = agree(hosts, short)
            chosen["checkpoint_pairs"] = recompute
    if accelerator.num_processes > 1:
        unused = without_gradient(model, config)
        # What our own modules leave out, they always do; towers may drop layers at random.
        known = type(model.aggregator) in AGGREGATORS.values()
        ours = [name for name in unused or () if known and ".tower." not in name]
        look = unused is None or unused != ours
        # Accelerate hands it to DDP when the model is prepared.
        accelerator.ddp_handler.find_unused_parameters = look
        chosen |= {"find_unused_parameters": look, "set_aside": ours}
    if chosen and accelerator.is_main_process:
        print(f"chosen: {chosen}", flush=True)
    return replace(config, checkpoint_pairs=recompute), chosen


@contextmanager
def aside(model: RECLF, names: Sequence[str]) -> Iterator[None]:
    """Within, DDP is made without these parameters, for whose gradients it would wait for ever."""
    some = [model.get_parameter(name) for name in names]
    for parameter in some:
        parameter.requires_grad_(False)
    yield
    for parameter in some:
        parameter.requires_grad_(True)


def without_gradient(model: RECLF, config: TrainConfig) -> list[str] | None:
    """Trained parameters that a step leaves without a gradient; None where that is not known.

    By one step of two short reports on torch's meta device, which computes nothing. A shortlist and
    reports that are false of an image use the same parameters. Not known where code of your own
    does not run there.
    """
    twin = _on_meta(model).train()
    try:
        outputs = twin(_two_studies(model), encoder_chunk=config.encoder_chunk)
        losses = contrastive_losses(**outputs, local_weight=config.local_weight)
        torch.stack(list(losses.values())).sum().backward()
    except Exception:  # whatever a tower or an aggregator does without values
        return None
    return [n for n, p in twin.named_parameters() if p.requires_grad and p.grad is None]


def _on_meta(model: RECLF) -> RECLF:
    """The model with shapes instead of values; its weights are not copied."""
    known: dict[int, Any] = {id(model.tokenizer): model.tokenizer}
    for parameter in model.parameters():
        empty = parameter.detach().to("meta")
        known[id(parameter)] = nn.Parameter(empty, requires_grad=parameter.requires_grad)
    known |= {id(buffer): buffer.to("meta") for buffer in model.buffers()}
    return copy.deepcopy(model, known)


def _two_studies(model: RECLF, words: int = 3) -> Batch:
    """Two studies of so many words, on the meta device."""
    size, tokens = model.config.image_size, words + 2
    with torch.device("meta"):
        return Batch(
            pixels=torch.zeros(2, 1, size, size, dtype=model.log_logit_scale.dtype),
            input_ids=torch.zeros(2, tokens, dtype=torch.long),
            attention_mask=torch.ones(2, tokens, dtype=torch.long),
            word_ids=torch.zeros(2, tokens, dtype=torch.long),
            word_mask=torch.ones(2, words, dtype=torch.bool),
            sentences=torch.zeros(2, words, dtype=torch.long),
            report_keys=torch.zeros(2, dtype=torch.long),
            word_counts=(words, words),
            token_counts=(tokens, tokens),
        )
