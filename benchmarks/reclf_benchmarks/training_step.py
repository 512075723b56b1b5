"""A whole training step: towers, scores, losses, optimizer, ours against the form of the peers.

    random batch -> ResNet-50, BERT-base -> scores of all pairs -> losses -> backward -> AdamW

The reference is the same model in float32 and channels first, with SGRAF's loop over captions and
an optimizer that visits one parameter after the other. Ours is what `reclf.training.loop` runs.
"""

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from reclf.config import ModelConfig, TowerConfig
from reclf.data.batch import Batch
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.models.relations.combined import RelationEnhanced
from reclf.runs.device import choose_precision

from .loops import sgraf_logits
from .timing import in_turns, ratio


@dataclass(frozen=True)
class StepSizes:
    """The defaults are those of the project's bar: the paper's towers at a batch for a CPU."""

    studies: int = 16
    words: int = 64
    image_size: int = 224
    embed_dim: int = 768
    matching_dim: int = 256
    image_tower: tuple[tuple[str, object], ...] = (("model_type", "resnet"), ("num_channels", 1))
    text_tower: tuple[tuple[str, object], ...] = (("model_type", "bert"),)


class Step:
    """The model twice, and a job for a step of each."""

    def __init__(self, sizes: StepSizes, device: str = "cpu", seed: int = 0):
        torch.manual_seed(seed)
        config = ModelConfig(
            image_tower=TowerConfig(config=dict(sizes.image_tower)),
            text_tower=TowerConfig(config=dict(sizes.text_tower)),
            image_size=sizes.image_size,
            region_stage=4,
            embed_dim=sizes.embed_dim,
            matching_dim=sizes.matching_dim,
            aggregator_options={"include_global": True},
            max_words=sizes.words,
        )
        self.model = RECLF(config).to(device).train()
        self.plain = copy.deepcopy(self.model)
        self.plain.image_encoder.tower.to(memory_format=torch.contiguous_format)
        self.plain.image_encoder.memory_format = torch.contiguous_format
        self.device, self.sizes = device, sizes
        self.precision = choose_precision("auto", device == "cpu")
        self.batch = _batch(sizes, config).to(device)
        self.fused = torch.optim.AdamW(self.model.parameters(), lr=1e-5, fused=True)
        self.single = torch.optim.AdamW(
            self.plain.parameters(), lr=1e-5, foreach=False, fused=False
        )

    def ours(self) -> None:
        with self._autocast():
            losses = contrastive_losses(**self.model(self.batch))
        _total(losses).backward()
        self.fused.step()
        self.fused.zero_grad(set_to_none=True)

    def loop(self) -> None:
        losses = contrastive_losses(*self.loop_logits())
        _total(losses).backward()
        self.single.step()
        self.single.zero_grad(set_to_none=True)

    def loop_logits(self) -> tuple[Tensor, Tensor]:
        """Global and local logits, by the loop over captions."""
        images = self.plain.encode_images(self.batch.pixels)
        texts = self.plain.encode_reports(self.batch)
        aggregator = self.plain.aggregator
        assert isinstance(aggregator, RelationEnhanced)
        logits_local = sgraf_logits(
            self.plain.matchings,
            aggregator,
            images.regions,
            images.global_embedding,
            list(texts.words),
            texts.global_embedding,
        )
        return self.plain.score_global(images, texts), logits_local

    def check(self) -> None:
        """Both give the same logits in float32, with dropout and batch statistics left out.

        Raises:
            AssertionError: with the largest difference.
        """
        for model in (self.model, self.plain):
            model.eval()
        with torch.no_grad():
            ours = self.model(self.batch)["logits_local"]
            torch.testing.assert_close(ours, self.loop_logits()[1], rtol=1e-3, atol=1e-3)
        for model in (self.model, self.plain):
            model.train()

    def relation_part(self) -> Callable[[], None]:
        """A job: the part of `ours` between the features and their gradients."""
        return relation_job(self.model, self.batch, self._autocast)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


def relation_job(
    model: RECLF, batch: Batch, autocast: Callable[[], AbstractContextManager]
) -> Callable[[], None]:
    """A job: scores of all pairs, losses and backward, from features to their gradients."""
    with torch.no_grad(), autocast():
        images, texts = model.encode_images(batch.pixels), model.encode_reports(batch)
    for leaf in (images.regions, images.global_embedding, texts.words, texts.global_embedding):
        leaf.requires_grad_()

    def job() -> None:
        with autocast():
            scores = model.score(images, texts, word_counts=batch.word_counts)
        losses = contrastive_losses(scores.logits_global, scores.logits_local)
        _total(losses).backward()
        model.zero_grad(set_to_none=True)

    return job


def training_step(sizes: StepSizes, rounds: int, device: str) -> dict[str, float]:
    """`step`: loop by ours; `relation_share`: of our step, between features and their gradients."""
    step = Step(sizes, device)
    step.check()
    jobs = {"loop": step.loop, "ours": step.ours, "relations": step.relation_part()}
    seconds = in_turns(jobs, rounds, device)
    found = dict(zip(("step", "step_spread"), ratio(seconds, "loop", "ours"), strict=True))
    share = ratio(seconds, "relations", "ours")
    return found | dict(zip(("relation_share", "relation_share_spread"), share, strict=True))


def _total(losses: dict[str, Tensor]) -> Tensor:
    return torch.stack(list(losses.values())).sum()


def _batch(sizes: StepSizes, config: ModelConfig) -> Batch:
    """Reports of `words` words, each one piece, between two special tokens."""
    studies, length = sizes.studies, sizes.words + 2
    word_ids = torch.arange(-1, sizes.words + 1)
    word_ids[-1] = -1
    vocabulary = int(dict(sizes.text_tower).get("vocab_size", 30000))  # type: ignore[call-overload]
    return Batch(
        pixels=torch.rand(studies, 1, sizes.image_size, sizes.image_size),
        input_ids=torch.randint(5, vocabulary, (studies, length)),
        attention_mask=torch.ones(studies, length, dtype=torch.long),
        word_ids=word_ids.expand(studies, length).clone(),
        word_mask=torch.ones(studies, sizes.words, dtype=torch.bool),
        sentences=torch.zeros(studies, sizes.words, dtype=torch.long),
        report_keys=torch.arange(studies),
        word_counts=(sizes.words,) * studies,
    )
