"""Studies for training whose similarity the loss reads: see `reclf.data.terms`."""

from collections.abc import Iterable, Sequence
from typing import Any

from reclf.data.study import Pair, Study
from reclf.data.terms import terms_of

from .selection import LOOKED_AT, gallery


class WithTerms:
    """Map-style data set for training, of `Pair`s with terms.

    Args:
        data: of studies.
        kinds: of `terms_of`.

    Raises:
        ValueError: the data set has no labels, or no MeSH codes.
    """

    def __init__(self, data: Any, kinds: Iterable[str]):
        self.data, self.kinds = data, tuple(kinds)
        self.endless = getattr(data, "endless", False)
        self.on_problem = getattr(data, "on_problem", "refuse")
        looked_at = gallery(data, LOOKED_AT)
        there = {
            "labels": any(study.labels for study in looked_at),
            "codes": any("mesh" in study.meta for study in looked_at),
        }
        for kind, needs in (("labels", "labels"), ("mesh", "codes")):
            if kind in self.kinds and not there[needs]:
                where = ' in `Study.meta["mesh"]`, the column "mesh" of a manifest'
                raise ValueError(
                    f"train.soft_targets.{kind}: the studies of {type(data).__name__} have no "
                    f'{needs}{where * (kind == "mesh")}; take another kind ("text" needs reports '
                    "alone) or leave train.soft_targets empty"
                )

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Study:
        return self.data[index]

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        studies = [self.data[index] for index in indices]
        terms = [tuple(terms_of(study, kind) for kind in self.kinds) for study in studies]
        return [Pair(s.image, s.report, terms=own) for s, own in zip(studies, terms, strict=True)]
