"""From features to relation-enhanced logits: of all pairs tile by tile, or of a list of pairs.

    ImageFeatures, TextFeatures --tiles or pairs--> match, relate --> logits

Every score comes through `_relate`, so what is explained is what was trained. Memory is bounded by
the pairs taken at a time, and by recomputing them in the backward pass.

Shape letters: A = images, B = reports, C = reports of a tile, N = pairs, W = words, R = regions;
D, S as in the settings.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reclf.data.batch import rounded_up

from .checkpointing import checkpointed
from .encoders import ImageFeatures, TextFeatures
from .matchings import LocalMatchings, Matched, overlaps, unit
from .parallel import Job, run_parallel
from .relations import Aggregator, Pairs, Related
from .tiles import indices, pairs_at_a_time, tile_sides


class _Inputs(NamedTuple):
    """What a tile, or a list of pairs, is made from; the first axes broadcast to (A, C)."""

    regions: Tensor  # (A, R, D)
    unit_regions: Tensor | None  # (A, R, D)
    image_global: Tensor  # (A, 1, D)
    words: Tensor  # (C, W, D), or (A, 1, W, D) one report per image
    text_global: Tensor  # (1, C, D), or (A, 1, D)
    mask: Tensor  # bool (C, W), or (A, 1, W)
    sentences: Tensor  # int64 (C, W), or (A, 1, W)


def _gathered(
    longest: int,
    regions: Tensor,
    image_global: Tensor,
    text_global: Tensor,
    words: Tensor,
    mask: Tensor,
    sentences: Tensor,
    rows: Tensor,
    reports: Tensor,
) -> _Inputs:
    """Listed pairs, `rows` of the images with `reports`, whose words are at most `longest`."""
    return _Inputs(
        regions.index_select(0, rows).to(image_global.dtype),
        None,
        image_global.index_select(0, rows)[:, None],
        words.index_select(0, reports)[:, None, :longest],
        text_global.index_select(0, reports)[:, None],
        mask.index_select(0, reports)[:, None, :longest],
        sentences.index_select(0, reports)[:, None, :longest],
    )


class PairScorer:
    """Scores image-report pairs with a matching module and an aggregator.

    Args:
        matchings, aggregator: of the model.
        pair_chunk: pairs related at a time; 0 chooses what suits the device.
        recompute: recompute each chunk in the backward pass instead of keeping its activations.
        auxiliary: give the logits and the aggregator's auxiliary score, on a last axis of 2.
    """

    def __init__(
        self,
        matchings: LocalMatchings,
        aggregator: Aggregator,
        pair_chunk: int = 0,
        recompute: bool = False,
        auxiliary: bool = False,
    ):
        self.matchings, self.aggregator = matchings, aggregator
        self.pair_chunk, self.recompute, self.auxiliary = pair_chunk, recompute, auxiliary

    def all_pairs(
        self, images: ImageFeatures, texts: TextFeatures, counts: Sequence[int]
    ) -> Tensor:
        """Logits of every image with every report, (A, B), or with `auxiliary` (A, B, 2).

        Args:
            counts: words per report.
        """
        images = images.in_one_type()
        # Reports of like length together: a tile is as wide as its longest report. The longest
        # first, so that no thread is left with the largest tile at the end.
        order = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
        is_sorted = order == list(range(len(counts)))
        place = None if is_sorted else indices(order, texts.words.device)
        features = texts if place is None else [part.index_select(0, place) for part in texts]
        at_a_time = self._at_a_time(images, max(counts, default=0))
        tall, wide = tile_sides(len(images.global_embedding), at_a_time)
        # Split once, and not sliced for every tile: the gradient of a slice is as large as the
        # whole.
        rows = [part.split(tall) for part in (images.regions, images.global_embedding[:, None])]
        unit_rows = self._unit_regions(images.regions).split(tall)
        global_embeddings, *by_word = (part.split(wide) for part in features)
        shared = self.aggregator.prepare()
        jobs = []
        for k in range(len(global_embeddings)):
            own = [counts[i] for i in order[k * wide : (k + 1) * wide]]
            longest = min(rounded_up(own[0]), texts.words.shape[1])
            words, *others = (part[k][:, :longest] for part in by_word)
            some = words, global_embeddings[k][None], *others
            jobs += [
                self._job(shared, own[-1] < longest, _Inputs, *image_side, *some)
                for image_side in zip(rows[0], unit_rows, rows[1], strict=True)
            ]
        tiles = [logits for (logits,) in run_parallel(jobs)]
        column = len(rows[0])
        columns = [torch.cat(tiles[k : k + column]) for k in range(0, len(tiles), column)]
        logits = torch.cat(columns, 1)
        return logits if place is None else logits.index_select(1, place.argsort())

    def listed_pairs(
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        image_rows: Tensor,
        text_rows: Tensor,
        counts: Sequence[int],
    ) -> Tensor:
        """Logits (N,), or (N, 2), of image `image_rows[n]` with report `text_rows[n]`.

        Args:
            image_rows, text_rows: int64 (N,), on the CPU.
            counts: words per report.
        """
        lengths = torch.as_tensor(counts)[text_rows]
        order = lengths.argsort(stable=True, descending=True)
        shared = self.aggregator.prepare()
        jobs = []
        if not len(order):
            return images.global_embedding.new_zeros((0, 2) if self.auxiliary else 0)
        # Where memory is short, what a pair gathers counts too: its regions and its words.
        largest = int(lengths.max()) + self.recompute * images.regions.shape[1]
        for chosen in order.split(self._at_a_time(images, largest)):
            words = min(rounded_up(int(lengths[chosen].max())), texts.words.shape[1])
            rows, reports = (
                indices(side[chosen], images.global_embedding.device)
                for side in (image_rows, text_rows)
            )
            # Gathered anew where a chunk is recomputed: what is gathered is larger than a chunk.
            features = images.regions, images.global_embedding, *texts, rows, reports
            padded = int(lengths[chosen].min()) < words
            jobs.append(self._job(shared, padded, partial(_gathered, words), *features))
        parts = [logits.squeeze(1) for (logits,) in run_parallel(jobs)]
        scores = torch.cat(parts)
        return scores.index_select(0, indices(order.argsort(), scores.device))

    def explain_pairs(self, images: ImageFeatures, texts: TextFeatures) -> tuple[Related, Matched]:
        """Image i with report i, with graph, weights, matchings and attention."""
        inputs = _Inputs(
            images.regions,
            None,
            images.global_embedding[:, None],
            texts.words[:, None],
            texts.global_embedding[:, None],
            texts.word_mask[:, None],
            texts.sentences[:, None],
        )
        return self._relate((), inputs, padded=True, detail=True)

    def _job(
        self,
        shared: Sequence[Tensor],
        padded: bool,
        make: Callable[..., _Inputs],
        *parts: Tensor | None,
    ) -> Job:
        """The logits of a tile, (A, C) or (A, C, 2), or of a list of pairs, to be computed."""

        def run(*tensors: Any) -> tuple[Tensor]:
            inputs = make(*tensors[: len(parts)])
            related, _ = self._relate(tensors[len(parts) :], inputs, padded, detail=False)
            scores = related.logits.view(len(inputs.regions), -1)
            if self.auxiliary:
                if related.auxiliary is None:
                    raise ValueError(
                        f"{type(self.aggregator).__name__} has auxiliary_weight "
                        f"{self.aggregator.auxiliary_weight}, but its Related.auxiliary is None: "
                        "return that score from forward, or set the weight to 0"
                    )
                scores = torch.stack([scores, related.auxiliary.view_as(scores)], -1)
            return (scores,)

        modules = self.matchings, self.aggregator
        again = partial(checkpointed, modules, run)
        recompute = self.recompute and torch.is_grad_enabled()
        return Job(modules, again if recompute else run, (*parts, *shared))

    def _relate(
        self, shared: Sequence[Tensor], inputs: _Inputs, padded: bool, detail: bool
    ) -> tuple[Related, Matched]:
        regions, unit_regions, image_global, words, text_global, mask, sentences = inputs
        shape = (len(regions), text_global.shape[-2], mask.shape[-1])  # (A, C, W)
        if self.aggregator.cosines_only and not detail:
            seen = mask if padded else None
            cosines = self.matchings.cosines(regions, words, seen, unit_regions)
            matched = Matched(cosines.new_empty(*cosines.shape, 0), cosines, cosines)
            global_embeddings = cosines.new_empty(*shape[:2], 0)
        else:
            seen = mask if padded else None
            with_cosines = detail or self.aggregator.reads_cosines
            matched = self.matchings(regions, words, seen, unit_regions, with_cosines)
            global_embeddings = self.matchings.match_global(image_global, text_global)
        flat = (shape[0] * shape[1], shape[2])
        overlap = None
        if self.aggregator.reads_overlap:
            overlap = overlaps(matched.attention, shape[1])
        pairs = Pairs(
            matchings=matched.matchings.reshape(*flat, matched.matchings.shape[-1]),
            cosines=matched.cosines.reshape(flat),
            global_matching=global_embeddings.flatten(0, 1),
            word_mask=mask.expand(shape).reshape(flat),
            sentences=sentences.flatten(0, -2),
            overlap=overlap,
            words=words.flatten(0, -3) if self.aggregator.reads_words else None,
            padded=padded,
            detail=detail,
        )
        return self.aggregator(pairs, *shared), matched

    def _unit_regions(self, regions: Tensor) -> Tensor:
        return unit(regions) if self.matchings.kind == "cosine" else regions

    def _at_a_time(self, images: ImageFeatures, words: int) -> int:
        if self.pair_chunk:
            return self.pair_chunk
        regions, dim = images.regions.shape[1:]
        kind = images.global_embedding  # of which type and device all is computed
        # Without matchings there are few tensors, so that a larger tile stays in the cache.
        width = regions / 4 if self.aggregator.cosines_only else max(dim, self.aggregator.dim)
        # Attention has R numbers a word. On a CPU the larger tile is faster all the same (LOG.md,
        # 2026-11-30); elsewhere, and where pairs are computed again, memory is what counts.
        if not self.aggregator.cosines_only and (self.recompute or kind.device.type != "cpu"):
            width = max(width, regions)
        return pairs_at_a_time(words, width, kind.dtype, kind.device)
