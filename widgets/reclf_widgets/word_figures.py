"""Print figures of words: the relation graph, and importance weights.

Lengths are in inches. Names of words are never smaller than 6 points: where not all fit, those of
the strongest edges are named, and the figure says so.
"""

from collections.abc import Collection, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reclf.explain import Explanation

from . import reading
from .arcs import ROW as ARC_ROW
from .arcs import Edge, plot_arcs, that_fit
from .figure import COLUMN, PAGE, STYLE, by_model
from .layout import TALLEST
from .lettering import LINE, SMALLEST, fit, height, length, shorten, spread, wrap
from .palette import WORD_TYPES, edge_colormap, text_color, word_color, word_letter
from .scales import number
from .sheet import Sheet

BESIDE = 5.0  # figures at least this wide have matrix and arcs side by side
EDGE, GAP = 0.06, 0.08
NAME_ROW = 1.1 * SMALLEST / 72  # of a name of a node
LARGEST = 7.0  # points of a name of a node
LEADER = 0.14  # from a row to its name, where names are spread
BAR, BAR_NUMBERS = 0.08, 0.42
ITSELF = "0.83"  # gray of the diagonal, as on the screen
HIGHEST = 3.8  # of the matrix, and of the arcs below it


def plot_relations(
    explanation: Explanation,
    *,
    step: int = -1,
    edges: int = 20,
    threshold: float = 0.0,
    beyond_prior: bool = False,
    order: str = "text",
    fillers: bool = True,
    width: float = PAGE,
) -> Figure:
    """The relation graph: its matrix, and the strongest edges as arcs.

    An arrow points from a word to the word that it attends to: arcs on the right lead to a later
    word, arcs on the left to an earlier one. The caption explains the letters of word types, and
    names the lexicon if the types are not annotated. Where the names of all nodes do not fit at 6
    points, those of the strongest edges are shown.

    Args:
        explanation: of a model with semantic relation modeling (SRM).
        step: SRM step, see `Explanation.relations`; by default the last edges that the score uses.
            `Explanation.caveat` is the title of the matrix.
        edges: maximum number of arcs; fewer where their words do not fit.
        threshold: minimum edge weight, as a fraction in [0, 1] of the maximum edge weight.
        beyond_prior: show what edges are above or below their distance prior, see
            `Explanation.prior`; arcs are then of those above it.
        order: of the nodes in the matrix, "text" or "type".
        fillers: False leaves words without a type out of the matrix.
        width: inches; from five inches the arcs are to the right of the matrix, otherwise below it.

    Raises:
        ValueError: the model has no relation graph, or not this step, or its prior is not known;
            or there is no such order.
    """
    graph = reading.edges(explanation, step, beyond_prior)
    names = reading.node_names(explanation)
    wanted = reading.strongest_edges(graph, edges, threshold)
    nodes = reading.nodes(explanation, order, fillers)
    shown = graph[np.ix_(nodes, nodes)]
    notes = [explanation.caveat(step), "edge weight minus its distance prior" * beyond_prior]
    notes.append("words without a type are left out" if len(nodes) < len(names) else "")
    page = _Page(explanation, shown, [names[n] for n in nodes], wanted, notes, width)
    with plt.rc_context(STYLE):
        sheet = Sheet(width, page.height)
        matrix = sheet.place(page.left, page.top, page.side, page.tall)
        arcs = sheet.place(page.arcs_left, page.arcs_top, *page.arcs_size)
        _plot_matrix(sheet, matrix, shown, page, beyond_prior)
        _name_nodes(sheet, explanation, nodes, page)
        plot_arcs(arcs, explanation, names, page.edges, page.arcs_size)
        sheet.text(EDGE, EDGE, page.note)
        middle = page.arcs_left + page.arcs_size[0] / 2
        sheet.text(middle, page.title_top, page.title, page.title_size, ha="center")
        sheet.caption(page.foot, page.foot_top)
    return sheet.figure


class _Page:
    """The places of a figure of relations in inches, measured before anything is drawn.

    The matrix is as wide as its block allows, and higher where its rows need it for their names.
    """

    def __init__(
        self,
        explanation: Explanation,
        graph: np.ndarray,
        names: list[str],
        wanted: list[Edge],
        notes: list[str],
        width: float,
    ):
        self.names = names
        beside, nodes, line = width >= BESIDE, len(names), LINE * SMALLEST / 72
        block = (0.58 if beside else 1.0) * width - EDGE
        self.label = min(max(length(name, LARGEST) for name in names), 0.3 * block) + 0.02
        self.left = EDGE + line + self.label + LEADER
        self.side = block - (self.left - EDGE) - BAR - BAR_NUMBERS - GAP
        self.tall = float(np.clip(nodes * NAME_ROW, self.side, max(self.side, HIGHEST)))
        self.rows = _named(graph, int(self.tall / NAME_ROW))
        self.columns = _named(graph, int(self.side / NAME_ROW))
        named = min(len(self.rows), len(self.columns))
        left_out = f"names of up to {named} of {nodes} nodes, those of the strongest edges"
        notes = [*notes, left_out if named < nodes else ""]
        self.note = wrap("\n".join(filter(None, notes)), SMALLEST, block - EDGE, most=6)
        self.top = EDGE + height(self.note, SMALLEST) + 0.03
        bottom = self.top + self.tall + LEADER + self.label + line
        self.foot = captions(explanation, explanation.word_types or [], width - 2 * EDGE)
        foot_height = sum(height(text, SMALLEST) for text in self.foot)

        title_room = 0.4
        room = bottom if beside else min(HIGHEST, TALLEST - bottom - foot_height - 2 * GAP)
        self.edges = that_fit(wanted, int((room - title_room) / ARC_ROW - 0.6))
        across = width - block - 2 * EDGE - GAP if beside else width - 2 * EDGE
        said = _arcs_title(self.edges, len(wanted))
        self.title_size, (self.title,) = fit([said], across, (7, SMALLEST))
        self.title_top = EDGE if beside else bottom + GAP
        self.arcs_top = self.title_top + height(self.title, self.title_size) + 0.03
        drawn = len({node for edge in self.edges for node in edge[:2]})
        needed = (max(drawn, 1) + 0.6) * 1.2 * ARC_ROW
        down = room - title_room if beside else min(room - title_room, needed)
        self.arcs_left, self.arcs_size = width - EDGE - across, (across, down)
        self.foot_top = max(bottom, self.arcs_top + down) + GAP
        self.height = self.foot_top + foot_height + EDGE


def _named(graph: np.ndarray, room: int) -> list[int]:
    """Nodes whose names are shown, ascending: all, or those of the strongest edges."""
    count = len(graph)
    if count <= room:
        return list(range(count))
    found: dict[int, None] = {}
    for i, j, _ in reading.strongest_edges(np.abs(graph), graph.size):
        for node in (i, j):
            if len(found) < room:
                found[node] = None
    return sorted(found)


def _plot_matrix(sheet: Sheet, axis: Axes, graph: np.ndarray, page: _Page, signed: bool) -> None:
    """The edge weights as shades, with a color bar on the right; of either sign if `signed`."""
    between = np.ma.masked_array(graph, np.eye(len(graph), dtype=bool))  # a node itself is no edge
    end = float(np.abs(between).max()) if len(graph) > 1 else 0.0
    lowest = -end if signed else 0
    colors = edge_colormap(signed).with_extremes(bad=ITSELF)
    image = axis.imshow(
        between, cmap=colors, vmin=lowest, vmax=end or 1, interpolation="none", aspect="auto"
    )
    axis.set(xticks=[], yticks=[])
    right = sheet.place(page.left + page.side + GAP / 2, page.top, BAR, page.tall)
    drawn = sheet.figure.colorbar(image, cax=right)
    ticks = [lowest, (lowest + end) / 2, end] if end else [0]
    drawn.set_ticks(ticks)
    drawn.set_ticklabels([number(value) for value in ticks])
    drawn.ax.tick_params(labelsize=SMALLEST, length=2, pad=1.5)
    drawn.outline.set_linewidth(0.4)  # type: ignore[operator]


def _name_nodes(sheet: Sheet, explanation: Explanation, nodes: list[int], page: _Page) -> None:
    """Names of rows and columns, which are `nodes` of the graph; where they are spread, lines lead
    to them from their cells."""
    left, top, side, tall, label = page.left, page.top, page.side, page.tall, page.label
    count = len(nodes)
    for named, start, span, down in (
        (page.rows, top, tall, False),
        (page.columns, left, side, True),
    ):
        size = float(np.clip(72 / 1.1 * span / count, SMALLEST, LARGEST))
        cell, gap = span / count, 1.1 * size / 72
        centers = start + (np.array(named, dtype=float) + 0.5) * cell
        places = spread(centers, gap, start + gap / 2, start + span - gap / 2)
        edge = top + tall if down else left
        for k, center, place in zip(named, centers, places, strict=True):
            color = _name_color(explanation, nodes[k])
            text = shorten(page.names[k], size, label)
            near, far = 0.02, LEADER - 0.02
            along = np.array([edge + near, edge + far] if down else [edge - near, edge - far])
            across = np.array([center, place])
            line = (across, along) if down else (along, across)
            sheet.axis.plot(*line, color="0.6", lw=0.4)
            if down:
                sheet.text(place, edge + LEADER, text, size, color=color, rotation=90, ha="right",
                           va="center")  # fmt: skip
            else:
                sheet.text(edge - LEADER, place, text, size, color=color, ha="right", va="center")
    sheet.text(left + side / 2, top + tall + LEADER + label, "attended node (key)", ha="center")
    sheet.text(EDGE, top + tall / 2, "attending node (query)", ha="center", rotation=90)


def _name_color(explanation: Explanation, node: int) -> str:
    kind = reading.word_type(explanation, node - 1)
    return "black" if kind in (None, "filler") else text_color(kind)


def _arcs_title(strongest: list[Edge], wanted: int) -> str:
    maximum = f", weight ≤ {strongest[0][2]:.3f}" if strongest else ""
    count = f"{len(strongest)} strongest edges{maximum}"
    return count if len(strongest) == wanted else f"{count}\n(the words of more do not fit)"


def captions(explanation: Explanation, kinds: Collection[str | None], room: float) -> list[str]:
    """The letters of these word types, and the lexicon if the types are not annotated."""
    said = ", ".join(
        f"{word_letter(kind)} {kind}" for kind in WORD_TYPES if kind in kinds and word_letter(kind)
    )
    if said and explanation.types_guessed:
        said += f";\nassigned by {explanation.provenance['word_types']}, not annotated"
    return [wrap(said, SMALLEST, room, most=6)] if said else []


def plot_importance(
    explanation: Explanation | Mapping[str, Explanation],
    words: Sequence[int | str] | None = None,
    *,
    top: int = 15,
    region: int = -1,
    width: float | None = None,
) -> Figure:
    """Importance weights of words as bars, highest first. The caption explains the letters of word
    types, says how many words are not shown, and names the lexicon if the types are not annotated.

    Args:
        explanation: one, or model name -> explanation of the same pair (one panel per model).
        words: indices or texts; by default the `top` words of highest weight in the first model.
        top: number of words.
        region: show the attention of the words to this region instead, counted row by row.
        width: inches of the figure; by default a column for one model, a page for several.

    Raises:
        ValueError: a model without importance weights.
    """
    models = by_model(explanation)
    values: dict[str, np.ndarray] = {}
    for name, one in models.items():
        found = reading.word_values(one, region)
        if found is None:
            raise ValueError(f"{name or one.study_id}: this model has no importance weights")
        values[name] = found
    first = next(iter(models.values()))
    weights = next(iter(values.values()))
    chosen = reading.find_words(first, words) if words is not None else np.argsort(-weights)[:top]
    uniform = 1 / max(first.attention[0].size if region >= 0 and len(weights) else len(weights), 1)
    kinds = [reading.word_type(first, w) for w in chosen]
    width = width or (COLUMN if len(models) == 1 else PAGE)
    what = "importance weight" if region < 0 else f"attention to {reading.place(first, region)}"
    marks = [f" ({word_letter(kind)})" if word_letter(kind) else "" for kind in kinds]
    row = max(1.25 * SMALLEST / 72, min(0.17, 7 / max(len(chosen), 1)))
    size = min(8.0, 72 * row / 1.25)
    room = 0.42 * (width if len(models) == 1 else 0.6 * width)
    labels = [
        shorten(first.words[w], size, room - length(mark, size)) + mark
        for w, mark in zip(chosen, marks, strict=True)
    ]
    left = EDGE + max((length(label, size) for label in labels), default=0) + 0.06
    gap, right = 0.16, 0.2
    panel = (width - left - right - gap * (len(models) - 1)) / len(models)
    title_size, titles = fit(list(models), panel, (8, 7, SMALLEST))
    what_size, (what,) = fit([what], panel, (8, 7, SMALLEST))
    head = EDGE + max(height(title, title_size) for title in titles)
    tall = row * max(len(chosen), 3)
    part = f"; {len(chosen)} of {len(weights)} words" if len(chosen) < len(weights) else ""
    foot = [wrap(f"dotted line: uniform, {number(uniform)}{part}", SMALLEST, width - 2 * EDGE)]
    foot += captions(first, kinds, width - 2 * EDGE)
    under = 0.2 + height(what, what_size) + GAP
    total = head + tall + under + sum(height(text, SMALLEST) for text in foot) + EDGE
    with plt.rc_context(STYLE):
        sheet = Sheet(width, total)
        end = max(
            1.05 * max(float(found.max(initial=0)) for found in values.values()), 1.05 * uniform
        )
        for i, (title, shown) in enumerate(zip(titles, values.values(), strict=True)):
            axis = sheet.place(left + i * (panel + gap), head, panel, tall)
            ticks = np.arange(len(chosen))
            colors = [word_color(kind) for kind in kinds]
            axis.barh(ticks, shown[list(chosen)], color=colors, height=0.72)
            axis.axvline(uniform, color="0.35", lw=0.8, ls=":")
            axis.set_yticks(ticks, labels if i == 0 else [""] * len(labels), fontsize=size)
            axis.set(xlim=(0, end), ylim=(max(len(chosen), 3) - 0.5, -0.5))
            axis.set_title(title, fontsize=title_size, pad=2)
            axis.set_xlabel(what, fontsize=what_size, labelpad=2)
            marked = np.array(MaxNLocator(4 if panel > 1.4 else 2).tick_values(0, end))
            axis.set_xticks(
                marked[marked <= end], [number(value) for value in marked[marked <= end]]
            )
            axis.tick_params(axis="y", length=0, pad=2)
            axis.tick_params(axis="x", length=2, pad=1.5, labelsize=SMALLEST)
            axis.spines[["top", "right"]].set_visible(False)
        sheet.caption(foot, head + tall + under)
    return sheet.figure
