"""Counterfactual pairs for training: hard negatives that differ from a study in one fact.

    index 2i, 2i + 1 --share of pairs--> two independent studies | a study and its counterfactual

Negatives drawn at random hardly ever hold the same words in another arrangement, so nothing in a
batch separates "left effusion, right nodule" from "right effusion, left nodule". A counterfactual
does, in both directions: each of the two images is contrasted with both reports.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reclf.data.study import Pair

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly


class WithCounterfactuals:
    """Map-style data set for training, of `Pair`s; some are counterfactuals of their neighbor.

    Which ones, follows from the index alone.

    Args:
        data: gives the other studies.
        shares: fact -> share of the studies that belong to such a pair.
        source: with `counterfactuals(number, fact)`, two `Pair`s that differ in a fact; None means
            `data`. Their labels or words may agree, so they are soft targets of nothing else.

    Raises:
        ValueError: the data set draws no counterfactuals, or no such fact.
    """

    together = 2  # neighbors that a sampler leaves side by side

    def __init__(self, data: Any, shares: Mapping[str, float], source: Any = None):
        source = data if source is None else source
        if not hasattr(source, "counterfactuals"):
            raise ValueError(
                f"data.counterfactuals is {dict(shares)}, but the data set {type(source).__name__} "
                "cannot draw counterfactual pairs; the phantom can. Leave data.counterfactuals "
                "empty."
            )
        unknown = set(shares) - set(source.facts)
        if unknown:
            raise ValueError(
                f"data.counterfactuals: unknown fact {sorted(unknown)[0]!r}; facts: "
                f"{', '.join(source.facts)}"
            )
        self.data, self.shares, self.source = data, dict(shares), source
        self.unknown = (None,) * len(getattr(data, "kinds", ()))
        self.endless = getattr(data, "endless", False)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs([index])[0]

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        plain = [index for index in indices if self.fact(index) is None]
        found = dict(zip(plain, self.data.pairs(plain), strict=True))
        for index in indices:
            fact = self.fact(index)
            if fact is not None and index not in found:
                number = index // 2
                for place, pair in enumerate(self.source.counterfactuals(number, fact)):
                    found[2 * number + place] = pair._replace(terms=self.unknown)
        return [found[index] for index in indices]

    def fact(self, index: int) -> str | None:
        """The fact in which this study differs from its neighbor; None for independent studies."""
        place = index // 2 * GOLDEN % 1.0
        for fact, share in self.shares.items():
            if place < share:
                return fact
            place -= share
        return None
