"""Segmentation on the feature maps of a run and of its untrained baseline: see
`reclf.tasks.segmentation`."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from reclf.runs.notebook import check_parameters
from reclf.stats.maps import EMPTY_RULES
from reclf.tasks.features import held_out
from reclf.tasks.linear_probe import check_fractions, first_part, ids_hash, stratified_order
from reclf.tasks.segmentation import (
    THRESHOLD,
    VALIDATIONS,
    Masks,
    Pyramids,
    Segmenter,
    collect_masks,
    dice_result,
    known_dice,
    marking_all_or_nothing,
    mean_over_classes,
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
        p, train_studies=0, val_studies=0, studies=0, steps=1, batch_size=1, learning_rate=1e-9,
        empty_masks=EMPTY_RULES,
    )  # fmt: skip
    check_fractions(p.fractions)
    return TaskRun.open(p, p.train_split, p.val_split, images_only=True)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Train a decoder for each label fraction on the features of each model, and keep the step that
    is best on the validation studies.

    Returns:
        shown: train, val, test (`Masks`); validation (where val comes from); parts, fraction ->
            rows of `train`; predicted: bool (n, classes, H, W), by the trained encoder with the
            last fraction; dice (n,) of them.

    Raises:
        ValueError: no mask to learn from, to choose by or to report on.
    """
    train, val, validation = _read_parts(task_run, p)
    test = collect_masks(task_run.studies(p.studies), train.names)
    order = stratified_order(train.presence(), p.seed)
    parts = {fraction: first_part(order, fraction) for fraction in p.fractions}
    found: dict[float, dict[str, Any]] = {fraction: {} for fraction in p.fractions}
    masks = {}
    for who, model in task_run.models.items():
        learned, chosen, reported = (
            None if p.fine_tune else Pyramids.of(model, data, progress=f"features, {who}")
            for data in (train, val, test)
        )
        for fraction, rows in parts.items():
            segmenter = Segmenter(model, train.names, p.fine_tune, seed=p.seed)

            def val_dice(segmenter: Segmenter = segmenter, maps: Pyramids | None = chosen) -> float:
                predicted = segmenter.predict(val, features=maps) > THRESHOLD
                return mean_over_classes(known_dice(predicted, val, p.empty_masks)[0])

            segmenter.fit(
                train.take(rows), p.steps, p.batch_size, p.learning_rate,
                None if learned is None else learned.subset(rows), f"{who}, {len(rows)} studies",
                val_dice,
            )  # fmt: skip
            masks[who] = segmenter.predict(test, features=reported) > THRESHOLD
            found[fraction][who] = {
                **dice_result(masks[who], test, p.empty_masks, p.seed),
                "steps": segmenter.best_step,
            }
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
        model_selection=f"the best Dice of {VALIDATIONS} evaluations, on {validation}",
        classes=train.names,
        train_split=p.train_split,
        train_studies=len(train),
        val_studies=len(val),
        label_fractions={
            f: {"n": len(r), "hash": ids_hash(train.ids, r)} for f, r in parts.items()
        },
        **({"batch_norm": "encoder: running statistics, weights learn"} if p.fine_tune else {}),
    )
    dice = np.asarray(found[p.fractions[-1]]["trained"]["per_study"])
    short = {
        f: {who: {k: v for k, v in r.items() if k != "per_study"} for who, r in results.items()}
        for f, results in found.items()
    }
    best = short[p.fractions[-1]]
    result = {
        **best["trained"],
        "untrained_baseline": best["random"],
        "chance": marking_all_or_nothing(test, p.empty_masks),
        "place_prior": place_prior(train, test, p.empty_masks),
        "fractions": short,
    }
    shown = SimpleNamespace(
        train=train, val=val, test=test, validation=validation, parts=parts,
        predicted=masks["trained"], dice=dice,
    )  # fmt: skip
    task = "segmentation_fine_tuned" if p.fine_tune else "segmentation"
    return Evaluation(task, result, protocol, shown)


def _read_parts(task_run: TaskRun, p: SimpleNamespace) -> tuple[Masks, Masks, str]:
    """Masks to learn from, to choose the step by, and where those come from."""
    studies = task_run.studies(p.train_studies, p.train_split)
    if p.val_split in (
        task_run.split,
        p.train_split,
    ):  # neither may choose
        held = held_out([study.patient_id for study in studies])
        val = [study for study, out in zip(studies, held, strict=True) if out]
        studies = [study for study, out in zip(studies, held, strict=True) if not out]
        validation = f"a fifth of the patients of {p.train_split!r}, by hash"
    else:
        val = task_run.studies(p.val_studies, p.val_split)
        validation = f"split {p.val_split!r}"
    train = collect_masks(studies, p.classes)
    if not any(np.any(study.masks.get(name, False)) for study in val for name in train.names):
        raise ValueError(
            f"none of {len(val)} studies of {validation} shows {' or '.join(train.names)}, so they "
            "cannot choose the number of steps: take more of them (-p val_studies 0), or another "
            "-p val_split"
        )
    return train, collect_masks(val, train.names), validation
