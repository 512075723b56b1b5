"""What is read off an Explanation: maps, words in their report, masks on the region grid, edges.

    Explanation -> numbers that figures and widgets show, so that both show the same

Shape letters: W = words, h, w = region grid, K = SRM steps, H, W_px = image size. A word index of
-1 stands for the whole pair: node 0 of the relation graph, and the mean map of all words. `center`
is where in its block of pixels a region looks (`Explanation.center`).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from reclf.data.region_grid import MIDDLE, heat_in_pixels
from reclf.explain import Explanation

WHOLE = -1


def region_map(explanation: Explanation, word: int) -> np.ndarray:
    """Where a word looks, (h, w), sums to 1.

    For WHOLE it is the mean over words, weighted by importance where there is importance.
    """
    if word != WHOLE:
        return explanation.attention[word]
    if not explanation.words:
        return np.zeros(explanation.attention.shape[1:], dtype=np.float32)
    weights = explanation.importance
    return np.average(explanation.attention, axis=0, weights=weights).astype(np.float32)


def word_name(explanation: Explanation, word: int) -> str:
    """The word, or "whole pair"."""
    return "whole pair" if word == WHOLE else explanation.words[word]


def find_words(explanation: Explanation, words: Sequence[int | str] | None, limit: int = 4):
    """Word indices from indices and texts; None chooses those that say most.

    Raises:
        ValueError: a word that the report does not hold; names some that it holds.
    """
    if words is None:
        return telling_words(explanation, limit)
    found = []
    for word in words:
        if isinstance(word, str):
            if word.lower() not in explanation.words:
                held = ", ".join(dict.fromkeys(explanation.words))
                raise ValueError(f"{word!r} is not a word of this report; it has: {held}")
            found.append(explanation.words.index(word.lower()))
        elif WHOLE <= word < len(explanation.words):
            found.append(int(word))
        else:
            raise ValueError(
                f"word {word} is outside the {len(explanation.words)} words of this report "
                "(-1 is the whole pair)"
            )
    return found


def telling_words(explanation: Explanation, limit: int) -> list[int]:
    """Up to `limit` words in reading order: one for each known finding first, then by weight.

    Weight is importance; where there is none, the maximum of a word's map. Short words ("of",
    "the") come last, even when they belong to the name of a finding, and so do fillers where types
    are known; a lexicon's guess changes nothing, since it does not list everything that counts.
    """
    count = len(explanation.words)
    weight = explanation.importance
    if weight is None:
        weight = explanation.attention.reshape(count, -1).max(1, initial=0)
    known = None if explanation.types_guessed else explanation.word_types
    types = known or ["finding"] * count
    findings = explanation.word_findings or [-1] * count

    def order(i: int) -> tuple[bool, bool, float]:
        return len(explanation.words[i]) < 4, types[i] == "filler", -float(weight[i])

    ranked = sorted(range(count), key=order)
    first_of_finding: dict[int, int] = {}
    for i in ranked:
        if findings[i] >= 0 and types[i] == "finding":
            first_of_finding.setdefault(findings[i], i)
    chosen: dict[str, int] = {}
    for i in [*first_of_finding.values(), *ranked]:
        if len(chosen) < limit:
            chosen.setdefault(explanation.words[i], i)
    return sorted(chosen.values())


def report_pieces(report: str, words: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
    """Divide a report at its words: (text before a word, the word as written), and the rest.

    The model reads words in lower case and may have been cut short; what follows the last word it
    read is the rest. Words that are not found in the report stand with a space before them.
    """
    lowered = report.lower()
    if len(lowered) != len(report):  # some letters have longer lower-case forms
        lowered = report
    pieces, position = [], 0
    for i, word in enumerate(words):
        start = lowered.find(word, position)
        if start < 0:
            return [(" " * (j > 0), w) for j, w in enumerate(words)], ""
        pieces.append((report[position:start], report[start : start + len(word)]))
        position = start + len(word)
        if i + 1 == len(words):
            break
    return pieces, report[position:]


def mass_inside(cells: np.ndarray, mask: np.ndarray, center: float = MIDDLE) -> float:
    """Share of a map (h, w), laid on the pixels, that falls inside a mask (H, W_px)."""
    pixels = heat_in_pixels(cells, mask.shape, center)
    total = float(pixels.sum())
    return float(pixels[mask].sum() / total) if total else float("nan")


def points_inside(cells: np.ndarray, mask: np.ndarray, center: float = MIDDLE) -> bool:
    """Pointing game: the center of the strongest region lies inside the mask."""
    return bool(centers(mask, cells.shape, center).flat[int(cells.argmax())])


def centers(mask: np.ndarray, grid: tuple[int, int], center: float = MIDDLE) -> np.ndarray:
    """The mask at the pixel that each region is centered on, bool (h, w)."""
    rows, columns = (
        np.clip((np.arange(n) + center) * size / n, 0, size - 1).astype(int)
        for n, size in zip(grid, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def mask_of_word(explanation: Explanation, word: int) -> str | None:
    """Name of the mask that a word speaks of: finding instance n owns the n-th mask."""
    if word == WHOLE or explanation.word_findings is None:
        return None
    finding, names = explanation.word_findings[word], list(explanation.masks)
    return names[finding] if 0 <= finding < len(names) else None


def outlines(mask: np.ndarray) -> list[list[float]]:
    """Contours of a mask as flat lists x0, y0, x1, y1, ... in shares of width and height."""
    height, width = mask.shape
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = []
    for contour in found:
        points = cv2.approxPolyDP(contour, 0.0015 * max(mask.shape), closed=True)[:, 0]
        shares = (points + 0.5) / (width, height)
        lines.append([round(float(v), 4) for v in shares.ravel()])
    return lines


def strongest_edges(
    graph: np.ndarray, count: int, threshold: float = 0.0
) -> list[tuple[int, int, float]]:
    """The strongest edges between different nodes, (drawing node, drawn-on node, weight).

    Args:
        graph: (1 + W, 1 + W), `graph[i, j]` is how much node i draws from node j.
        count: at most so many.
        threshold: in [0, 1], a share of the strongest edge.
    """
    between = graph.copy()
    np.fill_diagonal(between, -1)
    order = np.argsort(-between, axis=None, kind="stable")[:count]
    lowest = threshold * between.max() if between.size else 0
    edges = [(int(i // len(graph)), int(i % len(graph)), float(between.flat[i])) for i in order]
    return [edge for edge in edges if edge[2] > 0 and edge[2] >= lowest]
