"""A start for IRM's gates that see the word: rare words, and words that a film knows of (ours).

    training reports --in how many is a word?--> rarity ------------------+
    films, reports --held-out regression--> does the film know of a word? +--ridge--> word gate

From zero a word gate moves by a few hundredths in a short training, and its weights are then no
better than the start's (LOG.md, 2026-11-29). Rarity alone, IDF, is the measure that weights have to
beat; "sternotomy" is rare, and so is "thank".
"""

from collections import Counter
from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from reclf.models.reclf import RECLF
from reclf.models.relations.importance import ImportanceReasoning
from reclf.stats.cca import ridge_regression
from reclf.stats.evidence import held_out_correlation

LEAST = 3  # reports with a word, for a correlation
EVIDENCE = 8.0  # of a correlation, in units of rarity; chosen on Open-I's validation (LOG.md)


def start_word_gates(
    model: RECLF,
    reports: Sequence[Sequence[str]],
    words: Sequence[np.ndarray],
    pooled: np.ndarray,
    patients: Sequence[str],
) -> None:
    """Set the gates that see a word to what predicts the importance of words; others are left.

    Args:
        model: with words projected as they will be.
        reports: words of each of n reports.
        words: float (W, H) of each, before their projection.
        pooled: float (n, C), of their images.
        patients: of the reports.
    """
    gates = [m for m in model.modules() if isinstance(m, ImportanceReasoning) and m.word_gate]
    if not gates:
        return
    importance = word_importance(reports, pooled, patients)
    wanted = np.array([importance[word] for report in reports for word in report])
    if len(np.unique(wanted)) < 2:
        return
    layer = model.text_encoder.project_words
    with torch.no_grad():
        raw = torch.from_numpy(np.concatenate(words)).to(layer.weight)
        seen = F.normalize(layer(raw), dim=-1).double().cpu().numpy()
        weight = ridge_regression(seen, wanted[:, None]).weight
        for gate in gates:
            # Without its constant: what all words have in common, `norm="report"` takes away.
            cast(nn.Linear, gate.word_gate).weight.copy_(torch.from_numpy(weight))


def word_importance(
    reports: Sequence[Sequence[str]], pooled: np.ndarray, patients: Sequence[str]
) -> dict[str, float]:
    """Rarity of each word, ln((1 + n) / (1 + d)) of d in n reports that hold it, and EVIDENCE times
    how well its reports are known from their images, by `held_out_correlation`."""
    held = [set(report) for report in reports]
    counts = Counter(word for words in held for word in words)
    found = {word: float(np.log((1 + len(held)) / (1 + d))) for word, d in counts.items()}
    frequent = [word for word, d in counts.items() if d >= LEAST]
    facts = np.array([[word in words for word in frequent] for words in held], dtype=float)
    for word, known in zip(frequent, held_out_correlation(pooled, facts, patients), strict=True):
        found[word] += EVIDENCE * float(known)
    return found
