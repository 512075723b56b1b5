"""Local-matchings, semantic relations and importance, live in JupyterLab and in print.

Reads `reclf.explain.Explanation` and never imports torch.
"""

from .figure import plot_importance, plot_matchings, plot_relations, save_figure

__all__ = ["plot_importance", "plot_matchings", "plot_relations", "save_figure"]
