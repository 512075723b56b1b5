"""Local-matchings: how each report word agrees with the image region it attends to.

    words, regions --attention--> attended regions --(difference)^2, W_m--> local-matchings

This is the one path to local-matchings: training, retrieval, zero-shot, explanations and widgets
all come through `LocalMatchings`.

Shape letters: A = images (or image-report pairs), M = words that meet each image (W of each of C
reports), R = regions, D = embedding, S = matching dimension.

Sources: "words_then_regions" is the attention of GLoRIA (Huang et al., ICCV 2021). "cosine" is
ours: SGRAF (Diao et al., AAAI 2021) takes that of SCAN, whose cosines are clipped and normed over
the words before they are scaled. Matching vectors are SGRAF's similarity vectors. That these are
RECLF's local-matchings is our reconstruction: of the paper we could read the abstract only.
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
        attention: "cosine" (ours: softmax over regions of scale * cosine), or "words_then_regions"
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
        self.whole = nn.Linear(embed_dim, matching_dim)  # of global embeddings; W_g
        log_scale = torch.tensor(math.log(attention_scale))
        self.log_attention_scale = nn.Parameter(log_scale, requires_grad=learn_attention_scale)

    def forward(
        self,
        regions: Tensor,
        words: Tensor,
        word_mask: Tensor | None,
        unit_regions: Tensor | None = None,
        with_cosines: bool = True,
    ) -> Matched:
        """Match words with images.

        Args:
            regions: (A, R, D).
            words: (C, W, D) reports that each meet every image, or (A, 1, W, D) one report per
                image.
            word_mask: bool, True where there is a word: (C, W) or (A, 1, W); None where all are.
            unit_regions: `unit(regions)`, where the caller has it.
            with_cosines: False leaves them out (zeros), where nobody reads them.

        Returns:
            `Matched` with M = C * W (reports one after the other). Rows of padded words are finite
            and meaningless; aggregators mask them.
        """
        unit_words = unit(words.flatten(-3, -2))
        attention = self._attend(regions, words, word_mask, unit_regions, unit_words)[0].mT
        difference = _SquaredDifference.apply(attention, regions, unit_words)  # (A, M, D)
        # |a - b|^2 = 2 - 2 cos for unit vectors
        cosines = (
            1 - difference.sum(-1) / 2
            if with_cosines
            else difference.new_zeros(difference.shape[:-1])
        )
        return Matched(unit(self.local(difference)), cosines, attention)

    def cosines(
        self,
        regions: Tensor,
        words: Tensor,
        word_mask: Tensor | None,
        unit_regions: Tensor | None = None,
    ) -> Tensor:
        """The cosines (A, M) of `forward` alone, without forming an attended region.

        With p the attention of a word t and V the regions, cos(t, V'p) = p.(V t) / |t| |V'p| and
        |V'p|^2 = p.(V V') p: nothing is larger than words times regions. Equal to `forward` to
        rounding; a word or an attended region of length 0 gives 0.
        """
        flat = words.flatten(-3, -2)
        unit_words = unit(flat) if self.kind == "cosine" else flat
        attention, products = self._attend(regions, words, word_mask, unit_regions, unit_words)
        if self.kind == "cosine":  # of unit vectors: give the regions their length back
            products = products * torch.linalg.vector_norm(regions, dim=-1, keepdim=True)
            length = self.log_attention_scale.exp()
        else:
            length = _Length.apply(flat)
        along = (attention * products).sum(-2)
        squares = _SquaredLength.apply(attention, regions)
        return along / (length * squares.sqrt()).clamp_min(1e-12)

    def _attend(
        self,
        regions: Tensor,
        words: Tensor,
        word_mask: Tensor | None,
        unit_regions: Tensor | None,
        unit_words: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Attention, and the products of regions and words that it comes from, both (A, R, M):
        of unit vectors and times the scale, or as they are.

        (M, D) against all images is one large matrix product, which lies in memory in this order;
        (A, W, D) is one per pair.
        """
        if self.kind == "cosine":
            sight = unit(regions) if unit_regions is None else unit_regions
            # The words times the scale, and not their many products with regions.
            products = sight @ (unit_words * self.log_attention_scale.exp()).mT
            return products.softmax(-2), products
        products = regions @ words.flatten(-3, -2).mT
        scores = _softmax_over_words(products, words.shape[-3:-1], word_mask)
        attention = (scores * self.log_attention_scale.exp()).softmax(-2)
        return attention, products

    def match_global(self, images: Tensor, reports: Tensor) -> Tensor:
        """The global matching of image and report vectors of one (broadcast) shape (..., D)."""
        return unit(self.whole((unit(images) - unit(reports)).square()))


def overlaps(attention: Tensor, reports: int) -> Tensor:
    """How far the words of a report look at the same regions: (A * C, W, W), from -1 to 1 (ours).

    Pearson's correlation over the regions: 1 for words that look alike, below 0 for words that look
    apart. A word whose attention is level, as that of padding, overlaps with none, itself included.

    Args:
        attention: (A, M, R) of `Matched`, whose rows sum to 1.
        reports: C, that meet each image; M = C * W for the W words of each.
    """
    if attention.dtype == torch.float16:  # squares of small weights are 0 in it
        attention = attention.float()
    return _Overlaps.apply(attention.mT, reports)


class _Overlaps(torch.autograd.Function):
    """`overlaps` of (A, R, M), as attention lies in memory."""

    @staticmethod
    def forward(ctx, attention: Tensor, reports: int) -> Tensor:
        images, regions, _ = attention.shape
        maps = attention.unflatten(-1, (reports, -1)).transpose(1, 2)  # (A, C, R, W)
        maps = maps.flatten(0, 1) - 1 / regions
        with as_given(maps):
            products = maps.mT @ maps
        squares = products.diagonal(dim1=-2, dim2=-1)
        # Within a hundredth of 1 / R (root mean square) a map is level: in half precision, what is
        # left of it is rounding.
        inverse = squares.rsqrt().masked_fill_(squares < 1e-4 / regions, 0)
        result = products.mul_(inverse[:, :, None] * inverse[:, None])
        ctx.save_for_backward(maps, inverse, result)
        ctx.images = images
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        maps, inverse, result = ctx.saved_tensors
        grad = grad + grad.mT
        along = torch.linalg.vecdot(grad, result)
        weights = grad.mul_(inverse[:, :, None] * inverse[:, None])
        # A correlation does not depend on the length of a map: the part along it goes.
        weights.diagonal(dim1=-2, dim2=-1).sub_(along * inverse.square())
        with as_given(maps):
            grad_maps = (maps @ weights).unflatten(0, (ctx.images, -1))
        return grad_maps.transpose(1, 2).flatten(2), None


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


class _Length(torch.autograd.Function):
    """Lengths (...) of vectors (..., D); its backward pass is one sweep over them."""

    @staticmethod
    def forward(ctx, vectors: Tensor) -> Tensor:
        inverse = _inverse_norm(vectors)
        ctx.save_for_backward(vectors, inverse)
        return torch.linalg.vector_norm(vectors, dim=-1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        vectors, inverse = ctx.saved_tensors
        return vectors * (grad[..., None] * inverse).to(vectors.dtype)


class _SquaredLength(torch.autograd.Function):
    """|V'p|^2, (A, M), for attention p (A, R, M) to regions V (A, R, D), as p.(V V') p.

    Its gradients are 2 (V V') p, which the forward pass has formed, and 2 p p' V.
    """

    @staticmethod
    def forward(ctx, attention: Tensor, regions: Tensor) -> Tensor:
        attention = attention.to(regions.dtype)
        with as_given(regions):
            along = (regions @ regions.mT) @ attention
        ctx.save_for_backward(attention, regions, along)
        return (along * attention).sum(-2).clamp_min(1e-12)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        attention, regions, along = ctx.saved_tensors
        grad = 2 * grad[:, None]
        between = (attention * grad) @ attention.mT
        return along * grad, between @ regions


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
        grad = grad * difference  # half of it
        grad_words = -2 * (grad.sum(0) if unit_words.ndim == 2 else grad)
        # The unit vector of the attended region is the difference plus the word.
        grad = _unit_backward(grad, difference + unit_words, 2 * inverse)
        return grad @ regions.mT, attention.mT @ grad, grad_words


def _softmax_over_words(scores: Tensor, shape: torch.Size, word_mask: Tensor | None) -> Tensor:
    """Softmax of (A, R, M) over the words of each report, padding left out.

    Args:
        shape: reports that meet each image, words per report; their product is M.
    """
    by_report = scores.unflatten(-1, shape)  # (A, R, C, W)
    if word_mask is None:
        return by_report.softmax(-1).flatten(-2)
    mask = word_mask if word_mask.ndim == 2 else word_mask[:, None]  # (C, W) or (A, 1, 1, W)
    by_report = by_report.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return (by_report.softmax(-1) * mask).flatten(-2)
