"""Explanations of many studies, each made when it is looked at.

studies, explain -> OnDemand -> the explanation of one study; what is written of all, at once
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, overload

import numpy as np

from reclf.data.study import Study
from reclf.datasets.selection import Caption, captions

from .explanation import Explanation

KEPT = 64  # explanations in memory: a few hundred kB each, at 512 pixels some MB


class OnDemand(Sequence[Explanation]):
    """A sequence of explanations that holds the last few alone, for galleries of any size.

    A widget lists all studies by their captions, and asks for a thumbnail or an explanation when
    it shows one.

    Args:
        explain: makes the explanation of a study, e.g. `lambda study: explain(model, study)`.
        studies: read one by one, when they are asked for: a split, `Picked` ones, or a list.
        keep: how many explanations stay in memory.
    """

    def __init__(
        self, explain: Callable[[Study], Explanation], studies: Sequence[Study], keep: int = KEPT
    ):
        self.explain, self.studies, self.keep = explain, studies, keep
        self.captions: list[Caption] = captions(studies)
        self._made: OrderedDict[int, Explanation] = OrderedDict()

    def __len__(self) -> int:
        return len(self.captions)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Explanation]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]  # IndexError ends an iteration
        if place not in self._made:
            self._made[place] = self.explain(self.studies[place])
            if len(self._made) > self.keep:
                self._made.popitem(last=False)
        self._made.move_to_end(place)
        return self._made[place]

    def image(self, index: int) -> np.ndarray:
        """The image of one study, float32 (H, W) in [0, 1]; nothing is explained for it."""
        return self.studies[range(len(self))[index]].image
