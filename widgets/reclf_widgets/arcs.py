"""The strongest edges of a relation graph as arcs beside a column of words, for print."""

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from reclf.explain import Explanation

from . import reading
from .lettering import SMALLEST, length, shorten
from .palette import RELATION, text_color, word_letter

LETTER = 0.85  # font size of a word, as a fraction of the height of its row
ROW = SMALLEST / 72 / LETTER  # height of the lowest row
ARCS = 0.3  # share of half the width that is for arcs, on each side

Edge = tuple[int, int, float]


def that_fit(edges: list[Edge], rows: int) -> list[Edge]:
    """The strongest edges whose nodes need at most this number of rows."""
    nodes: set[int] = set()
    for k, (i, j, _) in enumerate(edges):
        nodes |= {i, j}
        if len(nodes) > max(rows, 2):
            return edges[:k]
    return edges


def plot_arcs(
    axis: Axes,
    explanation: Explanation,
    names: list[str],
    edges: list[Edge],
    size: tuple[float, float],
) -> None:
    """Words in a column, with the letters of their types, and edges as arcs.

    Args:
        axis: from -1 to 1 across, with a row of 1 for each node of an edge.
        names: of all nodes.
        edges: strongest first; their nodes fit, see `that_fit`.
        size: width and height of the axis in inches.
    """
    across, height = size
    nodes = sorted({node for edge in edges for node in edge[:2]})
    place = {node: len(nodes) - 1 - i for i, node in enumerate(nodes)}
    highest = max((weight for *_, weight in edges), default=0.0)
    inch = 2 / across
    row = height / (len(nodes) + 0.6)
    room = (1 - ARCS) * across  # of a word and the letters of types on both of its sides
    letter = 0.9 / 72  # inches for the letter of a type, in font sizes
    longest = max((names[node] for node in nodes), key=lambda name: length(name, 7), default="")
    points = min(7.5, 72 * LETTER * row)
    needed = length(longest, points) + 2 * (letter * points + 0.07)
    points = max(SMALLEST, min(points, points * room / needed))
    widest = room - 2 * (letter * points + 0.07)
    shown = {node: shorten(names[node], points, widest) for node in nodes}
    half = max((length(name, points) for name in shown.values()), default=0) / 2 * inch
    reach = half + (0.05 + letter * points) * inch
    for node in nodes:
        kind = reading.word_type(explanation, node - 1)
        axis.text(0, place[node], shown[node], ha="center", va="center", fontsize=points)
        axis.text(
            half + 0.04 * inch,
            place[node],
            word_letter(kind),
            color=text_color(kind),
            fontsize=points,
            va="center",
            weight="bold",
        )
    for i, j, weight in edges:
        side = reach if place[j] < place[i] else -reach
        long = row * abs(place[j] - place[i])  # inches; the arc deviates by half of its bow
        bow = min(0.55, 1.94 * (1 - reach) / inch / (long or 1))
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
    axis.axis("off")
