"""Parts of the explorer that stand alone. Given an explorer, they follow it and lead it."""

from typing import Any

import traitlets
from matplotlib.figure import Figure

from . import figure, word_figures
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

    def figure(self, **options: Any) -> Figure:
        """`plot_relations` with the state of the view, and the options."""
        given = {"step": self.step, "edges": self.edges, "threshold": self.threshold}
        return word_figures.plot_relations(self.explanation, **(given | options))

    def _still(self) -> Figure:
        if self.explanation.graph is None:
            return figure.plot_message(f"{self.models[self.model]} relates no words")
        return self.figure()


class ImportanceView(_View):
    """How much each word counts: shades in the report, and a ranked list."""

    _panels = ("importance",)

    def figure(self, **options: Any) -> Figure:
        """`plot_importance` of the model shown."""
        return word_figures.plot_importance(self.explanation, **options)

    def _still(self) -> Figure:
        if self.explanation.importance is None:
            return figure.plot_message(f"{self.models[self.model]} weighs no words")
        return self.figure()
