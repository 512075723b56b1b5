"""Do the edges between words join what belongs together?

    words of a report --> (reader, own, other) triples --> is edge(reader, own) the stronger one?

A word that names a finding belongs to the words that say where and how severe it is, and they to
it: "effusion" <-> "left". In a report of two findings "left" may stand nearer to the other one; the
triples in which it does ("hard") are told right by nobody who only counts words in between.
"""

from collections.abc import Sequence

import numpy as np

from reclf.data.study import Word

PLACES = ("location", "severity")


def relation_triples(words: Sequence[Word]) -> np.ndarray:
    """Every choice between a word of the same finding instance and one of another.

    Returns:
        int (T, 3) of word positions: a word that states a finding (the reader), one of the other
        sort of the same instance, and one of the other sort of another instance. The sorts are the
        name of a finding, and its place and severity. No rows where fewer than two are stated.
    """
    stated = [i for i, word in enumerate(words) if word.important]
    triples = []
    for reader in stated:
        names = words[reader].type == "finding"
        if not names and words[reader].type not in PLACES:
            continue
        partners = [i for i in stated if (words[i].type in PLACES) == names]
        own = [i for i in partners if words[i].finding == words[reader].finding]
        other = [i for i in partners if words[i].finding != words[reader].finding]
        triples += [(reader, j, k) for j in own for k in other]
    return np.array(triples, dtype=int).reshape(-1, 3)


def is_hard(triples: np.ndarray) -> np.ndarray:
    """bool (T,): the word of the other instance is strictly nearer to the reader."""
    reader, own, other = triples.T
    return np.abs(reader - other) < np.abs(reader - own)


def share_in_order(edges: np.ndarray, triples: np.ndarray) -> float:
    """AUROC of edges within one report: the share of triples in order, ties half; NaN for none.

    Args:
        edges: float (W, W), edges[i, j] is the weight with which word i attends to word j.

    Raises:
        ValueError: NaN among the edges.
    """
    if np.isnan(edges).any():
        raise ValueError("edges between words must not be NaN")
    if not len(triples):
        return float("nan")
    reader, own, other = triples.T
    return float((np.sign(edges[reader, own] - edges[reader, other]) + 1).mean() / 2)


def text_distance(count: int) -> np.ndarray:
    """float (W, W): the nearer in the text, the higher."""
    places = np.arange(count, dtype=float)
    return -np.abs(places[:, None] - places)


def vector_cosines(vectors: np.ndarray) -> np.ndarray:
    """float (W, W): cosines between the words' vectors (W, D)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(norms, 1e-12)
    return unit @ unit.T
