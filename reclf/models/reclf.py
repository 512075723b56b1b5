"""RECLF: two towers, local-matchings, relations between them, two matrices of logits.

    images, reports -> encode -> match -> relate -> logits_global, logits_local (A, B)

`score` takes every image with every report, `score_pairs` a list of pairs; `relate` keeps the
attention, relation graph and importance weights of given pairs. All come through
`reclf.models.scoring`.

RECLF is a plain `nn.Module` with a strict `save_pretrained` / `from_pretrained` (`stored_model`).

Shape letters: A = images, B = reports, N = pairs, W = words, R = regions; D, S as in the settings.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from reclf.config import ModelConfig
from reclf.data.batch import Batch, DistinctWords

from .batch_logits import by_name, own_reports, score_negatives
from .checkpointing import encoded_in_chunks
from .encoders import ImageEncoder, ImageFeatures, TextEncoder, TextFeatures
from .hub import local_folder, push
from .matchings import LocalMatchings, Matched, as_given
from .parallel import Job, run_parallel
from .relations import Aggregator, Related, make_aggregator
from .scoring import PairScorer
from .stored_model import read_model, save_image_tower, save_model
from .tiles import hardest_pairs
from .towers import build_tower

MAX_LOGIT_SCALE = 100.0


class Scores(NamedTuple):
    """Of all pairs (A, B), or of a list of pairs (N,)."""

    logits_global: Tensor  # cosine of the global vectors times the logit scale
    logits_local: Tensor | None  # relation-enhanced, None for the "global" aggregator
    logits: Tensor  # global_weight * logits_global + logits_local: the score to rank by


class RECLF(nn.Module):
    """The model.

    Args:
        config: what to build.
        tokenizer: kept with the weights; `encode_reports` needs it.
        image_tower, text_tower: ready towers; by default they are made from the configuration.
        aggregator: the class of the configuration's, handed over instead of imported.
    """

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: PreTrainedTokenizerBase | None = None,
        image_tower: nn.Module | None = None,
        text_tower: nn.Module | None = None,
        aggregator: type[Aggregator] | None = None,
    ):
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
        self.read_from: Path | None = None  # the folder it was loaded from
        if image_tower is None:
            image_tower = build_tower(config.image_tower, "image", config.region_stage)
        if text_tower is None:
            text_tower = build_tower(config.text_tower, "text")
        self.image_encoder = ImageEncoder(config, image_tower)
        self.text_encoder = TextEncoder(config, text_tower)
        self.matchings = LocalMatchings(
            config.embed_dim,
            config.matching_dim,
            config.attention,
            config.attention_scale,
            config.learn_attention_scale,
        )
        self.aggregator = make_aggregator(
            config.aggregator,
            config.matching_dim,
            config.aggregator_options,
            aggregator,
            config.embed_dim,
        )
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(config.logit_scale)))

    @property
    def device(self) -> torch.device:
        return self.log_logit_scale.device

    @property
    def logit_scale(self) -> Tensor:
        """The multiplier of the global cosines, at most 100 (CLIP's clamp)."""
        return self.log_logit_scale.exp().clamp(max=MAX_LOGIT_SCALE)

    def encode_images(self, pixels: Tensor) -> ImageFeatures:
        """(B, 1, H, W) in [0, 1] to image features."""
        return self.image_encoder(pixels)

    def encode_reports(self, batch: Batch) -> TextFeatures:
        """The reports of a batch to text features."""
        return self.text_encoder(*_text_parts(batch))

    def score_global(self, images: ImageFeatures, texts: TextFeatures) -> Tensor:
        """Logits of the global vectors of every image with every report, (A, B)."""
        return self.logit_scale * cosine(
            images.global_embedding[:, None], texts.global_embedding[None]
        )

    def score(
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
        word_counts: Sequence[int] | None = None,
    ) -> Scores:
        """Score every image with every report.

        Args:
            images: features of A images.
            texts: features of B reports.
            pair_chunk: pairs related at a time; 0 chooses what suits the device. The result does
                not depend on it.
            checkpoint_pairs: recompute each chunk in the backward pass.
            word_counts: words per report, where the caller knows them: they are read from the mask
                otherwise, and a GPU is waited for.
        """
        logits_global, logits_local = self.score_global(images, texts), None
        if self.aggregator.uses_matchings:
            scorer = PairScorer(self.matchings, self.aggregator, pair_chunk, checkpoint_pairs)
            logits_local = scorer.all_pairs(images, texts, _counts(texts, word_counts))
        return self.combine(logits_global, logits_local)

    def combine(self, logits_global: Tensor, logits_local: Tensor | None) -> Scores:
        """Global and local logits of the same pairs, with the score to rank by."""
        logits = self.config.global_weight * logits_global
        if logits_local is not None:
            logits = logits + logits_local
        return Scores(logits_global, logits_local, logits)

    def score_pairs(
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        image_rows: Tensor,
        text_rows: Tensor,
        pair_chunk: int = 0,
    ) -> Scores:
        """Scores of given pairs, each (N,): what `score` gives for them.

        Args:
            image_rows, text_rows: int64 (N,), positions in the features.
            pair_chunk: see `score`.
        """
        embeddings = [
            F.normalize(side.global_embedding.float(), dim=-1)[rows]
            for side, rows in ((images, image_rows), (texts, text_rows))
        ]
        logits_global = self.logit_scale * (embeddings[0] * embeddings[1]).sum(1)
        logits_local = None
        if self.aggregator.uses_matchings:
            scorer = PairScorer(self.matchings, self.aggregator, pair_chunk)
            counts = _counts(texts, None)
            logits_local = scorer.listed_pairs(images, texts, image_rows, text_rows, counts)
        return self.combine(logits_global, logits_local)

    def relate(self, images: ImageFeatures, texts: TextFeatures) -> tuple[Related, Matched]:
        """Relate image i with report i, and keep graph, weights, matchings and attention.

        Returns:
            The aggregator's read-out, and matchings (A, W, S), cosines (A, W), attention (A, W, R).
        """
        if len(images.global_embedding) != len(texts.global_embedding):
            raise ValueError(
                f"relate takes pairs: {len(images.global_embedding)} images and "
                f"{len(texts.global_embedding)} reports do not pair up; use score for all "
                "combinations"
            )
        images = images.in_one_type()
        if not self.aggregator.uses_matchings:
            matched = self.matchings(images.regions, texts.words[:, None], texts.word_mask[:, None])
            return Related(torch.zeros_like(images.global_embedding[:, 0])), matched
        return PairScorer(self.matchings, self.aggregator).explain_pairs(images, texts)

    def forward(
        self,
        batch: Batch,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
        encoder_chunk: int = 0,
        shortlist: int = 0,
        positives: Tensor | None = None,
    ) -> dict[str, Any]:
        """Logits of all pairs of a batch, by the names that `contrastive_losses` takes.

        Args:
            batch: B studies, with N reports or none that are false of each: further columns.
            pair_chunk, checkpoint_pairs: see `score`.
            encoder_chunk: see `encode`.
            shortlist: K; relate only positives and, by global logits, the K hardest negatives of
                every image and every report; the other local logits are -inf. 0 relates all.
            positives: bool (B, B); None means the diagonal.
        """
        images, texts = self.encode(batch, encoder_chunk)
        how = pair_chunk, checkpoint_pairs
        negatives = score_negatives(self, images, texts, batch, *how)
        texts, counts = own_reports(texts, batch)
        logits_global = self.score_global(images, texts)
        chosen = hardest_pairs(logits_global, positives, shortlist) if shortlist else None
        local = self.score_local(images, texts, counts, chosen, *how, batch.distinct)
        return by_name(self.aggregator, logits_global, local, *negatives)

    def encode(self, batch: Batch, chunk: int = 0) -> tuple[ImageFeatures, TextFeatures]:
        """Features of the images and of the reports of a batch, both sides at a time.

        Args:
            chunk: studies encoded at a time, and encoded again in the backward pass, so that memory
                holds the activations of one chunk; 0 encodes all at once. Batch norms see a chunk
                as their batch.
        """
        if chunk >= len(batch) or not torch.is_grad_enabled():
            chunk = 0
        sides = (self.image_encoder, (batch.pixels,)), (self.text_encoder, _text_parts(batch))
        images, texts = run_parallel(
            [
                Job([tower], partial(encoded_in_chunks, tower, chunk), parts)
                for tower, parts in sides
            ]
        )
        return ImageFeatures(*images), TextFeatures(*texts)

    def score_local(
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        word_counts: Sequence[int] | None = None,
        chosen: Tensor | None = None,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
        distinct: DistinctWords | None = None,
    ) -> Tensor | None:
        """Local logits of images with reports, (A, B), None where the aggregator has none.

        With an auxiliary score that is trained, (A, B, 2): the logits, then that score.

        Args:
            word_counts, pair_chunk, checkpoint_pairs: see `score`.
            chosen: bool (A, B), the pairs to relate; the others are -inf. None relates all.
            distinct: of the words, where all pairs are related; not used where words of this model
                do not repeat. The result does not depend on it.
        """
        if not self.aggregator.uses_matchings:
            return None
        auxiliary = self.aggregator.auxiliary_weight > 0
        scorer = PairScorer(
            self.matchings, self.aggregator, pair_chunk, checkpoint_pairs, auxiliary
        )
        counts = _counts(texts, word_counts)
        if chosen is None:
            repeated = distinct if self.text_encoder.words_repeat else None
            return scorer.all_pairs(images, texts, counts, repeated)
        rows = chosen.cpu().nonzero().T
        values = scorer.listed_pairs(images, texts, rows[0], rows[1], counts)
        empty = values.new_full((*chosen.shape, *values.shape[1:]), float("-inf"))
        return empty.masked_scatter(chosen[..., None] if auxiliary else chosen, values)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors, the towers' configurations and the tokenizer, with
        checksums; other files of the folder stay."""
        save_model(self, Path(folder).expanduser().resolve())

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        device: str | torch.device = "cpu",
        revision: str = "",
        *,
        trust_code: bool = False,
        aggregator: type[Aggregator] | None = None,
        image_tower: Callable[[bool], nn.Module] | None = None,
    ) -> "RECLF":
        """Load what `save_pretrained` wrote, in eval mode; of a folder it needs no network.

        Code that the folder names ("module:Class") is not imported unless the caller says so.

        Args:
            source: a folder, or "org/name" of the hub, see `reclf.models.hub`.
            revision: commit or tag of the hub; pin it, since a branch moves.
            trust_code: import and run what its files name, as their author.
            aggregator: class of its aggregator, where that is of your own; none is imported.
            image_tower: function of its image tower (`function_tower`), likewise.

        Raises:
            FileNotFoundError: there is no such folder or repository, or it is not a checkpoint.
            ValueError: it names code, is damaged, or weights and configuration do not fit; names
                the file and the keys.
            TypeError: an aggregator that is no subclass of `relations.Aggregator`.
        """
        folder = local_folder(source, revision)
        model = read_model(folder, cls, trust_code, aggregator, image_tower)
        model.read_from = folder
        return model.to(device).eval()

    @property
    def code(self) -> dict[str, Any]:
        """Its classes and functions, as `from_pretrained` takes them of a caller."""
        function = getattr(self.image_encoder.tower, "function", None)
        return {"aggregator": type(self.aggregator), "image_tower": function}

    def push_to_hub(self, name: str, private: bool | None = None) -> str:
        """Commit the model to "org/name" of the hub, with the README.md of the run that it was read
        from as its card; returns the commit's address. Raises an OSError, see `reclf.models.hub`.
        """
        return push(self.save_pretrained, name, self.read_from, private)

    def export_image_tower(self, folder: str | Path) -> None:
        """Save the image tower alone as a transformers folder.

        `AutoModel` and the tower's own class (`ResNetBackbone`) load it; `AutoBackbone` of
        transformers 5.23 asks the hub about every name, folders included, and does not.
        """
        save_image_tower(self, Path(folder).expanduser().resolve())


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of (A, 1, D) with (1, B, D): (A, B), as one matrix product in float32.

    Under autocast, too: times a scale of 14 the steps of bfloat16 are .06, and reorder scores.
    """
    a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
    with as_given(a):
        return a[:, 0] @ b[0].T


def _text_parts(batch: Batch) -> tuple[Tensor, ...]:
    """What the text encoder takes, in its order."""
    words = batch.word_ids, batch.word_mask, batch.sentences
    lengths = [torch.tensor(batch.token_counts)] if batch.token_counts else []
    return (batch.input_ids, batch.attention_mask, *words, *lengths)


def _counts(texts: TextFeatures, known: Sequence[int] | None) -> Sequence[int]:
    """Words per report."""
    return known if known else texts.word_mask.sum(1).tolist()
