"""What a supervised probe can do of each question: on the regions of a film, on the words.

    training films and reports --logistic regression on the run's own features--> probe
    --> "side_ceiling": AUROC of left against right among studies that state one side
    --> "denied_swap_ceiling": the conditional measure, by what the probe knows of the findings

Where a ceiling is at chance, relations cannot help: the regions lack what they would relate. The
probe sees means of regions over halves of the film, which know the side if any region does.

Shape letters: N = studies, S = swaps of one fact, D = embedding, K = kinds of findings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from reclf.data.lexicon import Lexicon
from reclf.data.study import Study
from reclf.models.inference import chunks, encode_pixels, stack_images
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.per_study import StudyRatio
from reclf.tasks.features import held_out
from reclf.tasks.linear_probe import first_part, probe_scores, stratified_order

from ..seeds import Ranking
from .questions import OPPOSITES, AskedSplit
from .swap_measures import conditional_wins, over_all

FEW = 0.1  # of the training labels, for probe_10pct
POSITIVES = (
    8  # studies reported on that a label of it has at least: fewer are noise in a macro mean
)
LEAST = 20  # studies to learn a pole from
FOLDS = 5


@dataclass(frozen=True)
class FilmFeatures:
    """What a model makes of films.

    Attributes:
        pooled: float32 (N, C), what a linear probe reads.
        quarters: float32 (N, 2, 2, D), means of the regions over the upper and lower, left and
            right half of the image; a middle row or column of the grid counts in both.
    """

    pooled: np.ndarray
    quarters: np.ndarray

    @classmethod
    def of(
        cls, model: RECLF, studies: Iterable[Study], batch_size: int = 64, progress: str = ""
    ) -> "FilmFeatures":
        pooled, quarters = [], []
        for chunk in chunks(track(studies, progress), batch_size):
            features = encode_pixels(model, stack_images(chunk))
            pooled.append(features.pooled.cpu().numpy())
            quarters.append(quarter_means(features.regions.cpu().numpy(), features.grid))
        return cls(np.concatenate(pooled), np.concatenate(quarters))

    def halves(self, fact: str) -> np.ndarray:
        """float32 (N, 2 D) of the halves that a side or zone differs by; (N, D) of the whole."""
        if fact in ("side", "zone"):
            return self.quarters.mean(1 if fact == "side" else 2).reshape(len(self.pooled), -1)
        return self.quarters.mean((1, 2))


def quarter_means(regions: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """float32 (N, 2, 2, D) of regions (N, R, D), see `FilmFeatures`."""
    h, w = grid
    cells = regions.reshape(len(regions), h, w, -1)
    rows, columns = (slice((h + 1) // 2), slice(h // 2, h)), (slice((w + 1) // 2), slice(w // 2, w))
    return np.stack([np.stack([cells[:, r, c].mean((1, 2)) for c in columns], 1) for r in rows], 1)


def ceiling_ratios(
    train: tuple[FilmFeatures, AskedSplit],
    shown: tuple[FilmFeatures, AskedSplit],
    lexicon: Lexicon,
) -> dict[str, StudyRatio | Ranking]:
    """side_ceiling, zone_ceiling, severity_ceiling (AUROC of the two poles), the same as ..._folds
    over the training studies, of which there are more, and for each fact ..._swap_ceiling:
    `conditional_wins` of a score that knows of a film what the probe knows, and of the report
    everything.

    Args:
        train, shown: to learn from, and to report on; patients of the latter are left out of the
            former. Probes choose their strength on a fifth of the training patients.
    """
    asked = shown[1]
    found: dict[str, StudyRatio | Ranking] = {}
    for fact in OPPOSITES:
        scores = _probe(train, shown, fact, train[1].poles(fact))
        if scores is None:
            continue
        poles = asked.poles(fact)
        rows = np.flatnonzero(~np.isnan(poles[:, 0]))
        if len(np.unique(poles[rows])) == 2:
            found[f"{fact}_ceiling"] = Ranking(poles, scores)
            found[f"{fact}_ceiling_folds"] = _folds(*train, fact)
        gains = scores * (2 * poles[rows].T - 1)  # (N, S): for the pole that the report states
        found |= _wins(fact, gains, rows, asked)
    chances = _probe(train, shown, "kinds", train[1].kinds(len(lexicon.nouns)))
    for fact in ("denied", "negation", "finding"):
        kinds = [question.swaps[fact].kinds for question in asked.questions]
        rows = np.array([row for row, about in enumerate(kinds) if about], dtype=int)
        if chances is not None and len(rows):
            gains = chances[:, [kinds[row][0] for row in rows]]
            if fact != "negation":
                gains = gains - chances[:, [kinds[row][1] for row in rows]]
            found |= _wins(fact, gains, rows, asked)
    return found


def few_label_probe(
    train: tuple[FilmFeatures, AskedSplit], shown: tuple[FilmFeatures, AskedSplit], seed: int = 0
) -> Ranking | None:
    """The linear probe of `notebooks/linear_probe.ipynb` at a tenth of the labels, of the labels
    with POSITIVES or more; None where the data set has none."""
    frequent = (shown[1].labels == 1).sum(0) >= POSITIVES
    labels, held = train[1].labels[:, frequent], held_out(train[1].patients)
    if not frequent.any() or np.isnan(labels).all() or held.all():
        return None
    learn = np.flatnonzero(~held)
    few = np.zeros(len(held), dtype=bool)
    few[learn[first_part(stratified_order(labels[learn], seed), FEW)]] = True
    scores = log_odds(train[0].pooled, labels, few, held, shown[0].pooled)
    return Ranking(shown[1].labels[:, frequent], scores)


def _probe(
    train: tuple[FilmFeatures, AskedSplit],
    shown: tuple[FilmFeatures, AskedSplit],
    fact: str,
    labels: np.ndarray,
) -> np.ndarray | None:
    """Log-odds (N, labels) of the studies shown; None where too little is known to learn from."""
    features, learned = train
    known = ~np.isnan(labels).all(1) & ~np.isin(learned.patients, shown[1].patients)
    held = held_out(learned.patients)
    learn, choose = known & ~held, known & held
    classes = np.unique(labels[known])
    if not learn.any() or not choose.any() or known.sum() < LEAST or len(classes) < 2:
        return None
    return log_odds(features.halves(fact), labels, learn, choose, shown[0].halves(fact))


def log_odds(
    features: np.ndarray, labels: np.ndarray, learn: np.ndarray, choose: np.ndarray, of: np.ndarray
) -> np.ndarray:
    """Log-odds (n, labels) of features `of` (n, D), by a probe.

    Args:
        features, labels: float (N, D) and (N, labels).
        learn, choose: bool (N,), rows to fit on and to choose the strength by.
    """
    parts = (features[learn], labels[learn]), (features[choose], labels[choose])
    return probe_scores(parts[0], parts[1], of)[0]


def _folds(features: FilmFeatures, learned: AskedSplit, fact: str) -> Ranking:
    """Poles and scores of the training studies, each scored by a probe of other folds' patients."""
    poles, halves = learned.poles(fact), features.halves(fact)
    fold = np.array([crc32(patient.encode()) % FOLDS for patient in learned.patients])
    scores = np.full(poles.shape, np.nan)
    known = ~np.isnan(poles[:, 0])
    for number in range(FOLDS):
        test, rest = known & (fold == number), known & (fold != number)
        choose = rest & (fold == (number + 1) % FOLDS)
        if test.any():
            scores[test] = log_odds(halves, poles, rest & ~choose, choose, halves[test])
    return Ranking(poles[known], scores[known])


def _wins(
    fact: str, gains: np.ndarray, rows: np.ndarray, asked: AskedSplit
) -> dict[str, StudyRatio | Ranking]:
    wins = conditional_wins(fact, gains, rows, asked)
    return {
        name.replace("_conditional", "_ceiling"): over_all(value, rows, len(asked.reports))
        for name, value in wins.items()
    }
