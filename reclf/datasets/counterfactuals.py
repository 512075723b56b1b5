"""Training studies beside their twins: hard negatives that differ in one fact.

    index 2i, 2i + 1 --share of twins--> two studies as they come | a study and its twin

Among the negatives of a batch hardly one has the same words in another order of things, so that
nothing asks "left effusion, right nodule" to be told from "right effusion, left nodule". A twin
does, in both directions: each of the two images meets both reports.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reclf.data.study import Pair

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly


class WithTwins:
    """Map-style data set for training, of `Pair`s; some of them are twins of their neighbor.

    Which, follows from the index alone.

    Args:
        data: with `twins(number, fact)`, two `Pair`s that differ in a fact.
        shares: fact -> share of the studies that are one of two that differ in it.

    Raises:
        ValueError: the data set has no twins, no such fact, or shares beyond 1.
    """

    together = 2  # neighbors that a sampler leaves side by side

    def __init__(self, data: Any, shares: Mapping[str, float]):
        if not hasattr(data, "twins"):
            raise ValueError(
                f"data.twins is {dict(shares)}, but the data set {type(data).__name__} cannot draw "
                "twins; of those here the phantom can. Leave data.twins empty."
            )
        unknown = set(shares) - set(data.facts)
        if unknown:
            raise ValueError(
                f"data.twins: unknown fact {sorted(unknown)[0]!r}; facts: {', '.join(data.facts)}"
            )
        if sum(shares.values()) > 1:
            raise ValueError(f"data.twins must sum to 1 at most, got {dict(shares)}")
        self.data, self.shares = data, dict(shares)
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
                found[2 * number], found[2 * number + 1] = self.data.twins(number, fact)
        return [found[index] for index in indices]

    def fact(self, index: int) -> str | None:
        """In what this study differs from its neighbor; None if it is no twin."""
        place = index // 2 * GOLDEN % 1.0
        for fact, share in self.shares.items():
            if place < share:
                return fact
            place -= share
        return None
