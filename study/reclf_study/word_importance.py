"""Do the weights of words single out those that state a finding?

weights (W,), words known to state a finding --> AUROC within the report, beside IDF
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reclf.data.reports import clean, split_words
from reclf.data.study import Word
from reclf.stats.classification import auroc


def importance_auroc(weights: np.ndarray, words: Sequence[Word]) -> float:
    """AUROC within one report; NaN where it states no finding (or nothing else).

    Args:
        weights: float (W,), higher is more important.
        words: W, of which `important` ones state a finding that is present.
    """
    return auroc(np.array([word.important for word in words], dtype=float), weights)


@dataclass(frozen=True)
class DocumentFrequency:
    """In how many reports of a corpus each word occurs."""

    counts: Mapping[str, int]
    reports: int

    @classmethod
    def of(cls, reports: Sequence[str]) -> "DocumentFrequency":
        counts = Counter(word for report in reports for word in set(split_words(clean(report))))
        return cls(counts, len(reports))

    def idf(self, words: Sequence[Word]) -> np.ndarray:
        """ln((1 + n) / (1 + d)) of each word, which d of n reports hold: float (W,)."""
        held = np.array([self.counts.get(word.text, 0) for word in words])
        return np.log((1 + self.reports) / (1 + held))
