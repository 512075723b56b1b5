"""From features to relation-enhanced logits: of all pairs tile by tile, or of a list of pairs.

    ImageFeatures, TextFeatures --tiles or pairs--> match, relate --> logits
    words that are known to repeat: a tile matches each once, and relates its reports in groups

Every score comes through `_relate`, so what is explained is what was trained. Memory is bounded by
the pairs taken at a time, and by recomputing them in the backward pass.

Shape letters: A = images, B = reports, C = reports of a tile or of a group in it, N = pairs,
W = words, U = distinct words, R = regions; D, S as in the settings.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from reclf.data.batch import DistinctWords, rounded_up

from .checkpointing import checkpointed
from .encoders import ImageFeatures, TextFeatures
from .matchings import LocalMatchings, Matched, overlaps, unit
from .parallel import Job, run_parallel
from .relations import Aggregator, Pairs, Related
from .repeated_words import in_places, sides_with_all_reports
from .tiles import indices, pairs_at_a_time, tile_sides


class _Reports(NamedTuple):
    """Reports that are related at a time; the first axes broadcast to (A, C)."""

    text_global: Tensor  # (1, C, D), or (A, 1, D) one report per image
    mask: Tensor  # bool (C, W), or (A, 1, W)
    sentences: Tensor  # int64 (C, W), or (A, 1, W)


class _Tile(NamedTuple):
    """What a tile, or a list of pairs, is made from."""

    regions: Tensor  # (A, R, D)
    unit_regions: Tensor | None  # (A, R, D)
    image_global: Tensor  # (A, 1, D)
    words: Tensor  # (C, W, D), or (A, 1, W, D) one report per image; or distinct ones (1, U, D)
    numbers: Tensor | None  # int64 (N,), the distinct word in each place of all groups
    groups: Sequence[_Reports]  # one, but of distinct words


def _tile(
    regions: Tensor,
    unit_regions: Tensor | None,
    image_global: Tensor,
    words: Tensor,
    numbers: Tensor | None,
    *reports: Tensor,
) -> _Tile:
    """Images with reports, of which each group comes as the three parts of `_Reports`."""
    groups = [_Reports(*reports[k : k + 3]) for k in range(0, len(reports), 3)]
    return _Tile(regions, unit_regions, image_global, words, numbers, groups)


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
) -> _Tile:
    """Listed pairs, `rows` of the images with `reports`, whose words are at most `longest`."""
    return _tile(
        regions.index_select(0, rows).to(image_global.dtype),
        None,
        image_global.index_select(0, rows)[:, None],
        words.index_select(0, reports)[:, None, :longest],
        None,
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
        self,
        images: ImageFeatures,
        texts: TextFeatures,
        counts: Sequence[int],
        distinct: DistinctWords | None = None,
    ) -> Tensor:
        """Logits of every image with every report, (A, B), or with `auxiliary` (A, B, 2).

        Args:
            counts: words per report.
            distinct: which words have equal vectors, where that is known. The result is the same.
        """
        images = images.in_one_type()
        # Reports of like length together: a group is as wide as its longest report. The longest
        # first, so that no thread is left with the largest tile at the end.
        order = sorted(range(len(counts)), key=counts.__getitem__, reverse=True)
        is_sorted = order == list(range(len(counts)))
        place = None if is_sorted else indices(order, texts.words.device)
        tall, wide, merges = self._sides(images, counts, distinct)
        table, features, in_tile = None, texts, 1
        if distinct is not None and merges:
            table = texts.words.flatten(0, 1).index_select(0, distinct.first)[None]
            features, in_tile = texts._replace(words=distinct.numbers), len(counts)
        if place is not None:
            features = TextFeatures(*(part.index_select(0, place) for part in features))
        # Split once, and not sliced for every tile: the gradient of a slice is as large as the
        # whole.
        groups, standing, padded = [], [], []
        for k, parts in enumerate(zip(*(part.split(wide) for part in features), strict=True)):
            own = [counts[i] for i in order[k * wide : (k + 1) * wide]]
            longest = min(rounded_up(own[0]), texts.words.shape[1])
            words, mask, sentences = (part[:, :longest] for part in parts[1:])
            groups.append(_Reports(parts[0][None], mask, sentences))
            standing.append(words)
            padded.append(own[-1] < longest)
        whole, unit_regions = images.global_embedding[:, None], self._unit_regions(images.regions)
        rows = [part.split(tall) for part in (images.regions, unit_regions, whole)]
        shared = self.aggregator.prepare()
        jobs = []
        for k in range(0, len(groups), in_tile):
            column = slice(k, k + in_tile)
            words, numbers = standing[k], None
            if table is not None:
                words, numbers = table, torch.cat([part.flatten() for part in standing[column]])
            some = words, numbers, *chain(*groups[column])
            jobs += [
                self._job(shared, padded[column], _tile, *image_side, *some)
                for image_side in zip(*rows, strict=True)
            ]
        tiles = [logits for (logits,) in run_parallel(jobs)]
        height = len(rows[0])
        columns = [torch.cat(tiles[k : k + height]) for k in range(0, len(tiles), height)]
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
            jobs.append(self._job(shared, [padded], partial(_gathered, words), *features))
        parts = [logits.squeeze(1) for (logits,) in run_parallel(jobs)]
        scores = torch.cat(parts)
        return scores.index_select(0, indices(order.argsort(), scores.device))

    def explain_pairs(self, images: ImageFeatures, texts: TextFeatures) -> tuple[Related, Matched]:
        """Image i with report i, with graph, weights, matchings and attention."""
        tile = _tile(
            images.regions,
            None,
            images.global_embedding[:, None],
            texts.words[:, None],
            None,
            texts.global_embedding[:, None],
            texts.word_mask[:, None],
            texts.sentences[:, None],
        )
        (found,) = self._relate((), tile, [True], detail=True)
        return found

    def _job(
        self,
        shared: Sequence[Tensor],
        padded: Sequence[bool],
        make: Callable[..., _Tile],
        *parts: Tensor | None,
    ) -> Job:
        """The logits of a tile, (A, C) or (A, C, 2), or of a list of pairs, to be computed."""

        def run(*tensors: Any) -> tuple[Tensor]:
            tile = make(*tensors[: len(parts)])
            found = self._relate(tensors[len(parts) :], tile, padded, detail=False)
            return (torch.cat([self._scores(one, len(tile.regions)) for one, _ in found], 1),)

        modules = self.matchings, self.aggregator
        again = partial(checkpointed, modules, run)
        recompute = self.recompute and torch.is_grad_enabled()
        return Job(modules, again if recompute else run, (*parts, *shared))

    def _scores(self, related: Related, images: int) -> Tensor:
        scores = related.logits.view(images, -1)
        if not self.auxiliary:
            return scores
        if related.auxiliary is None:
            raise ValueError(
                f"{type(self.aggregator).__name__} has auxiliary_weight "
                f"{self.aggregator.auxiliary_weight}, but its Related.auxiliary is None: "
                "return that score from forward, or set the weight to 0"
            )
        return torch.stack([scores, related.auxiliary.view_as(scores)], -1)

    def _relate(
        self, shared: Sequence[Tensor], tile: _Tile, padded: Sequence[bool], detail: bool
    ) -> list[tuple[Related, Matched]]:
        """What the aggregator makes of each group of reports, and its matchings.

        Args:
            padded: of each group, whether words of it are padding.
        """
        reads_overlap, reads_words = self.aggregator.reads_overlap, self.aggregator.reads_words
        reads = True, True, reads_overlap, reads_words
        cosines_only = self.aggregator.cosines_only and not detail
        sizes = [group.mask.shape[-2:].numel() for group in tile.groups]
        every = self._match(tile, padded[0], detail)
        words = tile.words.flatten(0, -3)
        parts = [
            in_places(part, tile.numbers, sizes) if read else [part] * len(sizes)
            for part, read in zip((*every, words), reads, strict=True)
        ]
        found = []
        for group, is_padded, *some, words in zip(tile.groups, padded, *parts, strict=True):
            matched = Matched(*some)
            shape = (len(tile.regions), group.text_global.shape[-2], group.mask.shape[-1])
            if cosines_only:
                global_matching = matched.cosines.new_empty(*shape[:2], 0)
            else:
                global_matching = self.matchings.match_global(tile.image_global, group.text_global)
            flat = (shape[0] * shape[1], shape[2])
            pairs = Pairs(
                matchings=matched.matchings.reshape(*flat, matched.matchings.shape[-1]),
                cosines=matched.cosines.reshape(flat),
                global_matching=global_matching.flatten(0, 1),
                word_mask=group.mask.expand(shape).reshape(flat),
                sentences=group.sentences.flatten(0, -2),
                overlap=overlaps(matched.attention, shape[1]) if reads_overlap else None,
                words=words.reshape(-1, shape[2], words.shape[-1]) if reads_words else None,
                padded=is_padded,
                detail=detail,
            )
            found.append((self.aggregator(pairs, *shared), matched))
        return found

    def _match(self, tile: _Tile, padded: bool, detail: bool) -> Matched:
        regions, unit_regions, _, words, numbers, groups = tile
        seen = groups[0].mask if padded and numbers is None else None  # none of distinct words
        if self.aggregator.cosines_only and not detail:
            cosines = self.matchings.cosines(regions, words, seen, unit_regions)
            return Matched(cosines.new_empty(*cosines.shape, 0), cosines, cosines)
        with_cosines = detail or self.aggregator.reads_cosines
        return self.matchings(regions, words, seen, unit_regions, with_cosines)

    def _sides(
        self, images: ImageFeatures, counts: Sequence[int], distinct: DistinctWords | None
    ) -> tuple[int, int, bool]:
        """Images of a tile, reports that are related at a time, and whether a tile has all of these
        and matches their distinct words."""
        rows, at_a_time = len(images.regions), self._at_a_time(images, max(counts, default=0))
        # The attention of a word depends on its report in the other kind.
        if distinct is not None and self.matchings.kind == "cosine":
            bounded = self.pair_chunk > 0 or self.recompute
            sides = sides_with_all_reports(rows, len(counts), at_a_time, bounded)
            if sides is not None:
                return *sides, True
        return *tile_sides(rows, at_a_time), False

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
