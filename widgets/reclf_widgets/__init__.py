"""Interactive widgets (JupyterLab, HTML) and print figures of explanations and training runs.

    reclf.explain.Explanation -> attention maps, relation graph, importance weights
    run folder -> training curves

Nothing here imports torch.
"""

from .embedding_map import EmbeddingMap
from .explorer import MatchingExplorer, state_json
from .figure import plot_attributions, plot_matchings, save_figure
from .monitor import TrainingMonitor
from .session import open_session
from .views import ImportanceView, MatchingView, RelationGraphView
from .word_figures import plot_importance, plot_relations

__all__ = [
    "EmbeddingMap",
    "ImportanceView",
    "MatchingExplorer",
    "MatchingView",
    "RelationGraphView",
    "TrainingMonitor",
    "open_session",
    "plot_attributions",
    "plot_importance",
    "plot_matchings",
    "plot_relations",
    "save_figure",
    "state_json",
]
