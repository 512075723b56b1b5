"""What studies have in common, for the soft targets of the loss: sets of terms, and their overlap.

study --of a kind: labels, MeSH codes, words--> set of terms -> hashes (K,) -> similarity (B, B)
"""

import hashlib
import re
from collections.abc import Iterable

import torch
from torch import Tensor

from .reports import clean, split_words
from .study import Study

MOST = 128  # terms of a study, so that those of several processes join
NONE, UNKNOWN = -1, -2  # in place of a hash: no further term; nothing is known of this study


def terms_of(study: Study, kind: str) -> frozenset[str] | None:
    """The terms of a study, None where it has no information.

    Args:
        kind: "labels" are those that are 1, none of them too where some are known; "mesh" the codes
            in `meta["mesh"]`, a list or a text with ";" between them; "text" the words.
    """
    if kind == "text":
        return frozenset(split_words(clean(study.report)))
    if kind == "labels":
        stated = frozenset(name for name, value in study.labels.items() if value == 1)
        return stated if any(value == value for value in study.labels.values()) else None
    codes = study.meta.get("mesh") or ()
    codes = re.split("[;|]", codes) if isinstance(codes, str) else codes
    terms: set[str] = set()
    for code in codes:  # a heading with each of its qualifiers, in any order
        head, *more = (part.strip() for part in code.split("/"))
        terms |= {head, *(f"{head}/{part}" for part in more)}
    return frozenset(terms - {""}) if terms - {"", "No Indexing"} else None


def term_hashes(terms: Iterable[str] | None) -> Tensor:
    """int64 (MOST,): 63-bit hashes, equal in any process; of more terms than MOST the smallest."""
    found = [UNKNOWN] if terms is None else sorted(map(text_hash, terms))[:MOST]
    return torch.tensor([*found, *[NONE] * (MOST - len(found))])


def text_hash(text: str) -> int:
    """A 63-bit number that is equal for equal texts, in any process."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def similarity(hashes: Tensor, rare: bool = False) -> Tensor:
    """Overlap of the sets of terms of every two studies, float32 (B, B) from 0 to 1: their common
    terms as a share of all terms of both (Jaccard).

    Two empty sets are equal. A study of which nothing is known is similar to itself alone.

    Args:
        hashes: int64 (B, MOST), see `term_hashes`.
        rare: weight a term by log(B / studies that have it), as for words, most of which are in
            every report.
    """
    known, place = hashes.unique(return_inverse=True)
    sets = torch.zeros(len(hashes), len(known), device=hashes.device).scatter(1, place, 1)
    sets = sets[:, known >= 0]
    weights = (len(sets) / sets.sum(0)).log() if rare else sets.new_ones(sets.shape[1])
    common = sets * weights @ sets.T
    sizes = sets @ weights
    either = sizes[:, None] + sizes - common
    overlap = (common / either).where(either > 1e-6, 1)
    is_known = hashes[:, 0] != UNKNOWN
    overlap = overlap.where(is_known[:, None] & is_known, 0).clamp(0, 1)
    return overlap.fill_diagonal_(1)
