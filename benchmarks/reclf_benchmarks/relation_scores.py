"""Relation-enhanced scores of all pairs, ours against loops over captions, in one run.

    random features -> loop | ours, float32 and bfloat16, forward and backward -> ratios
                       ours | matrix products of one size                     -> share of the peak

The loops (`reclf_benchmarks.loops`) are checked to give the same scores before anything is timed.

Shape letters: B = studies, L = words of every report, R = regions, D = embedding, S = matching
dimension, K = SRM steps, or the length of a shortlist.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.losses import info_nce
from reclf.models.matchings import LocalMatchings
from reclf.models.relations import Aggregator
from reclf.models.relations.combined import RelationEnhanced
from reclf.models.relations.importance import IRM
from reclf.models.relations.pooling import Gloria
from reclf.models.relations.semantic import SRM
from reclf.models.scoring import PairScorer
from reclf.models.tiles import hardest_pairs

from .loops import gloria_logits, saf_logits, sgr_logits, sgraf_logits
from .timing import Job, in_turns, large_product, operations, peak_memory, ratio

Ratios = dict[str, float]


@dataclass(frozen=True)
class Sizes:
    """What is scored. The defaults are those of the project's bars."""

    studies: int = 32
    words: int = 64
    regions: int = 49
    embed_dim: int = 256
    matching_dim: int = 256
    steps: int = 3


class Case:
    """Random features, modules, and the jobs that score them.

    Args:
        sizes: of the features and modules.
        peer: "sgraf" (both models; ours SRM and IRM), "sgr" (SRM), "saf" (IRM) or "gloria" (word
            cosines and their log-sum-exp).
    """

    def __init__(self, sizes: Sizes, device: str = "cpu", peer: str = "sgraf", seed: int = 0):
        torch.manual_seed(seed)
        B, L, R, D = sizes.studies, sizes.words, sizes.regions, sizes.embed_dim
        self.sizes, self.device, self.peer = sizes, device, peer
        draw = partial(torch.randn, device=device, requires_grad=True)
        self.images = ImageFeatures(draw(B, D), draw(B, R, D), torch.empty(B, 0), (1, R))
        mask = torch.ones(B, L, dtype=torch.bool, device=device)
        self.texts = TextFeatures(draw(B, D), draw(B, L, D), mask, mask.long())
        kind = "words_then_regions" if peer == "gloria" else "cosine"
        self.matchings = LocalMatchings(D, sizes.matching_dim, kind, 4.0).to(device)
        S = sizes.matching_dim
        ours: dict[str, Callable[[], Aggregator]] = {
            "sgraf": lambda: RelationEnhanced(S, steps=sizes.steps, include_global=True),
            "sgr": lambda: SRM(S, steps=sizes.steps),
            "saf": lambda: IRM(S, include_global=True),
            "gloria": lambda: Gloria(S),
        }
        self.aggregator = ours[peer]().to(device)
        self.counts = [L] * B

    def loop(self, half: bool = False) -> Tensor:
        """One caption at a time, as the peer does; SRM and IRM as two models."""
        images, texts = self._features(half)
        with torch.autocast(self.device, torch.bfloat16, enabled=half):
            return self.by_captions(images, texts)

    def by_captions(self, images: ImageFeatures, texts: TextFeatures) -> Tensor:
        """The peer's loop of these images and reports."""
        matchings, ours, words = self.matchings, self.aggregator, list(texts.words)
        given = images.regions, images.global_embedding, words, texts.global_embedding
        if isinstance(ours, RelationEnhanced):
            return sgraf_logits(matchings, ours, *given)
        if isinstance(ours, SRM):
            return sgr_logits(matchings, ours.semantic, ours.score, *given)
        if isinstance(ours, IRM):
            return saf_logits(matchings, ours.importance, ours.score, *given)
        return gloria_logits(matchings, images.regions, words)

    def ours(self, half: bool = False, chunk: int = 0, recompute: bool = False) -> Tensor:
        """All pairs as training scores them."""
        scorer = PairScorer(self.matchings, self.aggregator, chunk, recompute)
        with torch.autocast(self.device, torch.bfloat16, enabled=half):
            return scorer.all_pairs(*self._features(half), self.counts)

    def shortlist(self, k: int, recompute: bool = True) -> Tensor:
        """The positives and the k hardest negatives of each row and column, the rest -inf."""
        images, texts = self._features(False)
        logits_global = images.global_embedding @ texts.global_embedding.T
        chosen = hardest_pairs(logits_global, torch.eye(len(self.counts)).bool(), k)
        rows, columns = chosen.nonzero().T
        scorer = PairScorer(self.matchings, self.aggregator, recompute=recompute)
        values = scorer.listed_pairs(images, texts, rows, columns, self.counts)
        return values.new_full(chosen.shape, float("-inf")).masked_scatter(chosen, values)

    def _features(self, half: bool) -> tuple[ImageFeatures, TextFeatures]:
        """As the encoders give them: in half precision under autocast."""
        if not half:
            return self.images, self.texts
        low = torch.bfloat16
        images = self.images._replace(
            global_embedding=self.images.global_embedding.to(low),
            regions=self.images.regions.to(low),
        )
        return images, self.texts._replace(
            global_embedding=self.texts.global_embedding.to(low), words=self.texts.words.to(low)
        )

    def training(self, score: Callable[[], Tensor]) -> Callable[[], None]:
        """A job: forward, loss, backward."""

        def job() -> None:
            info_nce(score()).backward()
            for leaf in (self.images.regions, self.images.global_embedding, *self.texts[:2]):
                leaf.grad = None

        return job

    def check(self) -> None:
        """The loop and ours give the same scores.

        Raises:
            AssertionError: with the largest difference.
        """
        with torch.no_grad():
            torch.testing.assert_close(self.ours(), self.loop(), rtol=1e-4, atol=1e-4)


def against_loop(
    sizes: Sizes, rounds: int, device: str, name: str = "srm_irm", peer: str = "sgraf"
) -> Ratios:
    """Forward and backward, ours against the loop of a peer.

    `NAME_float32` and `NAME_bfloat16` are the loop in float32 by ours, `NAME_both_bfloat16` is the
    loop in bfloat16 by ours in it; `NAME_peak_float32` and `NAME_peak_bfloat16` the share of the
    speed of large matrix products, measured between them, at which ours computes its own.
    """
    case = Case(sizes, device, peer)
    case.check()
    ours = {"float32": case.training(case.ours)}
    ours["bfloat16"] = case.training(partial(case.ours, half=True))
    peaks = {kind: large_product(kind, device, sizes.studies) for kind in ours}
    jobs = {
        "loop": case.training(case.loop),
        "loop_bfloat16": case.training(partial(case.loop, half=True)),
        **ours,
        **{f"peak_{kind}": product for kind, (product, _) in peaks.items()},
    }
    seconds = in_turns(jobs, rounds, device)
    found = _ratios({kind: seconds[kind] for kind in ("loop", *ours)}, name)
    both = ratio(seconds, "loop_bfloat16", "bfloat16")
    found[f"{name}_both_bfloat16"], found[f"{name}_both_bfloat16_spread"] = both
    for kind, (_, of_product) in peaks.items():
        share = operations(ours[kind]) / of_product
        middle, spread = ratio(seconds, f"peak_{kind}", kind)
        found[f"{name}_peak_{kind}"] = share * middle
        found[f"{name}_peak_{kind}_spread"] = share * spread
    return found


def memory(sizes: Sizes, rounds: int, device: str) -> Ratios:
    """`memory_all_pairs`, `memory_smallest`: peak of the loop by ours, recomputing chunks.

    All pairs in chunks of the default size, and in chunks of 4 pairs; `..._cost` is the time of
    each by the time of our fastest setting, `..._mb` what they and the loop take.
    """
    case = Case(sizes, device)
    smallest = 4
    settings: dict[str, Callable[[], Tensor]] = {
        "fastest": case.ours,
        "all_pairs": partial(case.ours, recompute=True),
        "smallest": partial(case.ours, recompute=True, chunk=smallest),
    }
    jobs = {name: case.training(score) for name, score in settings.items()}
    seconds = in_turns(jobs, rounds, device)
    peaks = {name: peak_memory(job, device) for name, job in jobs.items()}
    peaks["loop"] = peak_memory(case.training(case.loop), device)
    cost, spread = ratio(seconds, "all_pairs", "fastest")
    return {
        **{f"memory_{name}_mb": peak for name, peak in peaks.items()},
        "memory_all_pairs": peaks["loop"] / peaks["all_pairs"],
        "memory_time_cost": cost,
        "memory_time_cost_spread": spread,
        "memory_smallest": peaks["loop"] / peaks["smallest"],
        "memory_smallest_cost": ratio(seconds, "smallest", "fastest")[0],
    }


def shortlist(
    sizes: Sizes, rounds: int, device: str, batch: int = 128, batches: tuple[int, ...] = (64, 256)
) -> Ratios:
    """`shortlist_time`, `shortlist_memory` at K = 8, and `growth_exponent` of its time in B.

    Against all pairs at our fastest. The shortlist recomputes its chunks in the backward pass;
    `..._kept` is without.
    """
    found: Ratios = {}
    case = Case(replace(sizes, studies=batch), device)
    jobs = {
        "all": case.training(case.ours),
        "some": case.training(partial(case.shortlist, 8)),
        "kept": case.training(partial(case.shortlist, 8, recompute=False)),
    }
    seconds = in_turns(jobs, rounds, device)
    found["shortlist_time"], found["shortlist_time_spread"] = ratio(seconds, "all", "some")
    found["shortlist_time_kept"], _ = ratio(seconds, "all", "kept")
    peaks = {name: peak_memory(job, device) for name, job in jobs.items()}
    found["shortlist_memory"] = peaks["all"] / peaks["some"]
    found["shortlist_memory_kept"] = peaks["all"] / peaks["kept"]
    found |= {f"shortlist_{name}_mb": peak for name, peak in peaks.items()}
    cases = {str(b): Case(replace(sizes, studies=b), device) for b in batches}
    growing = {b: one.training(partial(one.shortlist, 8)) for b, one in cases.items()}
    seconds = in_turns(growing, rounds + 1, device)
    times, spread = ratio(seconds, str(batches[-1]), str(batches[0]))
    growth = np.log(batches[-1] / batches[0])
    found["growth_exponent"] = float(np.log(times) / growth)
    found["growth_exponent_spread"] = float(spread / times / growth)
    return found


def rerank(sizes: Sizes, rounds: int, device: str, candidates: int = 200) -> Ratios:
    """`rerank_float32`, `rerank_bfloat16`: a shortlist of one image's reports, forward only."""
    case = Case(replace(sizes, studies=candidates), device)
    rows, columns = torch.zeros(candidates, dtype=torch.long), torch.arange(candidates)
    scorer = PairScorer(case.matchings, case.aggregator)
    one = case.images._replace(
        global_embedding=case.images.global_embedding[:1], regions=case.images.regions[:1]
    )

    def ours(half: bool) -> Tensor:
        images, texts = case._features(half)
        images = images._replace(
            global_embedding=images.global_embedding[:1], regions=images.regions[:1]
        )
        with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=half):
            return scorer.listed_pairs(images, texts, rows, columns, case.counts)

    def loop() -> Tensor:
        with torch.no_grad():
            return case.by_captions(one, case.texts)

    torch.testing.assert_close(ours(False), loop()[0], rtol=1e-4, atol=1e-4)
    jobs: dict[str, Job] = {
        "loop": loop,
        "float32": partial(ours, False),
        "bfloat16": partial(ours, True),
    }
    return _ratios(in_turns(jobs, rounds, device), "rerank")


def _ratios(seconds: dict[str, list[float]], name: str) -> Ratios:
    found: Ratios = {}
    for kind in seconds:
        if kind != "loop":
            found[f"{name}_{kind}"], found[f"{name}_{kind}_spread"] = ratio(seconds, "loop", kind)
    return found
