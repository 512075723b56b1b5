"""Segmentation on the feature maps of a run and of its untrained baseline: see
`reclf.tasks.segmentation`."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from reclf.runs.notebook import check_parameters
from reclf.stats.maps import EMPTY_RULES
from reclf.tasks.linear_probe import check_fractions, first_part, ids_hash, stratified_order
from reclf.tasks.segmentation import (
    THRESHOLD,
    Pyramids,
    Segmenter,
    collect_masks,
    dice_result,
    marking_everything,
    place_prior,
)
from reclf.tasks.task_run import TaskRun

from . import Evaluation


def open_task(p: SimpleNamespace) -> TaskRun:
    """Check the parameters of segmentation.ipynb and open the run.

    Raises:
        ValueError: a choice that does not exist, or a number out of range.
    """
    check_parameters(
        p, train_studies=0, studies=0, steps=1, batch_size=1, learning_rate=1e-9,
        empty_masks=EMPTY_RULES,
    )  # fmt: skip
    check_fractions(p.fractions)
    return TaskRun.open(p, p.train_split, images_only=True)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Train a decoder for each label fraction on the features of both models.

    Returns:
        shown: train, test (`Masks`); parts, fraction -> rows of `train`; predicted: bool
            (n, classes, H, W), by the trained encoder with the last fraction.
    """
    train = collect_masks(task_run.studies(p.train_studies, p.train_split), p.classes)
    test = collect_masks(task_run.studies(p.studies), train.names)
    order = stratified_order(train.presence(), p.seed)
    parts = {fraction: first_part(order, fraction) for fraction in p.fractions}
    found: dict[float, dict[str, Any]] = {fraction: {} for fraction in p.fractions}
    masks = {}
    for who, model in task_run.models.items():
        maps: list[Pyramids | None] = [None, None]
        if not p.fine_tune:
            maps = [Pyramids.of(model, data, progress=f"features, {who}") for data in (train, test)]
        for fraction, rows in parts.items():
            segmenter = Segmenter(model, train.names, p.fine_tune, seed=p.seed)
            segmenter.fit(
                train.take(rows), p.steps, p.batch_size, p.learning_rate,
                None if maps[0] is None else maps[0].subset(rows), f"{who}, {len(rows)} studies",
            )  # fmt: skip
            masks[who] = segmenter.predict(test, features=maps[1]) > THRESHOLD
            found[fraction][who] = dice_result(masks[who], test, p.empty_masks, p.seed)
    protocol = task_run.protocol(
        test.ids,
        studies=p.studies,
        encoder="fine-tuned" if p.fine_tune else "frozen",
        metric="Dice, mean over classes of the mean over studies; no background class",
        empty_mask_rule=p.empty_masks,
        threshold=THRESHOLD,
        decoder="U-Net-like on stem and stages (ViT: four layers), width 32; the image is no skip",
        loss="Dice + binary cross-entropy, Dice of each class over the batch",
        steps=p.steps,
        batch_size=p.batch_size,
        learning_rate=p.learning_rate,
        model_selection="none: the last step",
        classes=train.names,
        train_split=p.train_split,
        train_studies=len(train),
        label_fractions={
            f: {"n": len(r), "hash": ids_hash(train.ids, r)} for f, r in parts.items()
        },
        **({"batch_norm": "encoder: running statistics, weights learn"} if p.fine_tune else {}),
    )
    last = found[p.fractions[-1]]
    short = {
        f: {who: {k: v for k, v in r.items() if k != "per_study"} for who, r in results.items()}
        for f, results in found.items()
    }
    best = short[p.fractions[-1]]
    result = {
        **best["trained"],
        "untrained_baseline": best["random"],
        "chance": marking_everything(test, p.empty_masks),
        "place_prior": place_prior(train, test, p.empty_masks),
        "fractions": short,
    }
    shown = SimpleNamespace(
        train=train, test=test, parts=parts, predicted=masks["trained"],
        dice=np.asarray(last["trained"]["per_study"]),
    )  # fmt: skip
    task = "segmentation_fine_tuned" if p.fine_tune else "segmentation"
    return Evaluation(task, result, protocol, shown)
