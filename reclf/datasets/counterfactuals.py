"""Counterfactual pairs for training: hard negatives that differ from a study in one fact.

    index 2i, 2i + 1 --share of pairs--> two independent studies | a study and its counterfactual
                     --share of texts--> two studies, each with reports that are false of its image

Negatives drawn at random hardly ever hold the same words in another arrangement, so nothing in a
batch separates "left effusion, right nodule" from "right effusion, left nodule". A counterfactual
does, in both directions: each of the two images is contrasted with both reports. A report without
an image is contrasted with the image that it is false of.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from reclf.data.collate import read_pairs
from reclf.data.study import Pair

GOLDEN = 0.6180339887498949  # its multiples fill [0, 1) evenly
NEIGHBOR = 7919  # a prime: so many pairs further is the neighbor in every pass
SEEDS = 4  # swaps of a report for as many passes


class WithCounterfactuals:
    """Map-style data set for training, of `Pair`s; some are counterfactuals of their neighbor.

    Which ones, follows from the index alone. Of a data set with an end, index + k len(self) is the
    index in pass k, in which the facts fall on other studies.

    Args:
        data: gives the other studies.
        shares: fact -> share of the studies that belong to such a pair or, of `text_facts`, come
            with such a report if theirs allows it.
        source: with `facts` and `counterfactuals(number, fact)`, two `Pair`s that differ in a fact;
            None means `data`. Their labels or words may agree, so they are soft targets of nothing
            else. With `text_facts` also `look(facts)` and `swapped(report, fact, seed)`.
        start: passes before the first counterfactual.
        swapped: most false reports of a study: of its fact and of those that follow in `shares`.

    Raises:
        ValueError: no such fact, or one that no report allows.
    """

    def __init__(
        self,
        data: Any,
        shares: Mapping[str, float],
        source: Any = None,
        start: int = 0,
        swapped: int = 1,
    ):
        source = data if source is None else source
        unknown = set(shares) - set(source.facts)
        if unknown:
            raise ValueError(
                f"data.counterfactuals: unknown fact {sorted(unknown)[0]!r}; facts: "
                f"{', '.join(source.facts)}"
            )
        self.data, self.source, self.start = data, source, start
        self.shares = {fact: share for fact, share in shares.items() if share}
        self.endless = getattr(data, "endless", False)
        self.on_problem = getattr(data, "on_problem", "refuse")
        self.unknown = (None,) * len(getattr(data, "kinds", ()))
        possible = getattr(source, "text_facts", ())
        self.texts = [fact for fact in self.shares if fact in possible]
        self.none = ("",) * swapped if self.texts else None
        # So many neighbors a sampler leaves side by side.
        self.together = 1 if self.shares and len(self.texts) == len(self.shares) else 2
        self.counts_passes = hasattr(source, "look")
        if self.counts_passes:
            source.look(self.shares)
        elif start:
            raise ValueError(
                f"data.counterfactuals_from counts passes through the training studies, and "
                f"{type(data).__name__} has no end: leave it 0"
            )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Pair:
        return self.pairs([index])[0]

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        plain = [i for i in indices if self.fact(i) is None or self.fact(i) in self.texts]
        read = read_pairs(self.data, [self.study(index) for index in plain])
        found = {i: self._with_texts(i, pair) for i, pair in zip(plain, read, strict=True)}
        for index in indices:
            fact = self.fact(index)
            if fact is not None and index not in found:
                first = index - index % len(self) % 2
                pair = self.source.counterfactuals(self._number(index), fact)
                for place, one in enumerate(pair):
                    found[first + place] = one._replace(terms=self.unknown, negatives=self.none)
        return [found[index] for index in indices]

    def fact(self, index: int) -> str | None:
        """The fact in which this study differs from its neighbor, or that its false reports have
        changed; None for independent studies."""
        passed, place = divmod(index, len(self))
        if passed < self.start:
            return None
        at = self._number(index) * GOLDEN % 1.0
        for fact, share in self.shares.items():
            if at < share:
                has_partner = fact in self.texts or place ^ 1 < len(self)
                return fact if has_partner else None
            at -= share
        return None

    def study(self, index: int) -> int:
        """The study of `data` at an index: each once in a pass. Those of a table have another
        neighbor there in every pass, for in the table it may be of the same patient."""
        passed, place = divmod(index, len(self))
        shift = NEIGHBOR * (passed + 1) * self.counts_passes
        return place if place % 2 == 0 else (place // 2 + shift) % (len(self) // 2) * 2 + 1

    def _number(self, index: int) -> int:
        passed, place = divmod(index, len(self))
        return passed * (len(self) // 2) + place // 2

    def _with_texts(self, index: int, pair: Pair) -> Pair:
        """The pair with reports that are false of its image."""
        fact = self.fact(index)
        if self.none is None or fact is None:
            return pair._replace(negatives=self.none)
        first, seed = self.texts.index(fact), index // len(self) % SEEDS
        facts = self.texts[first:] + self.texts[:first]
        made = (self.source.swapped(pair.report, fact, seed) for fact in facts)
        some = [text for text in made if text][: len(self.none)]
        return pair._replace(negatives=(*some, *self.none[len(some) :]))
