"""Full fine-tuning: the encoder is trained too. Not comparable with a linear probe.

images, labels -> encoder + linear head, AdamW -> the epoch that is best on validation -> test
"""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from reclf.data.read_ahead import QuietLoader
from reclf.data.study import Study
from reclf.models.inference import autocast, stack_images
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.classification import macro_auroc

from .linear_probe import choice_result, label_matrix, label_result

HEAD_RATE = 10.0  # the new layer learns this much faster than the encoder


def fine_tune(
    model: RECLF,
    train: Sequence[Study],
    val: Sequence[Study],
    test: Sequence[Study],
    names: Sequence[str],
    *,
    exclusive: bool = False,
    epochs: int = 5,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
    seed: int = 0,
    workers: int = 0,
    progress: str = "fine-tune",
) -> dict[str, Any]:
    """Train a copy of the image encoder with a linear head.

    The BatchNorm statistics learn too (train mode); NaN labels are left out of the loss. The epoch
    is chosen on `val`.

    Args:
        train, val, test: sequences of studies, read in every epoch.
        names: of the labels.
        exclusive: one softmax over the classes and accuracy, instead of a sigmoid per label and
            macro AUROC; see `linear_probe.is_exclusive`.
        learning_rate: of the encoder (AdamW); the head's is ten times that.
        workers: processes that read studies; 0 reads in this one.

    Returns:
        As `linear_probe`, with "validation" (the metric by epoch) and "epoch".
    """
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = copy.deepcopy(model.image_encoder).requires_grad_(True)
        head = nn.Linear(encoder.channels, len(names)).to(model.device)
        groups = [
            {"params": encoder.parameters(), "lr": learning_rate},
            {"params": head.parameters(), "lr": learning_rate * HEAD_RATE},
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        loaders: dict[str, DataLoader] = {
            name: QuietLoader(
                studies,  # type: ignore[arg-type]
                batch_size,
                shuffle=name == "train",
                drop_last=name == "train" and len(studies) % batch_size == 1,  # BatchNorm
                collate_fn=partial(_collate, list(names)),
                num_workers=workers,
            )
            for name, studies in (("train", train), ("val", val), ("test", test))
        }
        best: tuple[float, int, Any] = (-1.0, 0, None)
        history = []
        for epoch in range(1, epochs + 1):
            encoder.train()
            title = f"{progress}, epoch {epoch}" if progress else ""
            for pixels, labels in track(loaders["train"], title):
                with autocast(model.device):
                    logits = head(encoder(pixels.to(model.device)).pooled).float()
                loss = _loss(logits, torch.from_numpy(labels).to(logits), exclusive)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            score = _measure(*_predict(encoder, head, loaders["val"]), exclusive)
            history.append(score)
            if score > best[0] or best[2] is None:
                states = copy.deepcopy((encoder.state_dict(), head.state_dict()))
                best = (score, epoch, states)
    encoder.load_state_dict(best[2][0])
    head.load_state_dict(best[2][1])
    labels, scores = _predict(encoder, head, loaders["test"])
    if exclusive:
        result = choice_result(labels.argmax(1), scores.argmax(1), names, seed)
    else:
        result = label_result(labels, scores, names, seed)
    return {**result, "n_train": len(train), "epoch": best[1], "validation": history}


def _collate(names: Sequence[str], studies: list[Study]) -> tuple[Tensor, np.ndarray]:
    return stack_images(studies), label_matrix(studies, names)


def _measure(labels: np.ndarray, scores: np.ndarray, exclusive: bool) -> float:
    if exclusive:
        return float((labels.argmax(1) == scores.argmax(1)).mean())
    return macro_auroc(labels, scores)


def _loss(logits: Tensor, labels: Tensor, exclusive: bool) -> Tensor:
    if exclusive:
        return F.cross_entropy(logits, labels.argmax(1))
    known = ~labels.isnan()
    losses = F.binary_cross_entropy_with_logits(logits, labels.nan_to_num(), reduction="none")
    return (losses * known).sum() / known.sum().clamp_min(1)


@torch.no_grad()
def _predict(encoder: Any, head: nn.Linear, loader: DataLoader) -> tuple[np.ndarray, np.ndarray]:
    encoder.eval()
    labels, scores = [], []
    for pixels, known in loader:
        with autocast(head.weight.device):
            logits = head(encoder(pixels.to(head.weight.device)).pooled)
        scores.append(logits.float().cpu().numpy())
        labels.append(known)
    return np.concatenate(labels), np.concatenate(scores)
