"""A map of embeddings beside an explorer: a point for each case.

vectors --PCA or UMAP--> positions -> plotly; a lasso chooses cases, a click opens one, and back
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.figure import Figure

from reclf.runs.notebook import is_live

from .embedding_positions import Positions, project
from .explorer import MatchingExplorer
from .figure import COLUMN, STYLE
from .lettering import SMALLEST
from .still import publish_still

# Okabe and Ito's, which color-blind readers tell from each other; what is not among these is gray.
CATEGORIES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
OTHER, UNKNOWN = "#8C8C8C", "#BDBDBD"
RAMP = "viridis"
NOTHING, SEVERAL = "no label", "several labels"


class EmbeddingMap:
    """Cases of an explorer by the likeness of their embeddings.

    Args:
        explorer: whose cases they are; in it a lasso chooses cases, and a click opens one.
        vectors: float (n, D), one for each case, such as the global embeddings of their images.
        method: "pca", or "umap" where the package umap-learn is installed.
        colors: name -> one value for each case, text or number; in addition to what the table of
            cases knows ("label", "rank", "score", "misses", "disagreement").
        color: of these, the one shown first.
        seed: of UMAP.

    Attributes:
        positions: see `embedding_positions.Positions`.

    Raises:
        ValueError: not one vector or value for each case, an unknown color or method.
        ImportError: umap-learn is missing; says how to install it.
    """

    def __init__(
        self,
        explorer: MatchingExplorer,
        vectors: np.ndarray,
        *,
        method: str = "pca",
        colors: Mapping[str, Sequence[Any]] | None = None,
        color: str = "",
        seed: int = 0,
    ):
        self.explorer = explorer
        count = len(explorer.cases)
        if np.ndim(vectors) != 2 or len(vectors) != count:
            raise ValueError(
                f"vectors must be one for each of {count} cases, got {np.shape(vectors)}"
            )
        self.positions: Positions = project(np.asarray(vectors), method, seed)
        self.colors = self._known() | {name: list(of) for name, of in (colors or {}).items()}
        for name, values in self.colors.items():
            if len(values) != count:
                raise ValueError(f"colors {name!r} must be {count} values, got {len(values)}")
        self.color = color or next(iter(self.colors), "")
        self._check_color(self.color)
        self._hides = ""

    def alt_text(self) -> str:
        """Text description: what is mapped, by what, and how the colors are distributed."""
        groups = [f"{name} {len(members)}" for name, members, _ in self.groups()]
        by = f"; by {self.color}: {', '.join(groups)}" if self.color else ""
        return f"Map of {len(self.explorer.cases)} embeddings by {self.positions.named}{by}"

    def groups(self, color: str | None = None) -> list[tuple[str, np.ndarray, Any]]:
        """Name, numbers of cases, and color of each group; of numbers one group with its values,
        and one of cases where they are not known.

        Raises:
            ValueError: there is no such color.
        """
        color = self.color if color is None else color
        self._check_color(color)
        count = len(self.explorer.cases)
        if not color:
            return [("cases", np.arange(count), OTHER)]
        values = self.colors[color]
        if all(value is None or isinstance(value, int | float) for value in values):
            numbers = np.array([np.nan if value is None else float(value) for value in values])
            known = np.isfinite(numbers)
            found: list[tuple[str, np.ndarray, Any]] = [
                (color, np.flatnonzero(known), numbers[known])
            ]
            if not known.all():
                found.append(("not known", np.flatnonzero(~known), UNKNOWN))
            return found
        texts = np.array([NOTHING if value is None else str(value) for value in values])
        names, sizes = np.unique(texts, return_counts=True)
        ranked = [str(names[i]) for i in np.argsort(-sizes, kind="stable")]
        first = ranked if len(ranked) <= len(CATEGORIES) else ranked[: len(CATEGORIES) - 1]
        made = [
            (name, np.flatnonzero(texts == name), CATEGORIES[k]) for k, name in enumerate(first)
        ]
        rest = np.flatnonzero(~np.isin(texts, first))
        return [*made, (f"{len(ranked) - len(first)} others", rest, OTHER)] if len(rest) else made

    def figure(self, width: float = COLUMN) -> Figure:
        """The map for print; chosen cases are outlined, the selected one has a ring."""
        x, y = self.positions.points.T
        with plt.rc_context(STYLE):
            drawn, axis = plt.subplots(figsize=(width, width), layout="constrained")
            for name, members, color in self.groups():
                numbers = not isinstance(color, str)
                shades: Any = {"c": color, "cmap": RAMP} if numbers else {"color": color}
                dots = axis.scatter(x[members], y[members], s=8, lw=0, label=name, **shades)
                if numbers:
                    drawn.colorbar(dots, label=name, shrink=0.6)
            chosen = self.explorer.chosen
            axis.scatter(x[chosen], y[chosen], s=14, facecolors="none", edgecolors="black", lw=0.6)
            now = self.explorer.case_index
            axis.scatter(x[now], y[now], s=50, facecolors="none", edgecolors="black", lw=1.2)
            axis.set(
                xticks=[], yticks=[], xlabel=self.positions.axes[0], ylabel=self.positions.axes[1]
            )
            if self.color and isinstance(self.groups()[0][2], str):
                drawn.legend(
                    loc="outside lower center",
                    ncols=2,
                    fontsize=SMALLEST,
                    frameon=False,
                    markerscale=1.5,
                )
        return drawn

    def _ipython_display_(self) -> None:
        self._hides = self._hides or f"reclf-still-{uuid.uuid4().hex}"
        publish_still(self.figure(), self.alt_text(), self._hides)
        if is_live():
            from .embedding_view import EmbeddingView

            self.view = EmbeddingView(self, self._hides)
            display(self.view.box)

    def store(self) -> None:
        """Replace the image in the notebook by one of what is shown now."""
        if self._hides:
            publish_still(self.figure(), self.alt_text(), self._hides, update=True)

    def _known(self) -> dict[str, list[Any]]:
        """What the table of cases knows of each, where it knows it of one at least."""
        index, model = self.explorer.index, self.explorer.model % len(self.explorer.models)
        columns: dict[str, list[Any]] = {
            "label": [_label(row["labels"]) for row in index],
            "rank": [row["rank"][model] and row["rank"][model][0] for row in index],
            "score": [row["score"][model] for row in index],
            "misses": [
                sum(not hit for _, hit in row["hits"][model]) if row["hits"][model] else None
                for row in index
            ],
            "disagreement": [row["disagreement"] for row in index],
        }
        return {name: of for name, of in columns.items() if any(v is not None for v in of)}

    def _check_color(self, name: str) -> None:
        if name and name not in self.colors:
            raise ValueError(f"color must be one of {', '.join(self.colors)}, got {name!r}")


def _label(labels: Sequence[str]) -> str | None:
    """The one label of a case; combinations would be more than there are colors."""
    if len(labels) > 1:
        return SEVERAL
    return labels[0].replace("_", " ") if labels else None
