"""Local-matchings, semantic relations and importance, live in JupyterLab and in print.

Reads `reclf.explain.Explanation` and never imports torch.
"""

from .explorer import MatchingExplorer, state_json
from .figure import plot_matchings, save_figure
from .monitor import TrainingMonitor
from .views import ImportanceView, MatchingView, RelationGraphView
from .word_figures import plot_importance, plot_relations

__all__ = [
    "ImportanceView",
    "MatchingExplorer",
    "MatchingView",
    "RelationGraphView",
    "TrainingMonitor",
    "plot_importance",
    "plot_matchings",
    "plot_relations",
    "save_figure",
    "state_json",
]
