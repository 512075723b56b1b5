"""Single panels of the explorer. Created from an explorer, a view shares its case and selection.

How a view draws (view, relations, model, threshold, colors, ...) starts as the explorer's and is
its own: two views of one explorer can show two models, or the graph and the matrix.
"""

from pathlib import Path
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure

from . import figure, reading, word_figures
from .case_edits import Edit
from .cases import CaseSet, Explanations
from .explorer import MatchingExplorer

# The case first: a word index of the new case may not exist in the old one.
SHARED = ("case_index", "edits", "word", "phrase", "region", "label", "sort", "query")


class _View(MatchingExplorer):
    """An explorer with a subset of its panels.

    Args:
        explanations: as for MatchingExplorer, or an explorer whose case and selection to share
            (`SHARED`); a value of them in `state` is set in the explorer, too.
        on_edit, marks_file: see MatchingExplorer; a view of an explorer leaves marks to it.
        state: initial state; what is not given is that of the explorer.
    """

    def __init__(
        self,
        explanations: Explanations | CaseSet | MatchingExplorer,
        *,
        on_edit: Edit | None = None,
        marks_file: str | Path | None = None,
        **state: Any,
    ):
        if not isinstance(explanations, MatchingExplorer):
            super().__init__(explanations, on_edit=on_edit, marks_file=marks_file, **state)
            if "model" not in state:
                self._show_a_model()
            return
        leader = explanations
        self._leads = False
        super().__init__(leader.cases, on_edit=on_edit, **(leader.state() | state))
        for name in SHARED:
            pair = (leader, name), (self, name)
            traitlets.link(*(reversed(pair) if name in state else pair))

    def _show_a_model(self) -> None:
        """Select the first model that has what this view shows; the first if none has."""
        for number in range(len(self.models)):
            self.model = number
            if self._missing() is None:
                return
        self.model = 0

    def alt_text(self) -> str:
        """Text description of the view, or of what this model does not have."""
        message = self._message()
        return f"{self.explanation.study_id}: {message}" if message else self._description()

    def _still(self) -> Figure:
        message = self._message()
        return figure.plot_message(message) if message else self.figure()

    def _message(self) -> str:
        """What the selected model lacks for this view; empty if nothing."""
        missing = self._missing()
        return f"{self.names[self.model]} has no {missing}" if missing else ""

    def _missing(self) -> str | None:
        return None

    def _description(self) -> str:
        return super().alt_text()


class MatchingView(_View):
    """Attention maps of words: radiograph, heatmap and report."""

    _panels = ("matching",)


class RelationGraphView(_View):
    """The relation graph: arcs above the report, matrix, and node-link diagram."""

    _panels = ("relations",)

    def figure(self, **options: Any) -> Figure:
        """`plot_relations` with the state of the view and options."""
        return word_figures.plot_relations(self.explanation, **(self.relation_options() | options))

    def _missing(self) -> str | None:
        if self.explanation.graph is None:
            return "relation graph"
        unknown = self.beyond_prior and self.explanation.prior(self._step()) is None
        return "known distance prior" if unknown else None

    def _description(self) -> str:
        one = self.explanation
        graph = reading.edges(one, self._step(), self.beyond_prior)
        weighed = "edge weight minus its distance prior" if self.beyond_prior else "edge weight"
        names = [reading.GLOBAL_NODE, *(f"“{word}”" for word in one.words)]
        strongest = [
            f"{names[i]} attends to {names[j]} ({weighed} {weight:.3f})"
            for i, j, weight in reading.strongest_edges(graph, 3, self.threshold)
        ]
        return f"Relation graph of {one.study_id}; strongest edges: {', '.join(strongest)}"


class ImportanceView(_View):
    """Importance weights of words: shading in the report, and a ranked list."""

    _panels = ("importance",)

    def figure(self, **options: Any) -> Figure:
        """`plot_importance` of the selected model, or of the attention to the selected region."""
        given = {"region": self.own_region()}
        return word_figures.plot_importance(self.explanation, **(given | options))

    def _missing(self) -> str | None:
        lacks = self.explanation.importance is None and self.region < 0
        return "importance weights" if lacks else None

    def _description(self) -> str:
        one = self.explanation
        weights = reading.word_values(one, self.own_region())
        assert weights is not None
        first = np.argsort(-weights, kind="stable")[:3]
        words = ", ".join(f"“{one.words[i]}” ({weights[i]:.3f})" for i in first)
        region = f"Attention to {reading.place(one, self.own_region())} of the words"
        what = "Importance weights of the words" if self.region < 0 else region
        return f"{what} of {one.study_id}; highest: {words}"
