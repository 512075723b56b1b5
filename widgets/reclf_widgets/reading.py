"""Quantities derived from an Explanation: attention maps, word positions, mask overlap, edges.

    Explanation -> the numbers that figures and widgets both show

Shape letters: W = words, h, w = region grid, K = SRM steps, H, W_px = image size. Word index -1
(PAIR) is the image-report pair: global node 0 of the relation graph; its attention map is the mean
over words. `center` is the receptive-field center of a region (`Explanation.center`).
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from reclf.data.region_grid import MIDDLE, heat_in_pixels
from reclf.explain import Explanation
from reclf.stats.maps import contrast_to_noise

from .as_given import absent
from .rules import RULES

PAIR = -1
ORDERS = ("text", "type")  # of the nodes in the matrix of relations
SALIENT = 4  # words that a figure shows of itself
Selection = int | tuple[int, ...]  # a word, PAIR, or the words of a phrase, ascending
GLOBAL_NODE = "global node"


def region_map(explanation: Explanation, word: Selection) -> np.ndarray:
    """Attention map of a word or phrase, (h, w), sums to 1.

    For a phrase it is the mean over its words, as in `tasks.grounding`; for PAIR the mean over all,
    weighted by importance if the model has it.
    """
    if isinstance(word, tuple):
        return explanation.attention[list(word)].mean(0, dtype=np.float64).astype(np.float32)
    if word != PAIR:
        return explanation.attention[word]
    if not explanation.words:
        return np.zeros(explanation.attention.shape[1:], dtype=np.float32)
    weights = explanation.importance
    if weights is None:
        weights = np.ones(len(explanation.words))
        weights[absent(explanation)] = 0
    shares = weights.astype(np.float64) / (weights.sum(dtype=np.float64) or 1)
    return np.tensordot(shares, explanation.attention, 1).astype(np.float32)


def without_gaps(explanation: Explanation) -> tuple[Explanation, str]:
    """The explanation with 0 for what is not finite, so that all else can be drawn, and a sentence
    that says what that was; empty where there is nothing."""
    arrays = {
        name: value
        for name in ("image", "attention", "graph", "importance")
        if (value := getattr(explanation, name)) is not None and not np.isfinite(value).all()
    }
    if not arrays:
        return explanation, ""
    counts = ", ".join(
        f"{name} {np.sum(~np.isfinite(value))} of {value.size}" for name, value in arrays.items()
    )
    filled = {name: np.nan_to_num(value, posinf=0, neginf=0) for name, value in arrays.items()}
    return replace(explanation, **filled), f"Not finite, drawn as 0: {counts} values."


def word_name(explanation: Explanation, word: Selection) -> str:
    """The word in quotes, or "image-report pair"."""
    if isinstance(word, tuple):
        return f"“{' '.join(explanation.words[w] for w in word)}”"
    return "image-report pair" if word == PAIR else f"“{explanation.words[word]}”"


def node_names(explanation: Explanation) -> list[str]:
    """Names of the 1 + W nodes of the relation graph."""
    return [GLOBAL_NODE, *explanation.words]


def word_type(explanation: Explanation, word: int) -> str | None:
    """Type of a word; None for the image-report pair and if types are unknown."""
    return explanation.word_types[word] if explanation.word_types and word != PAIR else None


def find_selections(
    explanation: Explanation, words: Sequence[int | str | tuple[int | str, ...]] | None
) -> list[Selection]:
    """Words as `find_words`, with a tuple for the words of a phrase; None selects `salient_words`.

    Raises:
        ValueError: see `find_words`; or a phrase is empty or has the image-report pair in it.
    """
    if words is None:
        return [*salient_words(explanation, SALIENT)]
    found: list[Selection] = []
    for word in words:
        phrase = word if isinstance(word, tuple) else (word,)
        chosen = sorted({*find_words(explanation, phrase)})
        if not chosen or (len(chosen) > 1 and PAIR in chosen):
            raise ValueError(f"a phrase is one or more words of the report, got {phrase}")
        found.append(tuple(chosen) if len(chosen) > 1 else chosen[0])
    return found


def find_words(explanation: Explanation, words: Sequence[int | str]) -> list[int]:
    """Word indices from indices and texts.

    Raises:
        ValueError: the report does not contain a word; lists the words it contains.
    """
    found = []
    for word in words:
        if isinstance(word, str):
            if word.lower() not in explanation.words:
                known = ", ".join(dict.fromkeys(explanation.words))
                raise ValueError(f"{word!r} is not a word of this report; it has: {known}")
            found.append(explanation.words.index(word.lower()))
        elif PAIR <= word < len(explanation.words):
            found.append(int(word))
        else:
            raise ValueError(
                f"word {word} is outside the {len(explanation.words)} words of this report "
                "(-1 is the image-report pair)"
            )
    return found


def salient_words(explanation: Explanation, limit: int) -> list[int]:
    """Up to `limit` words in reading order: one word of each annotated finding, then by weight.

    The weight is the importance; for a model without it, the maximum of the attention map. Short
    words ("of", "the") come last, even inside the name of a finding, and so do fillers. Word types
    assigned by a lexicon are ignored, because no lexicon lists all relevant words.
    """
    count = len(explanation.words)
    weight = _weight(explanation)
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


def ranked_words(explanation: Explanation) -> list[int]:
    """Words of four letters or more by weight, highest first.

    The weight is the importance; for a model without it, the maximum of the attention map.
    """
    weight = _weight(explanation)
    order = np.argsort(-weight, kind="stable")
    return [int(i) for i in order if len(explanation.words[i]) > 3]


def words_together(explanation: Explanation, word: int) -> list[int]:
    """The words that "words x models" shows, in reading order: the first of `ranked_words`, among
    them the selected word."""
    best = ranked_words(explanation)[: RULES["multiples"]]
    if word != PAIR and word not in best:
        best = [word, *best[: RULES["multiples"] - 1]]
    return sorted(best)


def word_values(explanation: Explanation, region: int) -> np.ndarray | None:
    """One value for each word, (W,): attention to a region, or if that is -1 importance, None for
    a model without."""
    if region < 0:
        return explanation.importance
    return _by_region(explanation)[:, region]


def _weight(explanation: Explanation) -> np.ndarray:
    if explanation.importance is not None:
        return explanation.importance
    return _by_region(explanation).max(1, initial=0)


def _by_region(explanation: Explanation) -> np.ndarray:
    """Attention, (W, R)."""
    words, rows, columns = explanation.attention.shape
    return explanation.attention.reshape(words, rows * columns)


def report_pieces(report: str, words: Sequence[str]) -> tuple[list[tuple[str, str]], str]:
    """Split a report at its words: (text before a word, the word as written), and the rest.

    The model reads lower-case words and may truncate the report; the rest is the text after the
    last word that it reads. If a word is not found in the report, all words are joined by spaces.
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
    """Share of a map (h, w), upsampled to pixels, that lies inside a mask (H, W_px)."""
    pixels = heat_in_pixels(cells, mask.shape, center)
    total = float(pixels.sum())
    return float(pixels[mask].sum() / total) if total else float("nan")


def pointing_hit(cells: np.ndarray, mask: np.ndarray, center: float = MIDDLE) -> bool:
    """Pointing game: whether the center of the region with the maximum lies inside the mask."""
    return bool(mask_at_centers(mask, cells.shape, center).flat[int(cells.argmax())])


def contrast(cells: np.ndarray, mask: np.ndarray, center: float = MIDDLE) -> float:
    """Contrast-to-noise ratio of a map (h, w) and a mask (H, W_px) with its sign, see
    `contrast_to_noise`; a pixel has the value of its region."""
    return contrast_to_noise(heat_in_pixels(cells, mask.shape, center), mask, signed=True)


def mask_at_centers(mask: np.ndarray, grid: tuple[int, int], center: float = MIDDLE) -> np.ndarray:
    """The mask at the center pixel of each region, bool (h, w)."""
    rows, columns = (
        np.clip((np.arange(n) + center) * size / n, 0, size - 1).astype(int)
        for n, size in zip(grid, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)]


def place(explanation: Explanation, region: int) -> str:
    """ "row 2 column 3": where a region lies, which is counted row by row."""
    columns = explanation.attention.shape[2]
    return f"row {region // columns + 1} column {region % columns + 1}"


def region_block(explanation: Explanation, region: int) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a region's block, as fractions of width and height."""
    rows, columns = explanation.attention.shape[1:]
    shift = explanation.center - 0.5

    def along(place: int, count: int) -> tuple[float, float]:
        first = (place + shift) / count if place else 0.0
        last = (place + 1 + shift) / count if place + 1 < count else 1.0
        return first, last

    return (*along(region % columns, columns), *along(region // columns, rows))


def mask_of_word(explanation: Explanation, word: Selection) -> str | None:
    """Name of the mask of the finding of a word, or of the first word of a phrase that has one:
    finding instance n has the n-th mask."""
    if isinstance(word, tuple):
        return next(filter(None, (mask_of_word(explanation, w) for w in word)), None)
    if word == PAIR or explanation.word_findings is None:
        return None
    finding, names = explanation.word_findings[word], list(explanation.masks)
    return names[finding] if 0 <= finding < len(names) else None


def outlines(mask: np.ndarray) -> list[list[float]]:
    """Contours of a mask as flat lists x0, y0, x1, y1, ... as fractions of width and height."""
    height, width = mask.shape
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    lines = []
    for contour in found:
        points = cv2.approxPolyDP(contour, 0.0015 * max(mask.shape), closed=True)[:, 0]
        shares = (points + 0.5) / (width, height)
        lines.append([round(float(v), 4) for v in shares.ravel()])
    return lines


def edges(explanation: Explanation, step: int = -1, beyond_prior: bool = False) -> np.ndarray:
    """The edge weights (1 + W, 1 + W), or with `beyond_prior` what they are above or below those
    that the distance of the words alone would give.

    Raises:
        ValueError: the model has no relation graph, or not this step, or its prior is not known.
    """
    graph, prior = explanation.relations(step), explanation.prior(step)
    if graph is None:
        raise ValueError(f"{explanation.study_id}: this model has no relation graph")
    if not beyond_prior:
        return graph
    if prior is None:
        raise ValueError(
            f"{explanation.study_id}: the distance prior of this model is not known; explain the "
            "study again with the model, or leave beyond_prior out"
        )
    return graph - prior


def nodes(explanation: Explanation, order: str = "text", fillers: bool = True) -> list[int]:
    """Nodes in the order of the matrix, the global node first.

    Args:
        order: "text", or "type": findings, locations, ... as in the legend.
        fillers: False leaves words without a type out.

    Raises:
        ValueError: there is no such order.
    """
    if order not in ORDERS:
        raise ValueError(f"order must be one of {', '.join(ORDERS)}, got {order!r}")
    kinds = list(RULES["word_types"])
    types = [word_type(explanation, w) for w in range(len(explanation.words))]
    found = [kinds.index(kind if kind in kinds else "filler") for kind in types]
    kept = [w for w, kind in enumerate(found) if fillers or kinds[kind] != "filler"]
    if order == "type":
        kept.sort(key=found.__getitem__)
    return [0, *(w + 1 for w in kept)]


def strongest_edges(
    graph: np.ndarray, count: int, threshold: float = 0.0
) -> list[tuple[int, int, float]]:
    """The strongest edges between different nodes: (attending node, attended node, edge weight).

    Args:
        graph: (1 + W, 1 + W), `graph[i, j]` is the weight with which node i attends to node j.
        count: maximum number of edges.
        threshold: minimum edge weight, as a fraction in [0, 1] of the maximum edge weight.
    """
    between = graph.copy()
    np.fill_diagonal(between, -1)
    order = np.argsort(-between, axis=None, kind="stable")[:count]
    lowest = threshold * between.max() if between.size else 0
    edges = [(int(i // len(graph)), int(i % len(graph)), float(between.flat[i])) for i in order]
    return [edge for edge in edges if edge[2] > 0 and edge[2] >= lowest]
