"""Relation-enhanced scores of all pairs, ours against loops over captions, in one run.

    random features -> loop | ours, float32 and bfloat16, forward and backward -> ratios

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
from reclf.models.relations.pooling import Gloria
from reclf.models.scoring import PairScorer
from reclf.models.tiles import hardest_pairs

from .loops import gloria_logits, sgraf_logits
from .timing import Job, in_turns, peak_memory, ratio

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
        gloria: word cosines and their log-sum-exp, instead of SRM and IRM.
    """

    def __init__(self, sizes: Sizes, device: str = "cpu", gloria: bool = False, seed: int = 0):
        torch.manual_seed(seed)
        B, L, R, D = sizes.studies, sizes.words, sizes.regions, sizes.embed_dim
        self.sizes, self.device, self.gloria = sizes, device, gloria
        draw = partial(torch.randn, device=device, requires_grad=True)
        self.images = ImageFeatures(draw(B, D), draw(B, R, D), torch.empty(B, 0), (1, R))
        mask = torch.ones(B, L, dtype=torch.bool, device=device)
        self.texts = TextFeatures(draw(B, D), draw(B, L, D), mask, mask.long())
        kind = "words_then_regions" if gloria else "cosine"
        self.matchings = LocalMatchings(D, sizes.matching_dim, kind, 4.0).to(device)
        S = sizes.matching_dim
        self.aggregator: Aggregator = (
            Gloria(S) if gloria else RelationEnhanced(S, steps=sizes.steps, include_global=True)
        ).to(device)
        self.counts = [L] * B

    def loop(self) -> Tensor:
        """One caption at a time; SRM and IRM as two models."""
        words = list(self.texts.words)
        if self.gloria:
            return gloria_logits(self.matchings, self.images.regions, words)
        return self.two_models(self.images, words)

    def two_models(self, images: ImageFeatures, words: list[Tensor]) -> Tensor:
        """SGRAF's loop of these images and all reports."""
        assert isinstance(self.aggregator, RelationEnhanced)
        whole = self.texts.global_embedding
        return sgraf_logits(
            self.matchings, self.aggregator, images.regions, images.global_embedding, words, whole
        )

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


def srm_and_irm(sizes: Sizes, rounds: int, device: str, name: str = "srm_irm") -> Ratios:
    """`NAME_float32` and `NAME_bfloat16`: loop in float32 by ours, forward and backward."""
    case = Case(sizes, device)
    case.check()
    jobs = {
        "loop": case.training(case.loop),
        "float32": case.training(case.ours),
        "bfloat16": case.training(partial(case.ours, half=True)),
    }
    return _ratios(in_turns(jobs, rounds, device), name)


def gloria(sizes: Sizes, rounds: int, device: str) -> Ratios:
    """`gloria_float32`: GLoRIA's local loss, its loop by ours."""
    case = Case(sizes, device, gloria=True)
    case.check()
    jobs = {"loop": case.training(case.loop), "float32": case.training(case.ours)}
    return _ratios(in_turns(jobs, rounds, device), "gloria")


def _ratios(seconds: dict[str, list[float]], name: str) -> Ratios:
    found: Ratios = {}
    for kind in seconds:
        if kind != "loop":
            found[f"{name}_{kind}"], found[f"{name}_{kind}_spread"] = ratio(seconds, "loop", kind)
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
    return {
        **{f"memory_{name}_mb": peak for name, peak in peaks.items()},
        "memory_all_pairs": peaks["loop"] / peaks["all_pairs"],
        "memory_time_cost": 1 / ratio(seconds, "fastest", "all_pairs")[0],
        "memory_smallest": peaks["loop"] / peaks["smallest"],
        "memory_smallest_cost": 1 / ratio(seconds, "fastest", "smallest")[0],
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
    times, _ = ratio(seconds, str(batches[-1]), str(batches[0]))
    found["growth_exponent"] = float(np.log(times) / np.log(batches[-1] / batches[0]))
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
            return case.two_models(one, list(case.texts.words))

    torch.testing.assert_close(ours(False), loop()[0], rtol=1e-4, atol=1e-4)
    jobs: dict[str, Job] = {
        "loop": loop,
        "float32": partial(ours, False),
        "bfloat16": partial(ours, True),
    }
    return _ratios(in_turns(jobs, rounds, device), "rerank")
