"""What the pretrain notebook reports: four numbers on held-out studies.

    best checkpoint, test split -> retrieval, zero-shot, linear probe -> results/pretrain.json

The task notebooks measure each of these in full. The linear probe here is a quick one: it learns
from at most 100 labeled studies, and 1 % of the labels in linear_probe.ipynb are other ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reclf.data.study import Study
from reclf.datasets.selection import read_studies
from reclf.models.inference import encode_images
from reclf.models.reclf import RECLF

from .linear_probe import label_matrix, linear_probe
from .prompt_sets import prompts_for
from .retrieval import retrieval
from .zero_shot import zero_shot

LABEL_POOL = 10_000  # training studies of which a hundredth is labeled: 100 at most
PROBE_VALIDATION = 300  # other training studies that choose the probe's regularization


@dataclass
class Overview:
    """Full results by task, and the flat summary that results/pretrain.json holds."""

    retrieval: dict[str, Any]
    zero_shot: dict[str, Any] | None
    linear_probe: dict[str, Any] | None
    linear_probe_untrained: dict[str, Any] | None

    def summary(self) -> dict[str, Any]:
        """One number per name; None where the data set has no labels."""
        combined, whole = self.retrieval["combined"], self.retrieval["global"]

        def value(result: dict[str, Any] | None) -> float | None:
            return None if result is None or np.isnan(result["value"]) else result["value"]

        return {
            **{f"recall_at_{k}": combined[f"recall_at_{k}"]["value"] for k in (1, 5, 10)},
            "recall_at_5_interval": combined["recall_at_5"]["interval"],
            "recall_at_5_global": whole["recall_at_5"]["value"],
            "recall_at_5_chance": combined["recall_at_5"]["chance"],
            "n_gallery": combined["n"],
            "zero_shot_auroc": value(self.zero_shot),
            "quick_linear_probe_auroc": value(self.linear_probe),
            "quick_linear_probe_auroc_untrained": value(self.linear_probe_untrained),
        }


def overview(
    model: RECLF,
    untrained: RECLF,
    gallery: Sequence[Study],
    test: Sequence[Study],
    train_set: Any,
    seed: int = 0,
    workers: int = 0,
) -> Overview:
    """Evaluate a model.

    Args:
        model: the trained model.
        untrained: untrained, of the same shape: the row that makes the probe readable.
        gallery: distinct studies for retrieval.
        test: studies for zero-shot and the probe; those with labels count.
        train_set: where the probe's labeled studies come from.
        seed: of their choice.
        workers: processes that read them; 0 reads in this one.
    """
    recall = retrieval(model, gallery)
    names = list(getattr(train_set, "labels", ()))
    labels = label_matrix(test, names)
    if not names or np.isnan(labels).all():
        return Overview(recall, None, None, None)
    images = encode_images(model, test)
    few, other = few_labeled(train_set, seed, workers)

    def probe(encoder: RECLF, test_features: np.ndarray) -> dict[str, Any]:
        parts = [(encode_images(encoder, s).pooled.numpy(), s) for s in (few, other)]
        sets = [(features, label_matrix(s, names)) for features, s in parts]
        return linear_probe(sets[0], sets[1], (test_features, labels), names)

    return Overview(
        recall,
        zero_shot(model, images, labels, prompts_for(names)),
        probe(model, images.pooled.numpy()),
        probe(untrained, encode_images(untrained, test).pooled.numpy()),
    )


def few_labeled(train_set: Any, seed: int = 0, workers: int = 0) -> tuple[list[Study], list[Study]]:
    """Labeled studies, a hundredth of the training studies or of a pool of them, 100 at most, and
    others to choose a strength.

    Args:
        seed, workers: as of `overview`.
    """
    pool = min(LABEL_POOL, len(train_set))
    order = np.random.default_rng(seed).permutation(pool).tolist()
    labeled = max(2, pool // 100)
    chosen = order[:labeled], order[labeled : labeled + PROBE_VALIDATION]
    few, other = (read_studies(train_set, indices, workers) for indices in chosen)
    return few, other
