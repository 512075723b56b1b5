"""RECLF: two towers, local-matchings, relations between them, two matrices of logits.

    images, reports -> encode -> match -> relate -> logits_global, logits_local (A, B)

`score` takes every image with every report; `relate` takes given pairs and keeps the attention,
relation graph and importance weights. Both come through `_relate`, so what is explained is what was
trained.

RECLF is a plain `nn.Module` with a strict `save_pretrained` / `from_pretrained` in the Hugging Face
folder shape (transformers' own machinery re-initialises foreign towers and accepts missing keys).

Shape letters: A = images, B = reports, C = reports of a chunk, W = words, R = regions; D, S as in
the settings.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedTokenizerBase

from .batches import Batch
from .config import ModelConfig, TowerConfig, from_dict
from .encoders import ImageEncoder, ImageFeatures, TextEncoder, TextFeatures, build_tower
from .matchings import LocalMatchings, Matched
from .relations import Pairs, Related, make_aggregator

MAX_LOGIT_SCALE = 100.0


class Scores(NamedTuple):
    logits_global: Tensor  # (A, B), cosine of the global vectors times the logit scale
    logits_local: Tensor | None  # (A, B) relation-enhanced, None for the "global" aggregator
    logits: Tensor  # (A, B), global_weight * logits_global + logits_local: the score to rank by


class RECLF(nn.Module):
    """The model.

    Args:
        config: what to build.
        tokenizer: kept with the weights; `encode_reports` needs it.
        image_tower, text_tower: ready towers; by default they are made from the configuration.
    """

    def __init__(
        self,
        config: ModelConfig,
        tokenizer: PreTrainedTokenizerBase | None = None,
        image_tower: nn.Module | None = None,
        text_tower: nn.Module | None = None,
    ):
        super().__init__()
        self.config = config
        self.tokenizer = tokenizer
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
            config.aggregator, config.matching_dim, config.aggregator_options
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
        return self.text_encoder(
            batch.input_ids, batch.attention_mask, batch.word_ids, batch.word_mask
        )

    def score(
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
    ) -> Scores:
        """Score every image with every report.

        Args:
            images: features of A images.
            texts: features of B reports.
            pair_chunk: reports matched at a time; 0 means all. The result does not depend on it.
            checkpoint_pairs: recompute each chunk in the backward pass.
        """
        logits_global = self.logit_scale * cosine(images.whole[:, None], texts.whole[None])
        if not self.aggregator.uses_matchings:
            return Scores(logits_global, None, self.config.global_weight * logits_global)
        # Reports of like length together: a chunk is padded to its own longest report.
        order = texts.word_mask.sum(1).argsort() if pair_chunk else _arange_like(texts.whole)
        columns = []
        for chosen in order.split(pair_chunk or len(order)):
            words, mask, whole = _take(texts, chosen, trim=bool(pair_chunk))
            run: Callable = self._score_chunk
            if checkpoint_pairs and torch.is_grad_enabled():
                column = checkpoint(run, images, words, mask, whole, use_reentrant=False)
            else:
                column = run(images, words, mask, whole)
            columns.append(column)
        logits_local = torch.cat(columns, 1)[:, order.argsort()]
        return Scores(
            logits_global, logits_local, self.config.global_weight * logits_global + logits_local
        )

    def _score_chunk(
        self, images: ImageFeatures, words: Tensor, mask: Tensor, whole: Tensor
    ) -> Tensor:
        related, _ = self._relate(images.regions, images.whole[:, None], words, whole[None], mask)
        return related.logits.view(len(images.whole), len(whole))

    def _relate(
        self, regions: Tensor, image_whole: Tensor, words: Tensor, text_whole: Tensor, mask: Tensor
    ) -> tuple[Related, Matched]:
        """Match and relate. Words are (C, W, D) for all A images, or (A, 1, W, D) for pairs."""
        matched = self.matchings(regions, words, mask)
        whole = self.matchings.match_whole(image_whole, text_whole)  # (A, C, S)
        shape = (*whole.shape[:2], mask.shape[-1])
        pairs = Pairs(
            matchings=matched.matchings.reshape(-1, shape[2], matched.matchings.shape[-1]),
            cosines=matched.cosines.reshape(-1, shape[2]),
            whole=whole.flatten(0, 1),
            word_mask=mask.expand(shape).reshape(-1, shape[2]),
        )
        return self.aggregator(pairs), matched

    def relate(self, images: ImageFeatures, texts: TextFeatures) -> tuple[Related, Matched]:
        """Relate image i with report i, for given pairs rather than all of them.

        Returns:
            The aggregator's read-out, and matchings (A, W, S), cosines (A, W), attention (A, W, R).
        """
        if len(images.whole) != len(texts.whole):
            raise ValueError(
                f"relate takes pairs: {len(images.whole)} images and {len(texts.whole)} reports "
                "do not pair up; use score for all combinations"
            )
        if not self.aggregator.uses_matchings:
            matched = self.matchings(images.regions, texts.words[:, None], texts.word_mask[:, None])
            return Related(torch.zeros_like(images.whole[:, 0])), matched
        return self._relate(
            images.regions,
            images.whole[:, None],
            texts.words[:, None],
            texts.whole[:, None],
            texts.word_mask[:, None],
        )

    def forward(
        self,
        batch: Batch,
        pair_chunk: int = 0,
        checkpoint_pairs: bool = False,
        gather: Callable[[Tensor, int], Tensor] = lambda tensor, dim: tensor,
    ) -> dict[str, Tensor | None]:
        """Logits of all pairs of a batch, by the names that `contrastive_losses` takes.

        Args:
            batch: B studies.
            pair_chunk, checkpoint_pairs: see `score`.
            gather: joins a tensor over processes along a dimension, with gradient. Each process
                matches its own reports with the images of all; columns are joined afterwards.
        """
        images = self.encode_images(batch.pixels)
        texts = self.encode_reports(batch)
        joint = images._replace(whole=gather(images.whole, 0))
        if self.aggregator.uses_matchings:
            joint = joint._replace(regions=gather(images.regions, 0))
        scores = self.score(joint, texts, pair_chunk, checkpoint_pairs)
        logits_local = scores.logits_local
        return {
            "logits_global": gather(scores.logits_global, 1),
            "logits_local": None if logits_local is None else gather(logits_local, 1),
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json, model.safetensors, the towers' configurations and the tokenizer."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(asdict(self.config), indent=2) + "\n")
        self.image_encoder.tower.config.save_pretrained(folder / "image_tower")
        self.text_encoder.tower.config.save_pretrained(folder / "text_tower")
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder / "tokenizer")
        state = {name: value.contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str | torch.device = "cpu") -> "RECLF":
        """Load what `save_pretrained` wrote, in eval mode; needs no network and no training data.

        Raises:
            FileNotFoundError: the folder is not a checkpoint; names the missing file.
            ValueError: weights and configuration do not fit; names the keys.
        """
        from transformers import AutoTokenizer

        folder = Path(folder)
        for name in ("config.json", "model.safetensors", "image_tower", "text_tower"):
            if not (folder / name).exists():
                raise FileNotFoundError(
                    f"{folder} is not a RECLF checkpoint: {name} is missing. A run keeps its "
                    "checkpoints in <run>/checkpoints/best and <run>/checkpoints/last."
                )
        config = from_dict(ModelConfig, json.loads((folder / "config.json").read_text()))
        towers = {}
        for role in ("image", "text"):
            values = json.loads((folder / f"{role}_tower" / "config.json").read_text())
            freeze = getattr(config, f"{role}_tower").freeze
            tower = TowerConfig(config=values, freeze=freeze)
            towers[role] = build_tower(tower, role, config.region_stage)
        tokenizer = None
        if (folder / "tokenizer").exists():
            tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        model = cls(config, tokenizer, towers["image"], towers["text"])
        weights = load_file(folder / "model.safetensors")
        expected = model.state_dict()
        problems = [f"missing {key}" for key in expected.keys() - weights.keys()]
        problems += [f"unexpected {key}" for key in weights.keys() - expected.keys()]
        problems += [
            f"{key} is {tuple(weights[key].shape)}, expected {tuple(expected[key].shape)}"
            for key in expected.keys() & weights.keys()
            if expected[key].shape != weights[key].shape
        ]
        if problems:
            raise ValueError(
                f"{folder}/model.safetensors does not fit its config.json: "
                f"{len(problems)} problems, first {sorted(problems)[:5]}"
            )
        model.load_state_dict(weights)
        return model.to(device).eval()

    def export_image_tower(self, folder: str | Path) -> None:
        """Save the image tower alone as a transformers folder.

        `AutoModel` and the tower's own class (`ResNetBackbone`) load it; `AutoBackbone` of
        transformers 5.23 asks the hub about every name, folders included, and does not.
        """
        self.image_encoder.tower.save_pretrained(folder)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosines of (A, 1, D) with (1, B, D): (A, B), as one matrix product in float32."""
    a, b = F.normalize(a.float(), dim=-1), F.normalize(b.float(), dim=-1)
    return a[:, 0] @ b[0].T


def _arange_like(tensor: Tensor) -> Tensor:
    return torch.arange(len(tensor), device=tensor.device)


def _take(texts: TextFeatures, chosen: Tensor, trim: bool) -> tuple[Tensor, Tensor, Tensor]:
    words, mask, whole = texts.words[chosen], texts.word_mask[chosen], texts.whole[chosen]
    if trim:
        longest = max(1, int(mask.sum(1).max()))
        words, mask = words[:, :longest], mask[:, :longest]
    return words, mask, whole
