"""Figures for print of words among themselves: what each draws on, and how much it counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from reclf.explain import Explanation

from . import reading
from .figure import COLUMN, PAGE, STYLE, by_model
from .palette import RELATION, WORD_TYPES, word_color, word_letter

BESIDE = 5.0  # inches of a figure from which its two parts stand side by side


def plot_relations(
    explanation: Explanation,
    *,
    step: int = -1,
    edges: int = 20,
    threshold: float = 0.0,
    width: float = PAGE,
) -> Figure:
    """What each word draws from which: the whole matrix, and the strongest edges as arcs.

    Arcs on the right of the words lead to a word further down, on the left to one further up; the
    arrow points from the drawing word to the word drawn on. The arcs stand beside the matrix, in a
    narrow figure below it.

    Args:
        explanation: of a model that relates words.
        step: of semantic relation modelling, see `Explanation.relations`; by default what
            reaches the score last. Above it stands what is to be known of it.
        edges: at most so many arcs.
        threshold: in [0, 1]; leaves out edges below this share of the strongest.
        width: inches.

    Raises:
        ValueError: the model has no relation graph, or no such step.
    """
    graph = explanation.relations(step)
    if graph is None:
        raise ValueError(f"{explanation.study_id}: this model relates no words; it has no graph")
    names = ["whole pair", *explanation.words]
    strongest = reading.strongest_edges(graph, edges, threshold)
    with plt.rc_context(STYLE):
        shape: dict[str, Any]
        if width >= BESIDE:
            shape, height = {"ncols": 2, "width_ratios": (1.4, 1)}, 0.62 * width
        else:
            shape, height = {"nrows": 2, "height_ratios": (1.15, 1)}, 1.95 * width
        figure, (left, right) = plt.subplots(**shape, figsize=(width, height), layout="constrained")
        between = graph.copy()
        np.fill_diagonal(between, 0)
        top = float(between.max(initial=1e-12))
        image = left.imshow(graph, cmap="Blues", vmin=0, vmax=top, interpolation="none")
        size = float(np.clip(230 / len(names), 3, 7))
        if len(names) <= 75:
            ticks = np.arange(len(names))
            left.set_xticks(ticks, names, rotation=90, fontsize=size)
            left.set_yticks(ticks, names, fontsize=size)
            _color_labels(left.get_xticklabels()[1:], explanation)
            _color_labels(left.get_yticklabels()[1:], explanation)
        left.tick_params(length=0, pad=1)
        left.set(xlabel="drawn on", ylabel="draws")
        left.set_title(explanation.caveat(step), fontsize=6, loc="left")
        bar = figure.colorbar(image, ax=left, fraction=0.04, pad=0.01, extend="max")
        bar.ax.tick_params(labelsize=6, length=2)
        right.set_title(f"{len(strongest)} strongest relations, up to {_top(strongest):.3f}")
        _say_types(figure, explanation)
        for _ in range(2):  # names that stand upright have their size after the first
            figure.draw_without_rendering()
        figure.set_layout_engine("none")
        if width < BESIDE:  # below the matrix there is more room than its names leave to it
            place = right.get_position()
            right.set_position([0, place.y0, 1, place.height])
        _plot_arcs(right, explanation, names, strongest)
    return figure


def _top(edges) -> float:
    return max((weight for *_, weight in edges), default=1.0)


def _plot_arcs(axis, explanation: Explanation, names: list[str], edges) -> None:
    nodes = sorted({node for edge in edges for node in edge[:2]})
    place = {node: len(nodes) - 1 - i for i, node in enumerate(nodes)}
    top = _top(edges)
    size = float(np.clip(200 / max(len(nodes), 1), 5, 7.5))
    # Across, the axis goes from -1 to 1; a letter is about 0.6 of its size wide.
    box = axis.get_window_extent()
    inch = 2 * axis.figure.dpi / box.width
    row = box.height / axis.figure.dpi / max(len(nodes), 1)  # inches between two words
    half = 0.3 * size / 72 * max((len(names[node]) for node in nodes), default=0) * inch
    reach = half + (0.04 + 0.9 * size / 72) * inch  # arcs start beside the letter of the type
    room = (1 - reach) / inch
    for node in nodes:
        kind = explanation.word_types[node - 1] if explanation.word_types and node else None
        letter = word_letter(kind)
        axis.text(0, place[node], names[node], ha="center", va="center", fontsize=size)
        axis.text(
            half + 0.03 * inch,
            place[node],
            letter,
            color=word_color(kind),
            fontsize=size,
            va="center",
            weight="bold",
        )
    for i, j, weight in edges:
        down = place[j] < place[i]
        side = reach if down else -reach
        bow = min(0.55, 2 * room / (row * abs(place[j] - place[i]) or 1))
        axis.add_patch(
            FancyArrowPatch(
                (side, place[i]),
                (side, place[j]),
                connectionstyle=f"arc3,rad={-bow}",
                arrowstyle="-|>",
                mutation_scale=5,
                lw=0.4 + 1.6 * weight / top,
                color=RELATION,
                alpha=0.3 + 0.65 * weight / top,
                shrinkA=1,
                shrinkB=1,
            )
        )
    axis.set(xlim=(-1, 1), ylim=(-0.8, max(len(nodes), 1) - 0.2))
    axis.axis("off")


def _color_labels(labels, explanation: Explanation) -> None:
    if explanation.word_types:
        for label, kind in zip(labels, explanation.word_types, strict=True):
            if kind != "filler":
                label.set_color(word_color(kind))


def _say_types(figure: Figure, explanation: Explanation) -> None:
    """Below a figure: what the letters mean, and who guessed them where no annotation knows."""
    known = [kind for kind in WORD_TYPES if kind in (explanation.word_types or ())]
    said = ", ".join(f"{word_letter(kind)} {kind}" for kind in known if word_letter(kind))
    if said and explanation.types_guessed:
        said += f";\nguessed by {explanation.provenance['word_types']}"
    if said:
        figure.supxlabel(said, fontsize=6)


def plot_importance(
    explanation: Explanation | Mapping[str, Explanation],
    words: Sequence[int | str] | None = None,
    *,
    top: int = 15,
    width: float = COLUMN,
) -> Figure:
    """How much each word counts in the score: bars of the weights, strongest first.

    Args:
        explanation: one, or model name -> explanation of the same pair (a panel each).
        words: indices or texts to show; by default the `top` strongest of the first model.
        top: how many.
        width: inches of one panel.

    Raises:
        ValueError: a model without importance weights.
    """
    models = by_model(explanation)
    for name, one in models.items():
        if one.importance is None:
            raise ValueError(
                f"{name or one.study_id}: this model weighs no words; it has no importance"
            )
    first = next(iter(models.values()))
    weights = first.importance
    assert weights is not None
    chosen = reading.find_words(first, words) if words is not None else np.argsort(-weights)[:top]
    uniform = 1 / max(len(first.words), 1)
    kinds = [first.word_types[w] if first.word_types else None for w in chosen]
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
        _say_types(figure, first)
    return figure
