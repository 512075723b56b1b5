"""Zero-shot classification: images are scored with prompts (sentences) instead of a classifier.

    prompt set, images -> logits of every image with every prompt -> pool per class -> scores

Three poolings are published and move the number: the maximum over sampled prompts, with or without
a z-normalization over the test set (GLoRIA; with it, a case's result depends on the other cases:
transductive), the mean of all prompts (CXR-CLIP), and one prompt (PRIOR). All are computed from one
matrix of logits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from reclf.data.study import Study
from reclf.models.encoders import ImageFeatures
from reclf.models.inference import (
    chunks,
    encode_pixels,
    encode_texts,
    score_all,
    stack_images,
)
from reclf.models.reclf import RECLF, Scores
from reclf.runs.progress import track
from reclf.stats.bootstrap import weighted_interval
from reclf.stats.classification import accuracy, f1_per_class, macro_f1

from .linear_probe import label_matrix, label_result
from .prompt_sets import POLARITIES, Prompts

POOLINGS = {
    "mean": "mean of all prompts",
    "max": "maximum over sampled prompts",
    "max_z": "maximum over sampled prompts, z-normalised per class over the test set: transductive",
    "one": "the first prompt",
}
SCORES = ("combined", "global", "local")
RULES = ("difference", "positive")
METRICS = ("auroc", "accuracy", "macro_f1")


@dataclass(frozen=True)
class PromptLogits:
    """Logits of n images with T prompts, and which column is which prompt."""

    logits: dict[str, np.ndarray]  # score -> float (n, T); no "local" without matchings
    columns: dict[str, dict[str, list[int]]]  # class -> polarity -> columns

    def class_scores(
        self,
        pooling: str = "mean",
        score: str = "combined",
        rule: str = "difference",
        sampled: int = 5,
        seed: int = 0,
    ) -> np.ndarray:
        """Scores (n, classes).

        Args:
            pooling: one of POOLINGS.
            score: one of SCORES.
            rule: "difference" takes positive minus negative prompts, "positive" ignores the
                negative ones, as is published for exclusive classes.
            sampled: prompts per class and polarity for the maximum, drawn by the seed. A longer
                list has a higher maximum, so classes must have equally many.
        """
        for name, value, allowed in (
            ("pooling", pooling, tuple(POOLINGS)),
            ("score", score, tuple(self.logits)),
            ("rule", rule, RULES),
        ):
            if value not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {value!r}")
        drawn = self.drawn(sampled, seed)
        pooled = {}
        for polarity in POLARITIES:
            parts = []
            for name, prompt in self.columns.items():
                chosen = prompt[polarity]
                if pooling.startswith("max"):
                    chosen = drawn[name][polarity]
                elif pooling == "one":
                    chosen = chosen[:1]
                values = self.logits[score][:, chosen]
                parts.append(values.max(1) if pooling.startswith("max") else values.mean(1))
            pooled[polarity] = np.stack(parts, axis=1)
            if pooling == "max_z":
                pooled[polarity] = _z_normalize(pooled[polarity])
        return pooled["positive"] - (pooled["negative"] if rule == "difference" else 0)

    def drawn(self, sampled: int, seed: int) -> dict[str, dict[str, list[int]]]:
        """Columns for the maximum: equally many of each class, as in `class_scores`."""
        generator = np.random.default_rng(seed)
        found: dict[str, dict[str, list[int]]] = {name: {} for name in self.columns}
        for polarity in POLARITIES:
            lists = {name: prompt[polarity] for name, prompt in self.columns.items()}
            count = min(sampled, *map(len, lists.values()))
            for name, columns in lists.items():
                chosen = generator.choice(columns, count, replace=False)
                found[name][polarity] = [int(k) for k in chosen]
        return found


def score_prompts(
    model: RECLF, images: ImageFeatures, prompts: Prompts, progress: str = ""
) -> PromptLogits:
    """Logits of all images with all prompts."""
    texts, columns = _arrange(prompts)
    scores = score_all(model, images, encode_texts(model, texts), progress=progress)
    return PromptLogits(_by_score(scores), columns)


def score_studies(
    models: Mapping[str, RECLF],
    studies: Iterable[Study],
    prompts: Prompts,
    batch_size: int = 64,
    progress: str = "",
) -> tuple[dict[str, PromptLogits], np.ndarray, list[str]]:
    """Logits of studies with all prompts by several models, in one pass over the studies.

    Neither images nor features are kept, so that a test set of any size fits.

    Returns:
        The logits by model, the labels of the prompts' classes (n, classes), and the studies' ids.
    """
    texts, columns = _arrange(prompts)
    encoded = {who: encode_texts(model, texts) for who, model in models.items()}
    parts: dict[str, list[dict[str, np.ndarray]]] = {who: [] for who in models}
    labels, ids = [], []
    for chunk in chunks(track(studies, progress), batch_size):
        pixels = stack_images(chunk)
        for who, model in models.items():
            images = encode_pixels(model, pixels)
            parts[who].append(_by_score(score_all(model, images, encoded[who])))
        labels.append(label_matrix(chunk, list(prompts)))
        ids += [study.study_id for study in chunk]
    logits = {
        who: {score: np.concatenate([part[score] for part in found]) for score in found[0]}
        for who, found in parts.items()
    }
    prompted = {who: PromptLogits(found, columns) for who, found in logits.items()}
    return prompted, np.concatenate(labels), ids


def _arrange(prompts: Prompts) -> tuple[list[str], dict[str, dict[str, list[int]]]]:
    """All sentences in a row, and class -> polarity -> their places."""
    texts: list[str] = []
    columns: dict[str, dict[str, list[int]]] = {}
    for name, prompt in prompts.items():
        columns[name] = {}
        for polarity in POLARITIES:
            start = len(texts)
            texts += prompt[polarity]
            columns[name][polarity] = list(range(start, len(texts)))
    return texts, columns


def _by_score(scores: Scores) -> dict[str, np.ndarray]:
    logits = {"combined": scores.logits.numpy(), "global": scores.logits_global.numpy()}
    if scores.logits_local is not None:
        logits["local"] = scores.logits_local.numpy()
    return logits


def class_result(
    labels: np.ndarray,
    scores: np.ndarray,
    names: Sequence[str],
    metric: str = "accuracy",
    seed: int = 0,
) -> dict[str, Any]:
    """Accuracy or macro-F1 with interval, of the class with the highest score.

    Args:
        labels: float (n, classes). With several classes the studies with exactly one positive
            count. With one class, all with a known label; the prediction is that the score is
            above 0, so the rule must be "difference".
        scores: float (n, classes).

    Returns:
        As `label_result`; per_class is the F1 of each class, chance that of a uniform guess. NaN
        where no study counts.
    """
    if len(names) == 1:
        counted = ~np.isnan(labels[:, 0])
        truth, predicted = labels[counted, 0].astype(int), (scores[counted, 0] > 0).astype(int)
        classes = [f"no {names[0]}", names[0]]
    else:
        counted = (labels == 1).sum(1) == 1
        truth, predicted = (labels[counted] == 1).argmax(1), scores[counted].argmax(1)
        classes = list(names)
    nothing = {"value": float("nan"), "interval": None, "chance": 1 / len(classes)}
    if not counted.any():
        return nothing | {"n": 0, "per_class": {}}

    measure = {"accuracy": accuracy, "macro_f1": macro_f1}[metric]
    guesses = np.random.default_rng(seed).integers(0, len(classes), (50, len(truth)))
    once = np.ones((1, len(truth)))
    interval = None  # of studies of one class alone
    if len(np.unique(truth)) > 1:
        interval = weighted_interval(
            partial(measure, truth, predicted), len(truth), len(truth), seed=seed, resamples=1000
        )
    return {
        "value": float(measure(truth, predicted, once)[0]),
        "interval": interval,
        "chance": float(np.mean([measure(truth, guess, once) for guess in guesses])),
        "n": len(truth),
        "per_class": {classes[c]: f1 for c, f1 in f1_per_class(truth, predicted).items()},
    }


def evaluate(
    prompted: PromptLogits,
    labels: np.ndarray,
    pooling: str = "mean",
    score: str = "combined",
    rule: str = "difference",
    sampled: int = 5,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """All METRICS of one way to pool.

    Args:
        labels: float (n, classes) in the order of the prompts; NaN = no information.
        rule: for AUROC. The class of an exclusive choice is found by positive prompts alone, as is
            published; yes or no of a single class by the difference.
    """
    names = list(prompted.columns)
    scores = prompted.class_scores(pooling, score, rule, sampled, seed)
    choice_rule = "positive" if len(names) > 1 else "difference"
    choice = prompted.class_scores(pooling, score, choice_rule, sampled, seed)
    return {
        "auroc": label_result(labels, scores, names, seed),
        "accuracy": class_result(labels, choice, names, "accuracy", seed),
        "macro_f1": class_result(labels, choice, names, "macro_f1", seed),
    }


def zero_shot(
    model: RECLF,
    images: ImageFeatures,
    labels: np.ndarray,
    prompts: Prompts,
    progress: str = "",
) -> dict[str, Any]:
    """AUROC of each label and their mean: mean of all prompts, combined score, difference.

    Args:
        images: features of n studies.
        labels: float (n, labels) in the order of `prompts`; NaN = no information.
    """
    scores = score_prompts(model, images, prompts, progress).class_scores()
    return label_result(labels, scores, list(prompts))


def _z_normalize(scores: np.ndarray) -> np.ndarray:
    deviation = scores.std(0)
    return (scores - scores.mean(0)) / np.where(deviation == 0, 1, deviation)
