"""A start for the projections of pretrained towers: where images and reports agree, by CCA (ours).

    studies --towers--> pooled images, reports, words --regularized CCA, ridge--> projections

From random projections a contrast over few studies fits them to its noise before words and regions
have anything to say to each other. With this start an image and its report are near from the first
step. Regions of the map that is pooled, the last or that of a grid, take the projection of
images; words take the one that brings the mean word of a report nearest to its image (ridge
regression), so that words attend to what they were told with (LOG.md, 2026-11-29).
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils.data import Subset

from reclf.data.read_ahead import ReadAhead
from reclf.datasets.selection import readable
from reclf.models.encoders import average_tokens
from reclf.models.inference import chunks, collate_for
from reclf.models.parallel import Job, run_parallel
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.cca import Projection, regularized_cca, ridge_regression

from .importance_start import start_word_gates

BATCH = 32
RIDGE = 1.0
COMPONENTS = 600  # 300 and 1,200 gave the same recall, to noise (LOG.md)


def align_projections(
    model: RECLF, train_set: Any, studies: int, title: str = "", workers: int = 0
) -> np.ndarray:
    """Set the projections of a new model; its region positions start at zero.

    A grid of regions with projections of their own has more numbers than there are studies: CCA
    sees COMPONENTS of them.

    Args:
        model: with `model.image_pooling` "mean" or "grid", and pretrained towers.
        train_set: map-style data set of studies.
        studies: how many of it are read at most, evenly spaced, see `readable`.
        title: of the progress; empty shows none.
        workers: processes that read; 0 reads in this one.

    Returns:
        The correlations of the directions, falling, (D,).

    Raises:
        ValueError: another image pooling, or fewer than two studies.
    """
    images, texts = model.image_encoder, model.text_encoder
    if images.pool is not None:
        raise ValueError(
            "train.aligned_start needs model.image_pooling mean or grid: attention pooling has no "
            "vector before training; set one of the two"
        )
    read = _read(model, train_set, studies, title, workers)
    pooled = read.images
    dim = model.config.embed_dim
    of_images, of_texts, correlations = regularized_cca(pooled, read.texts, dim, RIDGE, COMPONENTS)
    _set(images.project_whole, of_images)
    _set(texts.project_whole, of_texts)
    if images.regions_are_pooled:
        _set(images.project_regions, of_images)
        if images.place is not None:
            nn.init.zeros_(images.place.weight)
            nn.init.zeros_(images.place.bias)
    # Whatever layer words are of: their mean goes where the image of the report is.
    means = np.stack([words.sum(0) / max(len(words), 1) for words in read.words])
    _set(texts.project_words, ridge_regression(means, pooled @ of_images.weight.T))
    start_word_gates(model, read.reports, read.words, pooled, read.patients)
    return correlations


class _Read(NamedTuple):
    """What the towers make of n studies, and their reports."""

    images: np.ndarray  # float32 (n, C), pooled
    texts: np.ndarray  # float32 (n, H)
    words: list[np.ndarray]  # n of float32 (W, H)
    reports: list[list[str]]  # the words
    patients: list[str]


@torch.no_grad()
def _read(model: RECLF, train_set: Any, studies: int, title: str, workers: int) -> _Read:
    collate, images, texts = collate_for(model), model.image_encoder, model.text_encoder
    model.eval()
    count = min(studies, len(train_set))
    indices = readable(train_set, [k * len(train_set) // count for k in range(count)])
    ahead = ReadAhead(Subset(train_set, indices), workers)
    pooled, whole = [], []
    read = _Read(np.empty(0), np.empty(0), [], [], [])
    for some in chunks(track(ahead, title, "study"), BATCH):
        batch = collate(some).to(model.device)
        (_, last), (tokens, text) = run_parallel(
            [
                Job([images], images.feature_maps, (batch.pixels,)),
                Job([texts], texts.read_tokens, (batch.input_ids, batch.attention_mask)),
            ]
        )
        pooled.append((last.flatten(1) if images.grid else last.mean((2, 3))).float().cpu())
        whole.append(text.float().cpu())
        words = average_tokens(tokens, batch.word_ids, batch.word_mask).float().cpu()
        lengths = batch.word_mask.sum(1).tolist()
        read.words.extend(one[:n].numpy() for one, n in zip(words, lengths, strict=True))
        read.reports.extend(collate.words(study.report) for study in some)
        read.patients.extend(study.patient_id for study in some)
    return read._replace(images=torch.cat(pooled).numpy(), texts=torch.cat(whole).numpy())


@torch.no_grad()
def _set(layer: nn.Linear, projection: Projection) -> None:
    layer.weight.copy_(torch.from_numpy(projection.weight))
    layer.bias.copy_(torch.from_numpy(projection.bias))
