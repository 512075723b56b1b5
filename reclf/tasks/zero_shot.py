"""Zero-shot classification: a positive and a negative sentence per finding, no labels used."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..encoders import ImageFeatures
from ..metrics import auroc, bootstrap_interval, macro_auroc
from ..model import RECLF
from .features import encode_texts, score_all

POSITIVE = ("There is {name}.", "Findings consistent with {name}.", "{name} is present.")
NEGATIVE = ("No {name}.", "There is no {name}.", "No evidence of {name}.")


def prompts_for(labels: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """A prompt set from label names: name -> {"positive": [...], "negative": [...]}."""
    return {
        label: {
            polarity: [template.format(name=label.replace("_", " ").lower()) for template in texts]
            for polarity, texts in (("positive", POSITIVE), ("negative", NEGATIVE))
        }
        for label in labels
    }


def zero_shot_scores(
    model: RECLF, images: ImageFeatures, prompts: Mapping[str, Mapping[str, Sequence[str]]]
) -> np.ndarray:
    """Score (n, labels): mean over positive prompts minus mean over negative ones."""
    texts = [
        text for prompt in prompts.values() for polarity in prompt for text in prompt[polarity]
    ]
    logits = iter(score_all(model, images, encode_texts(model, texts)).logits.T.numpy())
    columns = []
    for prompt in prompts.values():
        mean = {p: np.mean([next(logits) for _ in prompt[p]], axis=0) for p in prompt}
        columns.append(mean["positive"] - mean["negative"])
    return np.stack(columns, axis=1)


def zero_shot(
    model: RECLF,
    images: ImageFeatures,
    labels: np.ndarray,
    prompts: Mapping[str, Mapping[str, Sequence[str]]],
) -> dict[str, Any]:
    """AUROC of each label and their mean.

    Args:
        images: features of n studies.
        labels: float (n, labels) in the order of `prompts`; NaN = no information.
    """
    scores = zero_shot_scores(model, images, prompts)
    return {
        "value": macro_auroc(labels, scores),
        "interval": list(
            bootstrap_interval({"labels": labels, "scores": scores}, macro_auroc, resamples=300)
        ),
        "chance": 0.5,
        "n": len(labels),
        "per_class": {name: auroc(labels[:, c], scores[:, c]) for c, name in enumerate(prompts)},
    }
