"""Aggregators on ground-truth regions and words: how well can relations alone solve binding?

    counterfactual pairs of the phantom --> true maps (regions), stated words --> local-matchings
    --> aggregator --> binding accuracy

When a whole model fails at binding, the image encoder, the text encoder or the relations may be the
cause. Here the image encoder is replaced by the true masks on the region grid, and the report by
the words that state its findings, so that only the relations are left; edges, too, can be replaced
by the true ones. Training batches hold counterfactual pairs, whose reports have the same words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reclf.config import check
from reclf.data.study import Study, Word
from reclf.datasets.phantom import Phantom, counterfactual_pairs
from reclf.models.encoders import PLACE_DIM, place_code
from reclf.models.matchings import LocalMatchings, Matched, overlaps
from reclf.models.relations import Aggregator, Pairs, Related, make_aggregator
from reclf.models.relations.options import SRMOptions
from reclf.models.relations.semantic import SemanticStep
from reclf.stats.per_study import StudyRatio
from reclf_phantom.case import KINDS

from .counterfactual_pairs import comparisons_won
from .word_relations import is_hard, relation_triples, share_in_order

GRID = 8
DIM = 64
VISIBLE = 4.0  # a quarter of a cell counts as the whole: a nodule is smaller than a cell
READS = ("words", "findings")
EDGES = ("learnt", "true")
BATCH_PAIRS = 16  # counterfactual pairs of a batch
LEAST_STEPS = 20  # a tenth is warm-up, and one step is none
TRUE_EDGE = 10.0  # what words of other findings lose before the softmax


@dataclass(frozen=True)
class Scene:
    """What the oracle sees of one study."""

    maps: np.ndarray  # float32 (kinds, GRID, GRID): how much of a cell each finding covers
    words: tuple[Word, ...]  # those that state a finding, in the order of the report
    facts: tuple[str, ...]  # of each word's finding: everything that is stated of it

    @classmethod
    def of(cls, study: Study) -> "Scene":
        maps = np.zeros((len(KINDS), GRID, GRID), np.float32)
        for kind, mask in study.masks.items():
            cells = cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
            maps[KINDS.index(kind)] = np.minimum(1, VISIBLE * cells)
        words = tuple(word for word in study.words or () if word.important)
        findings = study.meta["case"]["findings"]
        facts = tuple(
            " ".join(str(findings[word.finding][part]) for part in ("kind", "side", "zone"))
            for word in words
        )
        return cls(maps, words, facts)


def draw_scenes(n: int, split: str, seed: int = 0) -> list[Scene]:
    """2 n scenes: n counterfactual pairs, which differ in the sides of two findings."""
    data = Phantom(None, split, 96, seed=seed)
    return [Scene.of(study) for pair in counterfactual_pairs(data, n, "binding") for study in pair]


class Oracle(nn.Module):
    """Local-matchings of true maps with embedded words, and an aggregator on them.

    Args:
        scenes: whose words make the vocabulary.
        aggregator, options: see `reclf.models.relations.make_aggregator`.
        reads: what a word's vector tells: "words", the word itself and nothing around it; or
            "findings", also the whole finding that it speaks of, as from a perfect parser.
        edges: "learnt" (in training), or "true": SRM's words attend to their own finding alone, and
            what `nearness` and `overlap` say is not read.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        aggregator: str = "srm",
        options: dict[str, Any] | None = None,
        reads: str = "words",
        edges: str = "learnt",
    ):
        super().__init__()
        for name, value, allowed in (("reads", reads, READS), ("edges", edges, EDGES)):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        self.reads, self.edges = reads, edges
        texts = sorted({word.text for scene in scenes for word in scene.words})
        facts = sorted({fact for scene in scenes for fact in scene.facts})
        self.text_ids = {text: i + 1 for i, text in enumerate(texts)}
        self.fact_ids = {fact: i + 1 for i, fact in enumerate(facts)}
        self.word = nn.Embedding(len(texts) + 1, DIM)
        self.fact = nn.Embedding(len(facts) + 1, DIM)
        for table in (self.word, self.fact):
            nn.init.normal_(table.weight, std=0.3)
        self.region = nn.Linear(len(KINDS), DIM)
        self.place = nn.Linear(PLACE_DIM, DIM)
        self.project = nn.Linear(DIM, DIM)
        self.matchings = LocalMatchings(DIM, DIM)
        self.aggregator: Aggregator = make_aggregator(aggregator, DIM, options or {})
        if edges == "true":
            semantic = cast(Any, self.aggregator).semantic
            semantic.steps = nn.ModuleList(_TrueStep(step) for step in semantic.steps)

    def encode(self, scenes: Sequence[Scene]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Regions (A, R, D), words (A, W, D), word mask (A, W), finding of each word (A, W)."""
        maps = torch.from_numpy(np.stack([scene.maps for scene in scenes]))
        regions = self.region(maps.flatten(2).mT)
        regions = regions + self.place(place_code(GRID, GRID, regions))
        longest = max(len(scene.words) for scene in scenes)
        ids, facts, finding = torch.zeros(3, len(scenes), longest, dtype=torch.long)
        for row, scene in enumerate(scenes):
            for column, (word, fact) in enumerate(zip(scene.words, scene.facts, strict=True)):
                ids[row, column] = self.text_ids.get(word.text, 0)
                facts[row, column] = self.fact_ids.get(fact, 0)
                finding[row, column] = word.finding + 1
        words = self.word(ids)
        if self.reads == "findings":
            words = words + self.fact(facts)
        return regions, self.project(words), finding > 0, finding

    def score(self, scenes: Sequence[Scene]) -> Tensor:
        """Every image with every report: (A, A)."""
        regions, words, mask, finding = self.encode(scenes)
        n, longest = mask.shape
        matched = self.matchings(regions, words, mask)
        every = mask.expand(n, n, longest).reshape(-1, longest)
        found = self._aggregate(matched, every, finding.expand(n, n, longest).reshape(-1, longest))
        return found.logits.view(n, n)

    def relate(self, scenes: Sequence[Scene]) -> Related:
        """Each image with its own report."""
        regions, words, mask, finding = self.encode(scenes)
        matched = self.matchings(regions, words[:, None], mask[:, None])
        return self._aggregate(matched, mask, finding, detail=True)

    def _aggregate(
        self, matched: Matched, mask: Tensor, finding: Tensor, detail: bool = False
    ) -> Related:
        if self.edges == "true":
            for step in cast(Any, self.aggregator).semantic.steps:
                step.finding = F.pad(finding, (1, 0))  # node 0 belongs to all
        overlap = None
        if self.aggregator.reads_overlap:
            overlap = overlaps(matched.attention, len(mask) // len(matched.attention))
        pairs = Pairs(
            matched.matchings.reshape(*mask.shape, DIM),
            matched.cosines.reshape(mask.shape),
            torch.zeros(len(mask), DIM),
            mask,
            overlap=overlap,
            detail=detail,
        )
        return self.aggregator(pairs)


class _TrueStep(SemanticStep):
    """A step of SRM whose words attend to the words of their own finding, and to node 0."""

    finding: Tensor  # (N, P), set before each call

    def __init__(self, step: nn.Module):
        old = cast(SemanticStep, step)
        super().__init__(old.query.in_features, SRMOptions(residual=old.residual))
        self.load_state_dict(old.state_dict(), strict=False)
        self.scale = old.scale

    def near(self, words: int, sentences: Tensor | None) -> Tensor:
        here, there = self.finding[:, :, None], self.finding[:, None]
        apart = (here != there) & (here > 0) & (there > 0)
        return -TRUE_EDGE * apart.float()


def train_oracle(
    oracle: Oracle,
    scenes: Sequence[Scene],
    steps: int = 600,
    pairs: int = BATCH_PAIRS,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> list[float]:
    """Contrast each batch of `pairs` counterfactual pairs; returns the loss of every step."""
    check(steps >= LEAST_STEPS, "steps", steps, f"be at least {LEAST_STEPS}")
    optimizer = torch.optim.AdamW(oracle.parameters(), learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, steps, pct_start=0.1)
    generator = np.random.default_rng(seed)
    oracle.train()
    losses = []
    for _ in range(steps):
        chosen = generator.choice(len(scenes) // 2, pairs, replace=False)
        logits = oracle.score([scenes[2 * i + k] for i in chosen for k in (0, 1)])
        own = torch.arange(len(logits))
        loss = (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(oracle.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def examine(oracle: Oracle, scenes: Sequence[Scene], pairs: int = 16) -> dict[str, StudyRatio]:
    """binding_accuracy of counterfactual pairs; relation_auroc and relation_auroc_hard of the first
    step's edges, where there are any."""
    oracle.eval()
    scores: list[np.ndarray] = []
    values: dict[str, list[float]] = {"relation_auroc": [], "relation_auroc_hard": []}
    for start in range(0, len(scenes), 2 * pairs):
        batch = scenes[start : start + 2 * pairs]
        matrix = oracle.score(batch)
        scores += [matrix[i : i + 2, i : i + 2].numpy() for i in range(0, len(batch), 2)]
        graphs = oracle.relate(batch).graph
        if graphs is None:
            continue
        for scene, graph in zip(batch, graphs, strict=True):
            triples = relation_triples(scene.words)
            edges = graph[0, 1:, 1:].numpy()
            values["relation_auroc"].append(share_in_order(edges, triples))
            hard = triples[is_hard(triples)]
            values["relation_auroc_hard"].append(share_in_order(edges, hard))
    found = {"binding_accuracy": comparisons_won(np.stack(scores))["both"]}
    return found | {name: StudyRatio.of(np.array(v)) for name, v in values.items() if v}
