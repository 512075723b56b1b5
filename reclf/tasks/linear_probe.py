"""Linear classification: a logistic regression on frozen image features, with few labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ..batches import Study
from ..metrics import auroc, bootstrap_interval, macro_auroc

STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # scikit-learn's C


def label_matrix(studies: Sequence[Study], names: Sequence[str]) -> np.ndarray:
    """float (n, labels), NaN where a study says nothing of a label."""
    return np.array(
        [[study.labels.get(name, np.nan) for name in names] for study in studies], dtype=float
    )


def linear_probe(
    train: tuple[np.ndarray, np.ndarray],
    val: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
) -> dict[str, Any]:
    """Macro AUROC on `test`; the regularisation is chosen on `val`, one for all labels.

    Args:
        train, val, test: features (n, C) and labels (n, names); NaN labels are left out. A label
            with one class only in `train` scores 0.5 (it cannot be learnt) and is listed.
    """
    val_scores = {c: _predict(train, val[0], c) for c in STRENGTHS}
    strength = max(STRENGTHS, key=lambda c: macro_auroc(val[1], val_scores[c]))
    scores, labels = _predict(train, test[0], strength), test[1]
    interval = bootstrap_interval({"labels": labels, "scores": scores}, macro_auroc, resamples=300)
    return {
        "value": macro_auroc(labels, scores),
        "interval": list(interval),
        "chance": 0.5,
        "n": len(labels),
        "n_train": len(train[1]),
        "strength": strength,
        "per_class": {name: auroc(labels[:, c], scores[:, c]) for c, name in enumerate(names)},
        "unlearnable": [name for c, name in enumerate(names) if not _two_classes(train[1][:, c])],
    }


def _predict(
    train: tuple[np.ndarray, np.ndarray], features: np.ndarray, strength: float
) -> np.ndarray:
    columns = []
    for labels in train[1].T:
        if not _two_classes(labels):
            columns.append(np.zeros(len(features)))
            continue
        known = ~np.isnan(labels)
        probe = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=2000, class_weight="balanced")
        )
        probe.fit(train[0][known], labels[known])
        columns.append(probe.decision_function(features))
    return np.stack(columns, axis=1)


def _two_classes(labels: np.ndarray) -> bool:
    return len(np.unique(labels[~np.isnan(labels)])) == 2
