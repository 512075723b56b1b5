"""Print figures of words: the relation graph, and importance weights."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from reclf.explain import Explanation

from . import reading
from .figure import COLUMN, PAGE, STYLE, by_model
from .palette import RELATION, WORD_TYPES, word_color, word_letter

BESIDE = 5.0  # inches: figures at least this wide have matrix and arcs side by side
LETTER = 0.85  # font size of a label, as a fraction of the height of its row
SMALLEST = 2.5  # points: smaller labels are omitted


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
    names the lexicon if the types are not annotated.

    Args:
        explanation: of a model with semantic relation modeling (SRM).
        step: SRM step, see `Explanation.relations`; by default the last edges that the score uses.
            `Explanation.caveat` is the title of the matrix.
        edges: maximum number of arcs.
        threshold: minimum edge weight, as a fraction in [0, 1] of the maximum edge weight.
        width: inches; from five inches the arcs are to the right of the matrix, otherwise below it.

    Raises:
        ValueError: the model has no relation graph, or not this step.
    """
    graph = explanation.relations(step)
    if graph is None:
        raise ValueError(f"{explanation.study_id}: this model has no relation graph")
    names = reading.node_names(explanation)
    strongest = reading.strongest_edges(graph, edges, threshold)
    arrangement: dict[str, Any]
    if width >= BESIDE:
        arrangement, height = {"ncols": 2, "width_ratios": (1.4, 1)}, 0.62 * width
    else:
        arrangement, height = {"nrows": 2, "height_ratios": (1.15, 1)}, 1.95 * width
    with plt.rc_context(STYLE):
        figure, (matrix, arcs) = plt.subplots(
            **arrangement, figsize=(width, height), layout="constrained"
        )
        between = graph.copy()
        np.fill_diagonal(between, 0)
        top = float(between.max(initial=1e-12))
        image = matrix.imshow(graph, cmap="Blues", vmin=0, vmax=top, interpolation="none")
        bar = figure.colorbar(image, ax=matrix, fraction=0.04, pad=0.01, extend="max")
        bar.ax.tick_params(labelsize=6, length=2)
        matrix.tick_params(length=0, pad=1)
        matrix.set(xlabel="attended node (key)", ylabel="attending node (query)")
        matrix.set_title(explanation.caveat(step), fontsize=6, loc="left")
        arcs.axis("off")
        maximum = f", weight ≤ {strongest[0][2]:.3f}" if strongest else ""
        arcs.set_title(f"{len(strongest)} strongest edges{maximum}", fontsize=7)
        _caption_types(figure, explanation, explanation.word_types or [])
        _label_nodes(figure, matrix, explanation, names)
        figure.set_layout_engine("none")
        if width < BESIDE:  # below the matrix the arcs can use the space of its labels
            place = arcs.get_position()
            arcs.set_position([0, place.y0, 1, place.height])
        _plot_arcs(arcs, explanation, names, strongest)
    return figure


def _label_nodes(figure: Figure, matrix: Axes, explanation: Explanation, names: list[str]) -> None:
    """Compute the layout and label rows and columns: font size fits the cells; no labels if they
    would be illegible."""
    ticks = np.arange(len(names))
    matrix.set_xticks(ticks, names, rotation=90, fontsize=7)
    matrix.set_yticks(ticks, names, fontsize=7)
    _color_labels(matrix.get_xticklabels()[1:], explanation)
    _color_labels(matrix.get_yticklabels()[1:], explanation)
    dpi = figure.get_dpi()
    figure.set_dpi(STYLE["savefig.dpi"])  # text width depends on the resolution
    figure.draw_without_rendering()
    size = min(7.0, LETTER * 72 * _inches(matrix)[1] / len(names))
    if size >= SMALLEST:
        matrix.tick_params(labelsize=size)
    else:
        matrix.set(xticks=[], yticks=[])
    for _ in range(2):  # the caption has its final position after the first pass
        figure.draw_without_rendering()
    figure.set_dpi(dpi)


def _inches(axis: Axes) -> tuple[float, float]:
    figure, box = axis.get_figure(root=True), axis.get_window_extent()
    assert figure is not None
    return box.width / figure.dpi, box.height / figure.dpi


def _plot_arcs(
    axis: Axes, explanation: Explanation, names: list[str], edges: list[tuple[int, int, float]]
) -> None:
    """Words in a column and edges as arcs, scaled to the axis."""
    nodes = sorted({node for edge in edges for node in edge[:2]})
    place = {node: len(nodes) - 1 - i for i, node in enumerate(nodes)}
    highest = max((weight for *_, weight in edges), default=0.0)
    # The axis spans -1 to 1, of which 0.3 on each side is for arcs. A letter is about 0.6 of its
    # font size wide. Words are centered, with the letter of their type on the right.
    across, height = _inches(axis)
    inch = 2 / across
    row = height / (len(nodes) + 0.6)
    letters = max((len(names[node]) for node in nodes), default=0)
    size = min(7.5, 72 * LETTER * row, 72 * (0.7 / inch - 0.04) / (0.3 * letters + 0.9))
    half = 0.3 * size / 72 * letters * inch
    reach = half + (0.04 + 0.9 * size / 72) * inch
    for node in nodes:
        kind = reading.word_type(explanation, node - 1)
        axis.text(0, place[node], names[node], ha="center", va="center", fontsize=size)
        axis.text(
            half + 0.03 * inch,
            place[node],
            word_letter(kind),
            color=word_color(kind),
            fontsize=size,
            va="center",
            weight="bold",
        )
    for i, j, weight in edges:
        side = reach if place[j] < place[i] else -reach
        length = row * abs(place[j] - place[i])  # inches; the arc deviates by half of its bow
        bow = min(0.55, 2 * (1 - reach) / inch / (length or 1))
        axis.add_patch(
            FancyArrowPatch(
                (side, place[i]),
                (side, place[j]),
                connectionstyle=f"arc3,rad={-bow}",
                arrowstyle="-|>",
                mutation_scale=5,
                lw=0.4 + 1.6 * weight / highest,
                color=RELATION,
                alpha=0.3 + 0.65 * weight / highest,
                shrinkA=1,
                shrinkB=1,
            )
        )
    axis.set(xlim=(-1, 1), ylim=(-0.8, max(len(nodes), 1) - 0.2))


def _color_labels(labels, explanation: Explanation) -> None:
    if explanation.word_types:
        for label, kind in zip(labels, explanation.word_types, strict=True):
            if kind != "filler":
                label.set_color(word_color(kind))


def _caption_types(figure: Figure, explanation: Explanation, kinds: Collection[str | None]) -> None:
    """Caption: the letters of these word types, and the lexicon if types are not annotated."""
    said = ", ".join(
        f"{word_letter(kind)} {kind}" for kind in WORD_TYPES if kind in kinds and word_letter(kind)
    )
    if said and explanation.types_guessed:
        said += f";\nassigned by {explanation.provenance['word_types']}, not annotated"
    if said:
        figure.supxlabel(said, fontsize=6)


def plot_importance(
    explanation: Explanation | Mapping[str, Explanation],
    words: Sequence[int | str] | None = None,
    *,
    top: int = 15,
    width: float = COLUMN,
) -> Figure:
    """Importance weights of words as bars, highest first. The caption explains the letters of word
    types, and names the lexicon if the types are not annotated.

    Args:
        explanation: one, or model name -> explanation of the same pair (one panel per model).
        words: indices or texts; by default the `top` words of highest weight in the first model.
        top: number of words.
        width: inches of one panel.

    Raises:
        ValueError: a model without importance weights.
    """
    models = by_model(explanation)
    for name, one in models.items():
        if one.importance is None:
            raise ValueError(f"{name or one.study_id}: this model has no importance weights")
    first = next(iter(models.values()))
    weights = first.importance
    assert weights is not None
    chosen = reading.find_words(first, words) if words is not None else np.argsort(-weights)[:top]
    uniform = 1 / max(len(first.words), 1)
    kinds = [reading.word_type(first, w) for w in chosen]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1,
            len(models),
            figsize=(width * len(models), 0.6 + 0.17 * max(len(chosen), 3)),
            squeeze=False,
            sharex=True,
            layout="constrained",
        )
        for axis, (name, one) in zip(axes[0], models.items(), strict=True):
            assert one.importance is not None
            values = one.importance[list(chosen)]
            ticks = np.arange(len(values))
            axis.barh(ticks, values, color=[word_color(kind) for kind in kinds], height=0.72)
            axis.axvline(uniform, color="0.35", lw=0.8, ls=":", label="uniform")
            labels = [
                first.words[w] + (f" ({word_letter(k)})" if word_letter(k) else "")
                for w, k in zip(chosen, kinds, strict=True)
            ]
            axis.set_yticks(ticks, labels)
            axis.set(xlabel="importance weight", title=name)
            axis.tick_params(axis="y", length=0)
            axis.invert_yaxis()
            axis.spines[["top", "right"]].set_visible(False)
            axis.legend(frameon=False, fontsize=7, loc="lower right")
        _caption_types(figure, first, kinds)
    return figure
