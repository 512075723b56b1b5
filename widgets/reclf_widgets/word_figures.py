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
from .arcs import plot_arcs, that_fit
from .figure import COLUMN, PAGE, STYLE, by_model
from .layout import TALLEST
from .lettering import LINE, SMALLEST, fit, height, length, shorten, spread, wrap
from .palette import WORD_TYPES, text_color, word_color, word_letter
from .scales import number

BESIDE = 5.0  # figures at least this wide have matrix and arcs side by side
EDGE, GAP = 0.06, 0.08
NAME_ROW = 1.1 * SMALLEST / 72  # of a name of a node
LEADER = 0.14  # from a row to its name, where names are spread
BAR, BAR_NUMBERS = 0.08, 0.42
HIGHEST = 3.8  # of the matrix, and of the arcs below it


class Sheet:
    """The whole figure as one axis in inches, from its top left, for text and lines."""

    def __init__(self, width: float, height: float):
        self.figure = plt.figure(figsize=(width, height))
        self.width, self.height = width, height
        self._axis: Axes | None = None

    def place(self, x: float, y: float, across: float, down: float) -> Axes:
        """An axis with this top left, width and height."""
        box = x / self.width, 1 - (y + down) / self.height, across / self.width, down / self.height
        return self.figure.add_axes(box)

    @property
    def axis(self) -> Axes:
        """The axis in inches; it is behind all others and has no frame."""
        if self._axis is None:
            self._axis = self.figure.add_axes((0, 0, 1, 1), zorder=-1)
            self._axis.set(xlim=(0, self.width), ylim=(self.height, 0))
            self._axis.axis("off")
        return self._axis

    def text(self, x: float, y: float, text: str, size: float = SMALLEST, **options) -> None:
        """Text at a place; by default its top left."""
        options = {"ha": "left", "va": "top", **options}
        self.axis.text(x, y, text, fontsize=size, rotation_mode="anchor", **options)


def plot_relations(
    explanation: Explanation,
    *,
    step: int = -1,
    edges: int = 20,
    threshold: float = 0.0,
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
        width: inches; from five inches the arcs are to the right of the matrix, otherwise below it.

    Raises:
        ValueError: the model has no relation graph, or not this step.
    """
    graph = explanation.relations(step)
    if graph is None:
        raise ValueError(f"{explanation.study_id}: this model has no relation graph")
    names = reading.node_names(explanation)
    nodes, beside = len(names), width >= BESIDE
    block = (0.58 if beside else 1.0) * width - EDGE
    longest = max(length(name, SMALLEST) for name in names)
    label = min(longest, 0.3 * block) + 0.02
    side = block - label - LEADER - BAR - BAR_NUMBERS - GAP - LINE * SMALLEST / 72
    tall = float(np.clip(nodes * NAME_ROW, side, max(side, HIGHEST)))
    named = _named(graph, int(tall / NAME_ROW)), _named(graph, int(side / NAME_ROW))
    notes = [explanation.caveat(step)]
    if len(named[0]) < nodes or len(named[1]) < nodes:
        least = min(map(len, named))
        notes.append(f"names of rows and columns: up to {least} of {nodes}, of the strongest edges")
    note = wrap("\n".join(filter(None, notes)), SMALLEST, block - EDGE, most=6)
    top = EDGE + height(note, SMALLEST) + 0.03
    below = label + LEADER + LINE * SMALLEST / 72
    foot = _captions(explanation, explanation.word_types or [], width)
    foot_height = sum(height(text, SMALLEST) for text in foot)

    wanted = reading.strongest_edges(graph, edges, threshold)
    free = TALLEST - top - tall - below - foot_height - 0.5  # below the matrix, less the title
    room = top + tall + below - EDGE - 0.4 if beside else min(HIGHEST, free)
    strongest = that_fit(wanted, int(room / ARC_ROW - 0.6))
    drawn = len({node for edge in strongest for node in edge[:2]})
    arcs_width = width - block - 2 * EDGE - GAP if beside else width - 2 * EDGE
    said = _arcs_title(strongest, len(wanted))
    size, (title,) = fit([said], arcs_width, (7, SMALLEST))
    title_height = height(title, size) + 0.03
    arcs_height = room if beside else min(room, (max(drawn, 1) + 0.6) * 1.2 * ARC_ROW)
    matrix_height = top + tall + below
    above = EDGE if beside else matrix_height + GAP
    total = max(matrix_height, above + title_height + arcs_height) + GAP + foot_height + EDGE
    with plt.rc_context(STYLE):
        sheet = Sheet(width, total)
        left = EDGE + LINE * SMALLEST / 72 + label + LEADER
        matrix = sheet.place(left, top, side, tall)
        axis = sheet.place(width - EDGE - arcs_width, above + title_height, arcs_width, arcs_height)
        _plot_matrix(sheet, matrix, graph, (left + side + GAP / 2, top, tall))
        sheet.text(EDGE, EDGE, note)
        _name_nodes(sheet, explanation, names, named, (left, top, side, tall), label)
        sheet.text(width - EDGE - arcs_width / 2, above, title, size, ha="center", linespacing=1.1)
        plot_arcs(axis, explanation, names, strongest, (arcs_width, arcs_height))
        at = total - EDGE - foot_height
        for text in foot:
            sheet.text(width / 2, at, text, ha="center")
            at += height(text, SMALLEST)
    return sheet.figure


def _named(graph: np.ndarray, room: int) -> list[int]:
    """Nodes whose names are shown, ascending: all, or those of the strongest edges."""
    count = len(graph)
    if count <= room:
        return list(range(count))
    found: dict[int, None] = {}
    for i, j, _ in reading.strongest_edges(graph, graph.size):
        for node in (i, j):
            if len(found) < room:
                found[node] = None
    return sorted(found)


def _plot_matrix(
    sheet: Sheet, axis: Axes, graph: np.ndarray, bar: tuple[float, float, float]
) -> None:
    """The edge weights as shades, with a color bar at (x, y) of this height."""
    between = graph.copy()
    np.fill_diagonal(between, 0)
    end = float(between.max(initial=0))
    image = axis.imshow(
        graph, cmap="Blues", vmin=0, vmax=end or 1, interpolation="none", aspect="auto"
    )
    axis.set(xticks=[], yticks=[])
    x, y, tall = bar
    drawn = sheet.figure.colorbar(image, cax=sheet.place(x, y, BAR, tall), extend="max")
    drawn.set_ticks([0, end / 2, end] if end else [0])
    drawn.set_ticklabels([number(value) for value in ([0, end / 2, end] if end else [0])])
    drawn.ax.tick_params(labelsize=SMALLEST, length=2, pad=1.5)
    drawn.outline.set_linewidth(0.4)  # type: ignore[operator]


def _name_nodes(sheet, explanation, names, named, box, label) -> None:
    """Names of rows and columns; where they are spread, lines lead to them from their cells."""
    left, top, side, tall = box
    count = len(names)
    for nodes, start, span, down in ((named[0], top, tall, False), (named[1], left, side, True)):
        size = float(np.clip(72 / 1.1 * span / count, SMALLEST, 7))
        cell, gap = span / count, 1.1 * size / 72
        centers = start + (np.array(nodes, dtype=float) + 0.5) * cell
        places = spread(centers, gap, start + gap / 2, start + span - gap / 2)
        edge = top + tall if down else left
        for node, center, place in zip(nodes, centers, places, strict=True):
            color = _name_color(explanation, node)
            text = shorten(names[node], size, label)
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


def _arcs_title(strongest: list[tuple[int, int, float]], wanted: int) -> str:
    maximum = f", weight ≤ {strongest[0][2]:.3f}" if strongest else ""
    count = f"{len(strongest)} strongest edges{maximum}"
    return count if len(strongest) == wanted else f"{count}\n(the words of more do not fit)"


def _captions(explanation: Explanation, kinds: Collection[str | None], width: float) -> list[str]:
    """The letters of these word types, and the lexicon if the types are not annotated."""
    said = ", ".join(
        f"{word_letter(kind)} {kind}" for kind in WORD_TYPES if kind in kinds and word_letter(kind)
    )
    if said and explanation.types_guessed:
        said += f";\nassigned by {explanation.provenance['word_types']}, not annotated"
    return [wrap(said, SMALLEST, width - 2 * EDGE, most=6)] if said else []


def plot_importance(
    explanation: Explanation | Mapping[str, Explanation],
    words: Sequence[int | str] | None = None,
    *,
    top: int = 15,
    region: int = -1,
    width: float | None = None,
) -> Figure:
    """Importance weights of words as bars, highest first. The caption explains the letters of word
    types, and names the lexicon if the types are not annotated.

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
    foot = [wrap(f"dotted line: uniform, {number(uniform)}", SMALLEST, width - 2 * EDGE)]
    foot += _captions(first, kinds, width)
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
        at = head + tall + under
        for text in foot:
            sheet.text(width / 2, at, text, ha="center")
            at += height(text, SMALLEST)
    return sheet.figure
