"""Linear classification: a logistic regression on frozen image features, with few labels.

    pooled features, labels --stratified 1/10/100 %--> regression per label or over exclusive
    classes; regularization strength chosen on validation --> test AUROC or accuracy

The encoder is in eval mode and its features are computed once: BatchNorm statistics that are
updated during a "frozen" probe are known to inflate the result.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from reclf.data.study import Study
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.classification import auroc, f1_per_class, macro_auroc, macro_auroc_interval

from .logistic import logistic_path
from .results import short_hash

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # scikit-learn's C

Labeled = tuple[np.ndarray, np.ndarray]  # features (n, C) and labels (n, names)


def label_matrix(studies: Sequence[Study], names: Sequence[str]) -> np.ndarray:
    """float (n, labels), NaN where a study says nothing of a label."""
    return np.array(
        [[study.labels.get(name, np.nan) for name in names] for study in studies], dtype=float
    )


def stratified_order(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """An order of studies of which every first part has about the label patterns of the whole.

    The studies of a pattern are shuffled and spread evenly over (0, 1) from a random start; all are
    then sorted by that place. A smaller fraction is so the first part of a larger one (nested), and
    of each pattern it holds its share, rounded up or down.

    Args:
        labels: float (n, names), NaN = no information (a value of its own in a pattern).
        seed: of the order.

    Returns:
        int (n,), a permutation.
    """
    _, pattern = np.unique(np.nan_to_num(labels, nan=-1.0), axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    generator = np.random.default_rng(seed)
    place = np.empty(len(labels))
    for value in range(pattern.max() + 1):
        members = generator.permutation(np.flatnonzero(pattern == value))
        place[members] = (np.arange(len(members)) + generator.random()) / len(members)
    return place.argsort(kind="stable")


def check_fractions(fractions: Sequence[float]) -> None:
    """Refuse label fractions that are no shares, or none at all."""
    wrong = [f for f in fractions if not (isinstance(f, int | float) and 0 < f <= 1)]
    if wrong:
        raise ValueError(f"a label fraction must be above 0 and at most 1, got {wrong[0]!r}")
    if not fractions:
        raise ValueError("fractions must not be empty: the last one is reported")


def first_part(order: np.ndarray, fraction: float) -> np.ndarray:
    """The studies of a label fraction: at least two, the first of `order`."""
    check_fractions([fraction])
    return order[: max(2, round(fraction * len(order)))]


def is_exclusive(labels: np.ndarray) -> bool:
    """Whether every study has exactly one of several classes: then accuracy is the metric."""
    return labels.shape[1] > 1 and not np.isnan(labels).any() and bool((labels.sum(1) == 1).all())


def linear_probe(
    train: Labeled,
    val: Labeled,
    test: Labeled,
    names: Sequence[str],
    exclusive: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Fit on `train`, choose the strength on `val` (one for all labels), report on `test`.

    Args:
        train, val, test: features (n, C) and labels (n, names); NaN labels are left out. A label
            with one class only in `train` scores 0.5 (it cannot be learned) and is listed.
        exclusive: one softmax over the classes and accuracy, instead of a regression per label and
            macro AUROC; see `is_exclusive`.
        seed: of the bootstrap.
    """
    if exclusive:
        return _multi_class(train, val, test, names, seed)
    scores, chosen = probe_scores(train, val, test[0])
    return {
        **label_result(test[1], scores, names, seed),
        "n_train": len(train[1]),
        "strength": chosen,
        "unlearnable": [name for c, name in enumerate(names) if not _two_classes(train[1][:, c])],
    }


def probe_scores(train: Labeled, val: Labeled, features: np.ndarray) -> tuple[np.ndarray, float]:
    """Scores (n, names) of features (n, C) by a regression per label, and the strength chosen."""
    learnable = np.array([_two_classes(labels) for labels in train[1].T])
    path = logistic_path(train[0], train[1][:, learnable], STRENGTHS) if learnable.any() else {}

    def predict(features: np.ndarray, strength: float) -> np.ndarray:
        scores = np.zeros((len(features), len(learnable)))
        if path:
            scores[:, learnable] = path[strength].scores(features)
        return scores

    chosen = _best({c: macro_auroc(val[1], predict(val[0], c)) for c in STRENGTHS})
    return predict(features, chosen), chosen


def ids_hash(ids: Sequence[str], chosen: np.ndarray) -> str:
    """Hash of the chosen studies, to compare label fractions between runs."""
    return short_hash(*(ids[i] for i in sorted(chosen)))


def _multi_class(
    train: Labeled, val: Labeled, test: Labeled, names: Sequence[str], seed: int
) -> dict[str, Any]:
    classes = [labels.argmax(1) for _, labels in (train, val, test)]
    present = np.unique(classes[0])
    path = {}
    if len(present) > 1:  # two classes are one regression, more of them a softmax
        columns = train[1][:, present] if len(present) > 2 else train[1][:, present[1:]]
        path = logistic_path(train[0], columns, STRENGTHS, exclusive=len(present) > 2)

    def predict(features: np.ndarray, strength: float) -> np.ndarray:
        if not path:
            return np.full(len(features), present[0])
        scores = path[strength].scores(features)
        return present[scores.argmax(1) if len(present) > 2 else (scores[:, 0] > 0).astype(int)]

    chosen = _best({c: float((predict(val[0], c) == classes[1]).mean()) for c in STRENGTHS})
    return {
        **choice_result(classes[2], predict(test[0], chosen), names, seed),
        "n_train": len(train[1]),
        "strength": chosen,
        "unlearnable": [name for c, name in enumerate(names) if c not in present],
    }


def choice_result(
    truth: np.ndarray, predicted: np.ndarray, names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Accuracy of a choice among exclusive classes.

    Args:
        truth, predicted: int (n,), numbers of the classes.

    Returns:
        value, interval (None where only one class occurs), n, chance (always the largest class),
        per_class (F1).
    """
    right = (predicted == truth).astype(float)
    several = len(np.unique(truth)) > 1
    return {
        "value": float(right.mean()),
        "interval": bootstrap_interval(right, seed=seed) if several else None,
        "chance": float(np.bincount(truth).max() / len(right)),
        "n": len(right),
        "per_class": {names[c]: f1 for c, f1 in f1_per_class(truth, predicted).items()},
    }


def label_result(
    labels: np.ndarray, scores: np.ndarray, names: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Macro AUROC of labels of their own: value, interval, n, chance, per_class.

    Args:
        labels, scores: float (n, names); NaN labels are left out.
    """
    return {
        "value": macro_auroc(labels, scores),
        "interval": macro_auroc_interval(labels, scores, seed=seed),
        "chance": 0.5,
        "n": len(labels),
        "per_class": {name: auroc(labels[:, c], scores[:, c]) for c, name in enumerate(names)},
    }


def _best(values: dict[float, float]) -> float:
    """The strength with the highest value; NaN (validation has one class only) counts lowest."""
    return max(values, key=lambda c: -np.inf if np.isnan(values[c]) else values[c])


def _two_classes(labels: np.ndarray) -> bool:
    return len(np.unique(labels[~np.isnan(labels)])) == 2
