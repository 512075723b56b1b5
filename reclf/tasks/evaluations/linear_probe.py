"""Linear classification of a run by fractions of the labels; fine-tuning takes the same form.

parameters --open_task--> TaskRun --features of train, val and test--> a probe per fraction and
    model --> value of the last fraction with that of the baseline, and all fractions
"""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch.utils.data import Subset

from reclf.runs.notebook import check_parameters
from reclf.tasks.features import Pooled, held_out
from reclf.tasks.fine_tune import fine_tune
from reclf.tasks.linear_probe import (
    check_fractions,
    first_part,
    ids_hash,
    is_exclusive,
    linear_probe,
    stratified_order,
)
from reclf.tasks.recipes import RECIPES, follow
from reclf.tasks.results import format_value
from reclf.tasks.task_run import TaskRun

from . import Evaluation


def open_task(p: SimpleNamespace) -> TaskRun:
    """The run under test.

    Args:
        p: parameters of notebooks/linear_probe.ipynb.

    Raises:
        ValueError: a choice that does not exist, or that the recipe does not leave.
    """
    p = follow(p)
    check_parameters(p, train_studies=0, val_studies=0, studies=0, epochs=1)
    check_fractions(p.fractions)
    return TaskRun.open(p, p.train_split, p.val_split, images_only=True)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Fit on each fraction of the labels with the trained encoder and its untrained baseline.

    Returns:
        An evaluation of "linear_probe" or "fine_tune" whose `shown` has names (of the labels),
        sizes (studies to learn from, to choose by and to report on), validation (where the second
        come from), positives (fraction -> int (labels,)), metric, and found (fraction -> model ->
        result).
    """
    p = follow(p)
    parts = _read_parts(task_run, p)
    names, exclusive = parts.names, parts.exclusive
    labels = parts.train.columns(names)
    order = stratified_order(labels, p.seed)
    rows = {fraction: first_part(order, fraction) for fraction in p.fractions}
    probe = _tuned if p.fine_tune else _probed
    found: dict[float, dict[str, Any]] = {}
    for fraction, chosen in rows.items():
        found[fraction] = {who: probe(task_run, p, parts, who, chosen) for who in task_run.models}
        task_run.require_value(found[fraction]["trained"])
        line = ", ".join(f"{who} {format_value(result)}" for who, result in found[fraction].items())
        print(f"{fraction:.0%} of the labels: {line}")
    metric = "accuracy" if exclusive else "macro AUROC"
    last = found[p.fractions[-1]]
    result = {**last["trained"], "untrained_baseline": last["random"], "fractions": found}
    tuning = {"batch_norm": "train mode while fine-tuning", "epochs": p.epochs}
    protocol = task_run.protocol(
        parts.test.ids,
        studies=p.studies,
        encoder="fine-tuned" if p.fine_tune else "frozen",
        metric=metric + (", NaN labels left out" if not exclusive else ""),
        labels=names,
        head="linear layer on pooled features before the projection, standardised on the training "
        "part",
        hyper_parameters=f"chosen on {parts.validation}",
        train_split=p.train_split,
        train_studies=len(parts.train.ids),
        val_studies=len(parts.val.ids),
        label_fractions={
            f: {"n": len(chosen), "hash": ids_hash(parts.train.ids, chosen)}
            for f, chosen in rows.items()
        },
        stratified="by label pattern, nested",
        unlearnable_label="counts as 0.5 in the macro AUROC",
        **(tuning if p.fine_tune else {}),
        **({"recipe": RECIPES[p.recipe].stated} if p.recipe else {}),
    )
    shown = SimpleNamespace(
        names=names,
        sizes=[len(part.ids) for part in (parts.train, parts.val, parts.test)],
        validation=parts.validation,
        positives={f: np.nansum(labels[chosen], 0).astype(int) for f, chosen in rows.items()},
        metric=metric,
        found=found,
    )
    return Evaluation("fine_tune" if p.fine_tune else "linear_probe", result, protocol, shown)


@dataclass(frozen=True)
class _Parts:
    """Features and labels to learn from, to choose by and to report on."""

    names: list[str]  # of the labels
    train: Pooled
    val: Pooled
    test: Pooled
    train_rows: np.ndarray  # of the studies drawn from the train split
    val_rows: np.ndarray  # of the studies drawn from `val_split`
    val_split: str
    val_studies: int
    validation: str  # where the validation studies come from

    @property
    def exclusive(self) -> bool:
        return is_exclusive(self.train.columns(self.names))


def _read_parts(task_run: TaskRun, p: SimpleNamespace) -> _Parts:
    train = task_run.pooled(p.train_studies, p.train_split)
    if p.val_split == task_run.split:  # the reported split must not choose anything
        held = held_out(train.patients)
        train_rows, val_rows = np.flatnonzero(~held), np.flatnonzero(held)
        train, val = train.take(train_rows), train.take(val_rows)
        val_split, val_studies = p.train_split, p.train_studies
        validation = f"a fifth of the patients of {p.train_split!r}, by hash"
    else:
        val = task_run.pooled(p.val_studies, p.val_split)
        train_rows, val_rows = np.arange(len(train.ids)), np.arange(len(val.ids))
        val_split, val_studies, validation = p.val_split, p.val_studies, f"split {p.val_split!r}"
    test = task_run.pooled(p.studies)
    names = task_run.choose_labels(p.labels)
    return _Parts(names, train, val, test, train_rows, val_rows, val_split, val_studies, validation)


def _probed(
    task_run: TaskRun, p: SimpleNamespace, parts: _Parts, who: str, rows: np.ndarray
) -> dict[str, Any]:
    train, val, test = (
        (part.features[who], part.columns(parts.names))
        for part in (parts.train, parts.val, parts.test)
    )
    few = train[0][rows], train[1][rows]
    return linear_probe(few, val, test, parts.names, parts.exclusive, p.seed)


def _tuned(
    task_run: TaskRun, p: SimpleNamespace, parts: _Parts, who: str, rows: np.ndarray
) -> dict[str, Any]:
    """Fine-tuning sees the studies again and again: they are read when they are needed."""
    learn, check, report = (
        task_run.subset(task_run.open_split(split), n)
        for split, n in (
            (p.train_split, p.train_studies),
            (parts.val_split, parts.val_studies),
            (task_run.split, p.studies),
        )
    )
    some: Any = Subset(learn, parts.train_rows[rows].tolist())
    others: Any = Subset(check, parts.val_rows.tolist())
    return fine_tune(
        task_run.models[who], some, others, report, parts.names, exclusive=parts.exclusive,
        epochs=p.epochs, seed=p.seed, workers=task_run.workers,
        progress=f"{who}, {len(rows)} studies",
    )  # fmt: skip
