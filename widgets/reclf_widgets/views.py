"""Parts of the explorer that stand alone. Given an explorer, they follow it and lead it."""

from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from . import figure, reading, word_figures
from .cases import CaseSet, Explanations
from .explorer import Edit, MatchingExplorer


class _View(MatchingExplorer):
    """An explorer with some of its panels.

    Args:
        explanations: as for MatchingExplorer, or an explorer to stay in step with.
    """

    def __init__(
        self,
        explanations: Explanations | CaseSet | MatchingExplorer,
        *,
        on_edit: Edit | None = None,
        **state: Any,
    ):
        if not isinstance(explanations, MatchingExplorer):
            super().__init__(explanations, on_edit=on_edit, **state)
            return
        leader = explanations
        super().__init__(leader.cases, on_edit=on_edit, **(leader.state() | state))
        # The case goes first: a word of the new case may not exist in the old one.
        for name in ("case_index", "edits", *leader.state()):
            pair = (leader, name), (self, name)
            traitlets.link(*(reversed(pair) if name in state else pair))


class MatchingView(_View):
    """Where words look: radiograph, heat-map and report."""

    _panels = ("matching",)


class RelationGraphView(_View):
    """What words draw from each other: arcs over the report, matrix, and graph."""

    _panels = ("relations",)

    def alt_text(self) -> str:
        """What is shown, in words: the study, its strongest relations."""
        one = self.explanation
        graph = one.relations(self._step())
        if graph is None:
            return f"{one.study_id}: {self.models[self.model]} relates no words"
        names = ["the whole pair", *(f"“{word}”" for word in one.words)]
        strongest = [
            f"{names[i]} draws on {names[j]} ({weight:.3f})"
            for i, j, weight in reading.strongest_edges(graph, 3, self.threshold)
        ]
        return f"Relations between the words of {one.study_id}; strongest: {', '.join(strongest)}"

    def figure(self, **options: Any) -> Figure:
        """`plot_relations` with the state of the view, and the options."""
        given = {"step": self._step(), "edges": self.edges, "threshold": self.threshold}
        return word_figures.plot_relations(self.explanation, **(given | options))

    def _step(self) -> int:
        """The step, as far as this model goes: another one may have more."""
        graph = self.explanation.graph
        return self.step if graph is None else min(self.step, len(graph) - 1)

    def _still(self) -> Figure:
        if self.explanation.graph is None:
            return figure.plot_message(f"{self.models[self.model]} relates no words")
        return self.figure()


class ImportanceView(_View):
    """How much each word counts: shades in the report, and a ranked list."""

    _panels = ("importance",)

    def alt_text(self) -> str:
        """What is shown, in words: the study, its most important words."""
        one = self.explanation
        if one.importance is None:
            return f"{one.study_id}: {self.models[self.model]} weighs no words"
        first = np.argsort(-one.importance, kind="stable")[:3]
        words = ", ".join(f"“{one.words[i]}” ({one.importance[i]:.3f})" for i in first)
        return f"How much each word of {one.study_id} counts; most: {words}"

    def figure(self, **options: Any) -> Figure:
        """`plot_importance` of the model shown."""
        return word_figures.plot_importance(self.explanation, **options)

    def _still(self) -> Figure:
        if self.explanation.importance is None:
            return figure.plot_message(f"{self.models[self.model]} weighs no words")
        return self.figure()
