"""Do the vectors of words know whether their finding is stated or denied?

    report and its "denied" swap --text encoder--> the vectors of the two findings in both
    --logistic regression on training reports--> is the same word the more "stated" where it is?

The two texts hold the same words, so a vector that does not depend on the words around it has .5.
Where words do not know, only relations between them can turn a finding round.
"""

import numpy as np

from reclf.models.inference import encode_texts
from reclf.models.reclf import RECLF
from reclf.stats.per_study import StudyRatio
from reclf.tasks.features import held_out

from .ceilings import log_odds
from .questions import AskedSplit
from .swap_measures import over_all

LEAST = 20  # reports to learn from


def word_ceiling(
    model: RECLF,
    train: AskedSplit,
    shown: AskedSplit,
) -> dict[str, StudyRatio]:
    """denied_swap_ceiling_words, over all studies shown; {} where there is too little to learn.

    Args:
        train, shown: to learn from, and to report on.
    """
    learned, rows = _vectors(model, train)
    vectors, asked = _vectors(model, shown)
    held = held_out([train.patients[row] for row in rows])
    if len(rows) < LEAST or len(asked) == 0 or held.all() or not held.any():
        return {}
    # (n, finding, text): the first finding is stated in the report, the second in the swap.
    stated = np.broadcast_to(np.eye(2), (len(rows), 2, 2)).reshape(-1, 1)
    size, chosen = vectors.shape[-1], np.repeat(held, 4)
    scores = log_odds(
        learned.reshape(-1, size), stated, ~chosen, chosen, vectors.reshape(-1, size)
    ).reshape(-1, 2, 2)
    right = scores[:, [0, 1], [0, 1]] - scores[:, [0, 1], [1, 0]]
    wins = (np.sign(np.where(np.abs(right) < 1e-4, 0, right)) + 1) / 2
    return {"denied_swap_ceiling_words": over_all(wins.mean(1), asked, len(shown.reports))}


def _vectors(model: RECLF, split: AskedSplit) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of two findings in a report and its swap, float32 (n, 2 findings, 2 texts, D), and
    int (n,) the reports: those in which the model reads all four."""
    rows = [row for row, question in enumerate(split.questions) if question.places]
    if not rows:
        return np.zeros((0, 2, 2, 1), np.float32), np.zeros(0, int)
    texts = [
        text
        for row in rows
        for text in (split.reports[row], split.questions[row].swaps["denied"].text or "")
    ]
    features = encode_texts(model, texts)
    counts = features.word_mask.sum(1).reshape(-1, 2).numpy()
    where = np.array([split.questions[row].places for row in rows])  # (n, text, finding)
    read = (where.max(2) < counts).all(1)
    words = features.words.numpy().reshape(len(rows), 2, *features.words.shape[1:])
    chosen = np.minimum(where, words.shape[2] - 1)[..., None]
    vectors = np.take_along_axis(words, chosen, axis=2).swapaxes(1, 2)
    return vectors[read], np.array(rows)[read]
