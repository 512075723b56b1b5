"""Local-matchings: how each report word agrees with the image region it attends to.

    words, regions --attention--> attended regions --(difference)^2, W_m--> local-matchings

This is the one path to local-matchings: training, retrieval, zero-shot, explanations and widgets
all come through `LocalMatchings`.

Shape letters: A = images (or image-report pairs), M = words that meet each image, R = regions,
D = embedding, S = matching dimension.

Sources: word-region attention after GLoRIA (Huang et al., ICCV 2021) and SGRAF (Diao et al.,
AAAI 2021); matching vectors after SGRAF's similarity vectors. RECLF's own equations are not
public: that these are its local-matchings is our reconstruction.
"""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class Matched(NamedTuple):
    matchings: Tensor  # (A, M, S), unit length
    cosines: Tensor  # (A, M), cosine of each word with its attended region
    attention: Tensor  # (A, M, R), rows sum to 1: where a word looks


class LocalMatchings(nn.Module):
    """Attend, compare, embed.

    Args:
        embed_dim: D.
        matching_dim: S.
        attention: "cosine" (softmax over regions of scale * cosine), or "words_then_regions"
            (GLoRIA: dot products, softmax over the words of the report, times scale, softmax over
            regions).
        attention_scale: the multiplier at the start.
        learn_attention_scale: learn its logarithm; otherwise it stays as it is.
    """

    def __init__(
        self,
        embed_dim: int,
        matching_dim: int,
        attention: str = "cosine",
        attention_scale: float = 9.0,
        learn_attention_scale: bool = False,
    ):
        super().__init__()
        self.kind = attention
        self.local = nn.Linear(embed_dim, matching_dim)
        self.whole = nn.Linear(embed_dim, matching_dim)
        log_scale = torch.tensor(math.log(attention_scale))
        self.log_attention_scale = nn.Parameter(log_scale, requires_grad=learn_attention_scale)

    def forward(
        self,
        regions: Tensor,
        words: Tensor,
        word_mask: Tensor,
        unit_regions: Tensor | None = None,
    ) -> Matched:
        """Match words with images.

        Args:
            regions: (A, R, D).
            words: (C, W, D) reports that each meet every image, or (A, 1, W, D) one report per
                image.
            word_mask: bool, True where there is a word: (C, W) or (A, 1, W).
            unit_regions: `unit(regions)`, where the caller has it.

        Returns:
            `Matched` with M = C * W (reports one after the other). Rows of padded words are finite
            and meaningless; aggregators mask them.
        """
        attention, _, unit_words = self._attend(regions, words, word_mask, unit_regions)
        difference = _SquaredDifference.apply(attention, regions, unit_words)  # (A, M, D)
        # |a - b|^2 = 2 - 2 cos for unit vectors
        cosines = 1 - difference.sum(-1) / 2
        return Matched(unit(self.local(difference)), cosines, attention)

    def cosines(
        self,
        regions: Tensor,
        words: Tensor,
        word_mask: Tensor,
        unit_regions: Tensor | None = None,
    ) -> Tensor:
        """The cosines (A, M) of `forward` alone, without forming an attended region.

        With p the attention of a word t and V the regions, cos(t, V'p) = p.(V t) / |t| |V'p| and
        |V'p|^2 = p.(V V') p: nothing is larger than words times regions. Equal to `forward` to
        rounding; a word or an attended region of length 0 gives 0.
        """
        attention, scores, _ = self._attend(regions, words, word_mask, unit_regions)
        along = attention * scores
        if self.kind == "cosine":  # the scores are of unit vectors: give the regions their length
            along = along * torch.linalg.vector_norm(regions, dim=-1)[:, None]
            length = torch.ones((), device=regions.device)
        else:
            length = torch.linalg.vector_norm(words.flatten(-3, -2), dim=-1)
        squares = ((attention @ (regions @ regions.mT)) * attention).sum(-1)
        length = length * squares.clamp_min(1e-12).sqrt()
        return along.sum(-1) / length.clamp_min(1e-12)

    def _attend(
        self, regions: Tensor, words: Tensor, word_mask: Tensor, unit_regions: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attention (A, M, R), the products of words and regions it comes from, and unit words.

        (M, D) against all images is one large matrix product; (A, W, D) is one per pair.
        """
        words = words.flatten(-3, -2)
        unit_words = unit(words)
        if self.kind == "cosine":
            products = unit_words @ (unit(regions) if unit_regions is None else unit_regions).mT
            scores = products
        else:
            products = words @ regions.mT
            scores = _softmax_over_words(products, word_mask)
        attention = (scores * self.log_attention_scale.exp()).softmax(-1)
        return attention, products, unit_words

    def match_whole(self, images: Tensor, reports: Tensor) -> Tensor:
        """The global matching of image and report vectors of one (broadcast) shape (..., D)."""
        return unit(self.whole((unit(images) - unit(reports)).square()))


def as_given(tensor: Tensor) -> AbstractContextManager:
    """A context in which autocast does not change the type of tensors on this one's device."""
    kind = tensor.device.type
    known = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if known else nullcontext()


def at_least_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype.itemsize < 4 else tensor


def unit(vectors: Tensor) -> Tensor:
    """Vectors (..., D) scaled to unit length; zeros stay zeros, without gradient.

    `F.normalize` with a backward pass of four sweeps over memory instead of ten; these sweeps, and
    not the matrix products, are most of the time of a small model.
    """
    return _Unit.apply(vectors)


class _Unit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vectors: Tensor) -> Tensor:
        inverse = _inverse_norm(vectors)
        result = (vectors * inverse).to(vectors.dtype)
        ctx.save_for_backward(result, inverse)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        return _unit_backward(grad, *ctx.saved_tensors)


def _inverse_norm(vectors: Tensor) -> Tensor:
    """1 / |vector|, (..., 1), and 0 for zeros.

    In the type of bfloat16 vectors, so that what is multiplied by it is not copied into float32
    and back: that rounds the length of a vector, and not its direction. In float32 for float16
    vectors, since float16 holds neither 1e-12 nor 1e12.
    """
    dtype = torch.float32 if vectors.dtype == torch.float16 else None
    norm = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True, dtype=dtype)
    # No gradient at a zero: padded words and reports without words are zeros.
    return norm.reciprocal().masked_fill_(norm < 1e-12, 0)


def _unit_backward(grad: Tensor, result: Tensor, inverse: Tensor) -> Tensor:
    along = (grad * result).sum(-1, keepdim=True)
    return torch.addcmul(grad, result, along, value=-1).mul_(inverse)


class _SquaredDifference(torch.autograd.Function):
    """(unit(attention @ regions) - unit_words)^2, (A, M, D), in one buffer and few sweeps.

    For attention (A, M, R), regions (A, R, D) and unit_words (M, D) or (A, M, D).
    """

    @staticmethod
    def forward(ctx, attention: Tensor, regions: Tensor, unit_words: Tensor) -> Tensor:
        attention, unit_words = attention.to(regions.dtype), unit_words.to(regions.dtype)
        with as_given(regions):  # in the type of the regions
            attended = attention @ regions
        inverse = _inverse_norm(attended)
        difference = attended.mul_(inverse).sub_(unit_words)
        ctx.save_for_backward(attention, regions, unit_words, inverse, difference)
        return difference.square()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        attention, regions, unit_words, inverse, difference = ctx.saved_tensors
        grad = (grad * difference).mul_(2)
        grad_words = -(grad.sum(0) if unit_words.ndim == 2 else grad)
        # The unit vector of the attended region is the difference plus the word.
        grad = _unit_backward(grad, difference + unit_words, inverse)
        return grad @ regions.mT, attention.mT @ grad, grad_words


def _softmax_over_words(scores: Tensor, word_mask: Tensor) -> Tensor:
    """Softmax of (A, M, R) over the words of each report, padding left out."""
    mask = word_mask[..., None]  # (C, W, 1) or (A, 1, W, 1)
    by_report = scores.unflatten(1, word_mask.shape[-2:])  # (A, C, W, R)
    by_report = by_report.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return (by_report.softmax(2) * mask).flatten(1, 2)
