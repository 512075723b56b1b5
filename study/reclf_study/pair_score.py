"""A score of one image-report pair as a function of what is changed in the pair.

    pixels | tokens | kept words, the rest as it is -> RECLF.relate -> scores (B,)

Attribution methods and measures of faithfulness call it thousands of times, so that the side which
does not change is encoded once.

Shape letters: B = changed copies of the one pair, W = words, T = tokens, h, w = region grid,
H, W_px = image size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.inference import collate_for
from reclf.models.reclf import RECLF

TARGETS = ("local", "global", "logit", "cosine")
CHUNK = 32  # copies of the pair that are scored at a time


class PairScore:
    """A score of one image-report pair, as a function of its pixels, tokens or kept words.

    Args:
        model: put into eval mode.
        image: float (H, W_px) in [0, 1].
        report: its text.
        target: "local" (relation-enhanced logit), "global" (logit of the global vectors), "logit"
            (what retrieval ranks by), or "cosine" (mean over `words` of the cosine of a word with
            its attended region).
        words: indices of words, for "cosine": one word, or all words of a phrase.

    Raises:
        ValueError: an unknown target, a model without local-matchings asked for a local one, or
            words that the report does not have.
    """

    def __init__(
        self,
        model: RECLF,
        image: np.ndarray,
        report: str,
        target: str = "local",
        words: Sequence[int] = (),
    ):
        if target not in TARGETS:
            raise ValueError(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
        if target == "local" and not model.aggregator.uses_matchings:
            raise ValueError(
                f"a model with aggregator {model.config.aggregator!r} has no local logit; "
                "use target 'global' or 'cosine'"
            )
        self.model, self.target, self.chosen = model.eval(), target, list(words)
        collate = collate_for(model)
        self.words = collate.words(report)
        outside = [i for i in self.chosen if not 0 <= i < len(self.words)]
        if outside or (target == "cosine") != bool(self.chosen):
            raise ValueError(
                f"target 'cosine', and no other, needs indices of words below {len(self.words)}; "
                f"got {self.chosen} for target {target!r}"
            )
        pixels = torch.as_tensor(np.asarray(image, dtype=np.float32))[None, None]
        self.batch = collate.texts([report], pixels).to(model.device)
        self.image = np.asarray(image, dtype=np.float32)
        with torch.no_grad():
            self._images = model.encode_images(self.batch.pixels)
            self._texts = model.encode_reports(self.batch)
        self.grid = self._images.grid
        # where in its block of pixels a region looks, see `reclf.data.region_grid`
        self.center = model.image_encoder.center(self.image.shape[1], self.grid[1])

    @property
    def value(self) -> float:
        """The score of the pair as it is."""
        with torch.no_grad():
            return self.of_pixels(self.batch.pixels).item()

    def of_pixels(self, pixels: Tensor) -> Tensor:
        """Scores (B,) of images (B, 1, H, W_px) with the report."""
        return self._score(self.model.encode_images(pixels), self._texts)

    def of_tokens(self, input_ids: Tensor) -> Tensor:
        """Scores (B,) of reports in which tokens (B, T) stand at the places of the given."""
        return self._of_text(input_ids, self.batch.attention_mask)

    def of_kept_words(self, keep: Tensor) -> Tensor:
        """Scores (B,) of the report without the words where `keep` (B, W) is 0.

        Their tokens are masked from the text encoder and the words from the aggregator: they are
        gone, and nothing stands in their place.
        """
        word_ids, count = self.batch.word_ids, len(self.words)
        kept = keep > 0.5
        # A column of True in front of the words is what special and padding tokens (-1) find.
        places = torch.cat([torch.ones_like(kept[:, :1]), kept], 1)
        tokens = places[:, word_ids[0].clamp(min=-1, max=count - 1) + 1]
        words = torch.zeros_like(self.batch.word_mask).expand(len(keep), -1).clone()
        words[:, :count] = kept
        ids = self.batch.input_ids.expand(len(keep), -1)
        return self._of_text(ids, self.batch.attention_mask * tokens, words)

    def word_cosines(self, pixels: Tensor) -> Tensor:
        """Cosines (B, W) of every word with its attended region, for images (B, 1, H, W_px)."""
        images = self.model.encode_images(pixels)
        texts = _repeat(self._texts, len(pixels))
        return self.model.relate(images, texts)[1].cosines[:, : len(self.words)]

    def attention(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Attention (W, h, w) of every word, and importance weights (W,) where the model has any.

        Raises:
            ValueError: the report has no words.
        """
        if not self.words:
            raise ValueError("the report has no words; attention is a word's")
        with torch.no_grad():
            related, matched = self.model.relate(self._images, self._texts)
        count = len(self.words)
        maps = as_numpy(matched.attention[0, :count].unflatten(-1, self.grid))
        return maps, None if related.weights is None else as_numpy(related.weights[0, :count])

    def _of_text(self, ids: Tensor, mask: Tensor, word_mask: Tensor | None = None) -> Tensor:
        rows = len(ids)
        texts = self.model.text_encoder(
            ids,
            mask.expand(rows, -1),
            self.batch.word_ids.expand(rows, -1),
            self.batch.word_mask.expand(rows, -1) if word_mask is None else word_mask,
            self.batch.sentences.expand(rows, -1),
        )
        return self._score(self._images, texts)

    def _score(self, images: ImageFeatures, texts: TextFeatures) -> Tensor:
        rows = max(len(images.global_embedding), len(texts.global_embedding))
        global_embeddings, regions, pooled = (_rows(part, rows) for part in images[:3])
        images, texts = (
            ImageFeatures(global_embeddings, regions, pooled, images.grid),
            _repeat(texts, rows),
        )
        cosine = torch.cosine_similarity(images.global_embedding, texts.global_embedding)
        logit_global = self.model.logit_scale * cosine
        if self.target == "global":
            return logit_global
        related, matched = self.model.relate(images, texts)
        if self.target == "cosine":
            return matched.cosines[:, self.chosen].mean(1)
        if self.target == "local":
            return related.logits
        return self.model.combine(logit_global, related.logits).logits


def _rows(tensor: Tensor, rows: int) -> Tensor:
    return tensor.expand(rows, *tensor.shape[1:]) if len(tensor) == 1 else tensor


def _repeat(texts: TextFeatures, rows: int) -> TextFeatures:
    return TextFeatures(*(_rows(part, rows) for part in texts))


def as_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor as float32 on the CPU, without its gradient."""
    return tensor.detach().float().cpu().numpy()
