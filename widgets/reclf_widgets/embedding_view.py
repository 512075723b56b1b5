"""The live map of embeddings: a plotly figure, a menu of colors, and the film under the pointer.

lasso -> explorer.chosen, its table shows them; click -> explorer.case_index; and back
"""

import base64
from typing import Any

import anywidget
import cv2
import ipywidgets
import numpy as np
import plotly.graph_objects as go
import traitlets

from . import browser
from .case_rows import SIDE as THUMBNAIL
from .still import data_trait

HEIGHT = 460
SIDE = 3 * THUMBNAIL  # pixels of the film under the pointer
UNSELECTED = 0.25  # opacity beside what is chosen


class _Hider(anywidget.AnyWidget):
    _esm = browser.module(browser.HIDER)
    hides = data_trait(traitlets.Unicode)


class EmbeddingView:
    """See `EmbeddingMap`; `box` is the widget.

    Args:
        shown: the map.
        hides: class of its stored image, which is hidden while this is there.
    """

    def __init__(self, shown: Any, hides: str):
        self.map, self.explorer = shown, shown.explorer
        self._picked: dict[int, list[int]] = {}
        self._members: list[np.ndarray] = []
        across, down = shown.positions.axes
        layout = {
            "height": HEIGHT,
            "template": "plotly_white",
            "dragmode": "lasso",
            "margin": {"l": 40, "r": 10, "t": 10, "b": 40},
            "xaxis_title": across,
            "yaxis_title": down,
            "legend": {"itemsizing": "constant"},
        }
        self.figure = go.FigureWidget(layout=layout)
        names = list(shown.colors)
        self.menu = ipywidgets.Dropdown(
            options=names, value=shown.color or None, description="color"
        )
        self.menu.layout.display = None if len(names) > 1 else "none"
        self.film = ipywidgets.HTML(f"<div style='min-width:{SIDE}px'></div>")
        plot = ipywidgets.HBox([self.figure, self.film])
        self.box = ipywidgets.VBox([_Hider(hides=hides), self.menu, plot])
        self._draw()
        self.menu.observe(self._recolor, names=["value"])
        self.explorer.observe(self._follow, names=["case_index", "chosen"])

    def choose(self, trace: int, places: list[int]) -> None:
        """A lasso has these points of a group; plotly tells it of every group, one by one."""
        self._picked[trace] = places
        if trace < len(self._members) - 1:
            return
        pairs = [(k, place) for k, found in self._picked.items() for place in found]
        chosen = sorted(int(self._members[k][place]) for k, place in pairs)
        with self.explorer.hold_trait_notifications():
            self.explorer.chosen = chosen
            self.explorer.only = "chosen" if chosen else "all"
            self.explorer.table = True

    def open(self, trace: int, places: list[int]) -> None:
        """A click on a point opens its case."""
        if places:
            self.explorer.case_index = int(self._members[trace][places[0]])

    def look(self, trace: int, places: list[int]) -> None:
        """The film of the point under the pointer, with the name of its study."""
        if places:
            index = int(self._members[trace][places[0]])
            self.film.value = _film(
                self.explorer.cases.picture(index), self.explorer.index[index]["study_id"]
            )

    def _draw(self) -> None:
        x, y = self.map.positions.points.T
        groups = self.map.groups()
        self._members = [members for _, members, _ in groups]
        self._picked = {}
        studies = np.array([row["study_id"] for row in self.explorer.index], dtype=object)
        with self.figure.batch_update():
            self.figure.data = []
            for name, members, color in groups:
                named = isinstance(color, str)
                scale = {} if named else {"colorscale": "Viridis", "showscale": True}
                dots = go.Scatter(
                    x=x[members],
                    y=y[members],
                    mode="markers",
                    name=_plain([name])[0],
                    text=_plain(studies[members]),
                    hoverinfo="text",
                    marker={"color": color, "size": 7, **scale},
                    unselected={"marker": {"opacity": UNSELECTED}},
                    showlegend=named and len(groups) > 1,
                )
                self.figure.add_trace(dots)
            ring = {"symbol": "circle-open", "size": 16, "color": "black", "line": {"width": 2}}
            now = go.Scatter(
                mode="markers",
                marker=ring,
                hoverinfo="skip",
                showlegend=False,
                unselected={"marker": {"opacity": 1}},
            )
            self.figure.add_trace(now)
        for number, trace in enumerate(self.figure.data[:-1]):
            trace.on_selection(lambda _, points, __, k=number: self.choose(k, points.point_inds))
            trace.on_deselect(lambda *_, k=number: self.choose(k, []))
            trace.on_click(lambda _, points, __, k=number: self.open(k, points.point_inds))
            trace.on_hover(lambda _, points, __, k=number: self.look(k, points.point_inds))
        self._follow()

    def _recolor(self, change: Any) -> None:
        self.map.color = change["new"]
        self._draw()
        self.map.store()

    def _follow(self, change: Any = None) -> None:
        """The ring at the selected case, and what is chosen."""
        x, y = self.map.positions.points[self.explorer.case_index]
        chosen = np.array(self.explorer.chosen, dtype=int)
        with self.figure.batch_update():
            for members, trace in zip(self._members, self.figure.data, strict=False):
                places = np.flatnonzero(np.isin(members, chosen))
                trace.selectedpoints = places.tolist() if len(chosen) else None
            self.figure.data[-1].x, self.figure.data[-1].y = [x], [y]


def _plain(texts: Any) -> list[str]:
    """Texts as plotly shows them: it reads HTML, and formulas between dollar signs."""
    escaped = (
        str(t).replace("&", "&amp;").replace("<", "&lt;").replace("$", "&#36;") for t in texts
    )
    return list(escaped)


def _film(thumbnail: bytes, study: str) -> str:
    pixels = np.frombuffer(thumbnail, np.uint8).reshape(THUMBNAIL, THUMBNAIL)
    content = base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode()
    (name,) = _plain([study])
    return (
        f'<figure style="margin:0"><img width="{SIDE}" height="{SIDE}" alt="" '
        f'src="data:image/png;base64,{content}"><figcaption>{name}</figcaption></figure>'
    )
