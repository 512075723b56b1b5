"""Phrase grounding: does a phrase attend to the region that it describes?

    study --> items (image, phrase, mask) --RECLF.relate--> heat-map per phrase --> pointing game,
    CNR, mIoU; controls: the center of the image, and another phrase

A phrase is some words of a report, encoded within the report (the phantom knows which words state
which finding), or a text of its own (MS-CXR's phrases; label words for data sets with boxes).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from reclf.data.region_grid import center_prior, heat_in_pixels
from reclf.data.reports import clean, split_words
from reclf.data.study import Box, Study
from reclf.models.encoders import TextFeatures
from reclf.models.inference import encode_pixels, encode_texts, stack_images
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.maps import THRESHOLDS, contrast_to_noise, iou_at_thresholds, pointing_hit
from reclf.stats.per_study import StudyRatio

PHRASES = ("auto", "words", "report", "labels")
HEATS = ("score", "attention")
MEASURES = ("pointing", "cnr", "cnr_signed", "miou")


@dataclass(frozen=True)
class Item:
    """One phrase with the region that it describes."""

    study: Study
    text: str  # given to the model
    words: tuple[int, ...] | None  # positions of the phrase in the text; None: all words
    phrase: str  # for people
    label: str  # class, for tables
    mask: np.ndarray  # bool (H, W)


def find_items(studies: Sequence[Study], phrases: str = "auto") -> list[Item]:
    """Phrases with places of studies.

    Args:
        phrases: "words" takes the words that speak of each finding, where they are known;
            "report" the whole report, for data sets with a phrase per study (MS-CXR); "labels" the
            words of each box's or mask's label. "auto" takes "words" where they are known, else
            "labels".

    Boxes of one label in one study are one item: their union.

    Raises:
        ValueError: no study has anything to ground.
    """
    if phrases not in PHRASES:
        raise ValueError(f"phrases must be one of {', '.join(PHRASES)}, got {phrases!r}")
    items: list[Item] = []
    for study in studies:
        rule = phrases
        if rule == "auto":
            rule = "words" if study.words is not None else "labels"
        places = _places(study)
        if rule == "words":
            items += _finding_items(study)
        elif rule == "report" and places:
            label = " and ".join(places)
            union = np.logical_or.reduce(list(places.values()))
            items.append(Item(study, study.report, None, study.report, label, union))
        elif rule == "labels":
            for label, mask in places.items():
                phrase = label.replace("_", " ").lower()
                items.append(Item(study, phrase, None, phrase, label, mask))
    items = [item for item in items if item.mask.any() and item.text.strip()]
    if not items:
        raise ValueError(
            f"none of {len(studies)} studies has a phrase with a place: boxes, masks, or words "
            "that speak of a finding. With a manifest, name the file of boxes: "
            """-p options '{"box_file": "boxes.csv"}'"""
        )
    return items


@torch.no_grad()
def heat_maps(
    model: RECLF,
    items: Sequence[Item],
    spoken: Sequence[Item] | None = None,
    heat: str = "score",
    batch_size: int = 64,
    progress: str = "",
) -> np.ndarray:
    """A map of each phrase on the pixels of its image, float32 (n, H, W).

    Args:
        items: whose images are looked at, all of one size.
        spoken: items whose phrases are looked for instead, one for each: see `other_phrases`.
        heat: "score" is the word's logit for each region over the attention scale, up to a
            constant of the map (for cosine attention that is the cosine); "attention" its softmax.
            The maps of the words of a phrase are averaged, then interpolated between the places
            that the regions are centered on (`reclf.models.receptive_field`).
    """
    if heat not in HEATS:
        raise ValueError(f"heat must be one of {', '.join(HEATS)}, got {heat!r}")
    spoken = items if spoken is None else spoken
    scale = model.matchings.log_attention_scale.exp().item()
    maps = []
    starts = range(0, len(items), batch_size)
    for start in track(starts, progress):
        rows = slice(start, start + batch_size)
        pixels = stack_images([item.study for item in items[rows]])
        images = encode_pixels(model, pixels)
        found = encode_texts(model, [item.text for item in spoken[rows]], batch_size)
        texts = TextFeatures(*(part.to(model.device) for part in found))
        attention = model.relate(images, texts)[1].attention  # (B, W, R)
        values = attention.clamp_min(1e-30).log() / scale if heat == "score" else attention
        weights = _phrase_weights(spoken[rows], texts.word_mask)
        cells = torch.einsum("bw,bwr->br", weights, values).unflatten(1, images.grid)
        shape = pixels.shape[2:]
        center = model.image_encoder.center(shape[1], images.grid[1])
        maps.append(heat_in_pixels(cells.float().cpu().numpy(), shape, center, smooth=True))
    return np.concatenate(maps)


def center_maps(items: Sequence[Item]) -> np.ndarray:
    """The same bump in the middle of every image, float32 (n, H, W)."""
    bump = center_prior(items[0].mask.shape)
    return np.broadcast_to(bump, (len(items), *bump.shape))


@torch.no_grad()
def noise_maps(model: RECLF, items: Sequence[Item], seed: int = 0) -> np.ndarray:
    """Chance: noise on the grid of the model's regions, interpolated like a map: (n, H, W)."""
    grid = encode_pixels(model, stack_images([items[0].study])).grid
    cells = np.random.default_rng(seed).random((len(items), *grid), dtype=np.float32)
    return heat_in_pixels(cells, items[0].mask.shape, smooth=True)


def other_phrases(items: Sequence[Item], seed: int = 0) -> list[Item | None]:
    """For each item one of another study with another phrase: what a map must not depend on, if it
    only shows the usual places.

    A phrase is another one if neither has all words of the other, so that "left effusion" is none
    for "effusion". Of those, one is drawn whose text states no label of the item's study; where
    there is none, no label of the item; else (every report states both findings) one whose own
    label is another; else any.

    Returns:
        (n,); None where there is no other phrase, as in a data set with one label.
    """
    studies = study_numbers(items)
    words = _incidence([split_words(clean(item.phrase)) for item in items])
    own = _incidence([_labels(item) for item in items])
    texts = _incidence([[item.text] for item in items])
    stated = texts @ (texts.T @ own)  # how often a text states a label, over all of its items
    there = _incidence([[number] for number in studies])
    of_study = there @ (there.T @ own)
    n_words = words.sum(1)
    generator = np.random.default_rng(seed)
    chosen: list[Item | None] = []
    for i in range(len(items)):
        other = words @ words[i] < np.minimum(n_words, n_words[i])
        other &= studies != studies[i]
        shared = [stated @ of_study[i], stated @ own[i], own @ own[i]]
        overlap = np.sum(np.array(shared) > 0, axis=0)  # 0 to 3: each implies those before it
        least = np.flatnonzero(other & (overlap == overlap.min(where=other, initial=3)))
        chosen.append(items[generator.choice(least)] if len(least) else None)
    return chosen


def is_of_another_label(item: Item, other: Item) -> bool:
    return not set(_labels(item)) & set(_labels(other))


def measure(items: Sequence[Item], maps: np.ndarray) -> dict[str, np.ndarray]:
    """Each of MEASURES for each item, float (n,). mIoU is over THRESHOLDS on maps scaled to 0-1."""
    values: dict[str, list[float]] = {name: [] for name in MEASURES}
    for item, heat in zip(items, maps, strict=True):
        values["pointing"].append(pointing_hit(heat, item.mask))
        values["cnr"].append(contrast_to_noise(heat, item.mask))
        values["cnr_signed"].append(contrast_to_noise(heat, item.mask, signed=True))
        unit = (heat - heat.min()) / max(float(np.ptp(heat)), 1e-12)
        values["miou"].append(float(iou_at_thresholds(unit, item.mask, THRESHOLDS).mean()))
    return {name: np.array(value) for name, value in values.items()}


def grounding_result(
    items: Sequence[Item], maps: np.ndarray, metric: str = "pointing", seed: int = 0
) -> dict[str, Any]:
    """Means with intervals; the bootstrap draws studies, since items of one study go together.

    Args:
        maps: float (n, H, W), see `heat_maps`.
        metric: one of MEASURES, which `value` and `per_class` are.

    Returns:
        value, interval, n (items), n_studies, per_class, n_per_class, each measure with value and
        interval, area: the mean area of the masks (what the pointing game gives a random pixel).
    """
    if metric not in MEASURES:
        raise ValueError(f"metric must be one of {', '.join(MEASURES)}, got {metric!r}")
    values = measure(items, maps)
    study = study_numbers(items)
    results = {}
    for name, value in values.items():
        ratio = StudyRatio.by_study(
            value, study
        )  # CNR of a mask that covers the whole image is NaN
        results[name] = {"value": ratio.value, "interval": ratio.interval(seed)}
    labels = np.array([item.label for item in items])
    classes = sorted({item.label for item in items})
    return {
        **results[metric],
        "n": len(items),
        "n_studies": int(study.max()) + 1,
        "metric": metric,
        "measures": results,
        "per_class": {c: float(np.nanmean(values[metric][labels == c])) for c in classes},
        "n_per_class": {c: int((labels == c).sum()) for c in classes},
        "area": float(np.mean([item.mask.mean() for item in items])),
    }


def study_numbers(items: Sequence[Item]) -> np.ndarray:
    """int (n,): the number of each item's study, counted from 0 in the order of their ids."""
    return np.unique([item.study.study_id for item in items], return_inverse=True)[1]


def _phrase_weights(items: Sequence[Item], word_mask: torch.Tensor) -> torch.Tensor:
    """Equal weights (B, W) on the words of each phrase; words that were cut have none."""
    weights = word_mask.float()
    for row, item in enumerate(items):
        if item.words is not None:
            chosen = [word for word in item.words if word < weights.shape[1]]
            wanted = torch.zeros_like(weights[row])
            wanted[chosen] = 1.0
            # A phrase that was cut off altogether is looked for by the whole report.
            if (wanted * weights[row]).any():
                weights[row] *= wanted
    return weights / weights.sum(1, keepdim=True).clamp_min(1)


def _labels(item: Item) -> list[str]:
    """The labels of an item in lower case: of a whole report, several joined by "and"."""
    return item.label.lower().replace("_", " ").split(" and ")


def _incidence(rows: Sequence[Sequence[Any]]) -> np.ndarray:
    """float32 (rows, distinct entries): 1 where a row has the entry."""
    column = {entry: c for c, entry in enumerate(dict.fromkeys(e for row in rows for e in row))}
    found = np.zeros((len(rows), len(column)), np.float32)
    for r, row in enumerate(rows):
        found[r, [column[entry] for entry in row]] = 1
    return found


def _finding_items(study: Study) -> list[Item]:
    """The words of each finding instance with its mask; masks are in the order of instances."""
    items = []
    masks = study.meta.get("instance_masks", ())
    names = list(study.masks)
    for instance, mask in enumerate(masks):
        chosen = [i for i, word in enumerate(study.words or ()) if word.finding == instance]
        if chosen:
            phrase = " ".join((study.words or ())[i].text for i in chosen)
            items.append(
                Item(study, study.report, tuple(chosen), phrase, names[instance], np.asarray(mask))
            )
    return items


def _places(study: Study) -> dict[str, np.ndarray]:
    """bool (H, W) by label: the union of its boxes, or its mask where there are no boxes."""
    if not study.boxes:
        return {name: np.asarray(mask) for name, mask in study.masks.items()}
    places: dict[str, np.ndarray] = {}
    for box in study.boxes:
        place = places.setdefault(box.label, np.zeros(study.image.shape, dtype=bool))
        place |= box_mask(box, study.image.shape)
    return places


def box_mask(box: Box, shape: tuple[int, ...]) -> np.ndarray:
    """bool (H, W): pixels whose center lies in the box."""
    y, x = np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5
    rows = (box.y <= y) & (y < box.y + box.height)
    columns = (box.x <= x) & (x < box.x + box.width)
    return rows[:, None] & columns[None]
