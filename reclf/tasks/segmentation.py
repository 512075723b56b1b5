"""Segmentation by a decoder on the feature maps of an image encoder, frozen or fine-tuned.

    studies -> images, masks -> (frozen) feature pyramid -> decoder --Dice + cross-entropy--> masks

Classes may overlap (an effusion over a consolidation), so each has its own sigmoid and no
background class takes part in any mean. A study without information on a class is left out of loss
and metric for that class.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reclf.data.study import Study
from reclf.models.encoders import ImageEncoder
from reclf.models.reclf import RECLF
from reclf.runs.progress import track
from reclf.stats.bootstrap import bootstrap_interval
from reclf.stats.maps import EMPTY_RULES, dice_and_iou

from .decoder import Decoder, feature_pyramid
from .mask_loss import mask_loss

CACHE_BYTES = 2 * 2**30  # frozen feature maps up to this size are kept in memory
THRESHOLD = 0.5  # of the sigmoid
VALIDATIONS = 10  # in a training: the best of these steps is kept
ENCODER_RATE = 0.1  # a fine-tuned encoder learns this much slower than the new decoder


@dataclass(frozen=True)
class Masks:
    """Images with masks, ready for training.

    Attributes:
        pixels: float32 (n, 1, H, W) in [0, 1].
        truth: bool (n, classes, H, W).
        known: bool (n, classes), False where a study says nothing of a class.
        names: of the classes.
        ids: of the studies.
    """

    pixels: Tensor
    truth: Tensor
    known: Tensor
    names: tuple[str, ...]
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, chosen: np.ndarray) -> "Masks":
        rows = torch.as_tensor(chosen)
        ids = tuple(self.ids[i] for i in chosen)
        return Masks(self.pixels[rows], self.truth[rows], self.known[rows], self.names, ids)

    def presence(self) -> np.ndarray:
        """float (n, classes): 1 where there is a mask, 0 where not, NaN where not known."""
        present = self.truth.flatten(2).any(2).numpy().astype(float)
        return np.where(self.known.numpy(), present, np.nan)


def collect_masks(studies: Sequence[Study], names: Sequence[str] = ()) -> Masks:
    """Images and masks of studies as tensors.

    Args:
        names: classes; by default all that any of the studies has a mask of.

    A class without a mask counts as empty if the study's label of that name is 0, and as unknown
    otherwise.

    Raises:
        ValueError: no study has any mask, or none of these classes.
    """
    present = dict.fromkeys(name for study in studies for name in study.masks)
    names = tuple(names) or tuple(sorted(present))
    if not names or not present.keys() & set(names):
        raise ValueError(
            f"none of {len(studies)} studies has a mask"
            + (f" of {', '.join(names)}; there are {', '.join(present) or 'none'}" if names else "")
            + ". With a manifest, name the columns of masks: "
            """-p options '{"mask_columns": ["mask"]}'"""
        )
    truth = torch.zeros(len(studies), len(names), *studies[0].image.shape, dtype=torch.bool)
    known = torch.zeros(len(studies), len(names), dtype=torch.bool)
    for i, study in enumerate(studies):
        for c, name in enumerate(names):
            if name in study.masks:
                truth[i, c] = torch.as_tensor(np.asarray(study.masks[name], dtype=bool))
            known[i, c] = name in study.masks or study.labels.get(name) == 0
    pixels = torch.stack([torch.as_tensor(study.image) for study in studies])[:, None].float()
    return Masks(pixels, truth, known, names, tuple(study.study_id for study in studies))


class Segmenter:
    """An image encoder with a decoder.

    Args:
        model: its image encoder is used as it is, in eval mode, or copied if fine-tuned.
        names: of the classes.
        fine_tuned: the encoder learns too (its BatchNorm statistics stay as they are).
        width: channels of the decoder.
        seed: of the decoder's weights and the order of studies.
    """

    def __init__(
        self,
        model: RECLF,
        names: Sequence[str],
        fine_tuned: bool = False,
        width: int = 32,
        seed: int = 0,
    ):
        self.device, self.seed, self.fine_tuned = model.device, seed, fine_tuned
        self.encoder: ImageEncoder = model.image_encoder
        if fine_tuned:
            self.encoder = copy.deepcopy(self.encoder).requires_grad_(True)
        self.encoder.eval()
        size = model.config.image_size
        with torch.no_grad():
            blank = torch.zeros(1, 1, size, size, device=self.device)
            self.channels = [part.shape[1] for part in feature_pyramid(self.encoder, blank)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.decoder = Decoder(self.channels, len(names), width).to(self.device)

    def fit(
        self,
        data: Masks,
        steps: int = 200,
        batch_size: int = 8,
        learning_rate: float = 5e-3,
        features: "Pyramids | None" = None,
        progress: str = "",
        validate: Callable[[], float] | None = None,
    ) -> list[float]:
        """Train for a number of steps, the same for every label fraction; returns the losses.

        Args:
            data: labeled studies.
            learning_rate: peak of a one-cycle schedule (AdamW), for the decoder.
            features: frozen feature maps of these studies, if they are at hand.
            validate: how good this segmenter is now, higher is better. It is asked VALIDATIONS
                times, evenly spaced, the last step included; the weights of the best step (the
                first of equal ones) are kept, and `best_step` is that step. Without it the last
                step is kept.
        """
        asked = {-(-steps * i // VALIDATIONS) for i in range(1, VALIDATIONS + 1)}
        best, kept, self.best_step = -math.inf, None, steps
        generator = np.random.default_rng(self.seed)
        groups = [{"params": list(self.decoder.parameters()), "lr": learning_rate}]
        if self.fine_tuned:
            slow = learning_rate * ENCODER_RATE
            groups.append({"params": list(self.encoder.parameters()), "lr": slow})
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        peaks = [float(group["lr"]) for group in groups]  # type: ignore[arg-type]
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peaks, total_steps=max(2, steps))
        self.decoder.train()
        losses = []
        order: list[int] = []
        for step in track(range(1, steps + 1), progress):
            while len(order) < batch_size:  # a few labeled studies are seen again and again
                order += list(generator.permutation(len(data)))
            chosen, order = np.array(order[:batch_size]), order[batch_size:]
            pyramid = self._pyramid(data, chosen, features)
            logits = self.decoder(pyramid, data.truth.shape[2:])
            rows = torch.as_tensor(chosen)
            truth, known = data.truth[rows], data.known[rows]
            loss = mask_loss(logits, truth.to(self.device), known.to(self.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if validate is not None and step in asked:
                value = validate()
                self.decoder.train()
                if value > best:
                    best, self.best_step = value, step
                    kept = [copy.deepcopy(part.state_dict()) for part in self._trained]
        if kept is not None:
            for part, state in zip(self._trained, kept, strict=True):
                part.load_state_dict(state)
        return losses

    @property
    def _trained(self) -> list[torch.nn.Module]:
        return [self.decoder, *([self.encoder] if self.fine_tuned else [])]

    @torch.no_grad()
    def predict(
        self, data: Masks, batch_size: int = 32, features: "Pyramids | None" = None
    ) -> np.ndarray:
        """Probabilities as float16 (n, classes, H, W)."""
        self.decoder.eval()
        self.encoder.eval()
        parts = []
        for start in range(0, len(data), batch_size):
            chosen = np.arange(start, min(start + batch_size, len(data)))
            pyramid = self._pyramid(data, chosen, features)
            logits = self.decoder(pyramid, data.truth.shape[2:])
            parts.append(logits.sigmoid().half().cpu().numpy())
        return np.concatenate(parts)

    def _pyramid(self, data: Masks, chosen: np.ndarray, features: "Pyramids | None") -> list:
        if features is not None:
            return features.take(chosen, self.device)
        with torch.set_grad_enabled(self.fine_tuned and torch.is_grad_enabled()):
            return feature_pyramid(
                self.encoder, data.pixels[torch.as_tensor(chosen)].to(self.device)
            )


class Pyramids:
    """Feature maps of studies by a frozen encoder, computed once and kept as float16."""

    def __init__(self, maps: list[Tensor]):
        self.maps = maps

    @classmethod
    @torch.no_grad()
    def of(
        cls, model: RECLF, data: Masks, batch_size: int = 64, progress: str = ""
    ) -> "Pyramids | None":
        """None if they would need more than CACHE_BYTES: then every step encodes its batch."""
        encoder = model.image_encoder.eval()
        first = feature_pyramid(encoder, data.pixels[:1].to(model.device))
        if sum(part[0].numel() for part in first) * 2 * len(data) > CACHE_BYTES:
            return None
        parts = []
        for start in track(range(0, len(data), batch_size), progress):
            pixels = data.pixels[start : start + batch_size].to(model.device)
            parts.append([part.half().cpu() for part in feature_pyramid(encoder, pixels)])
        return cls([torch.cat(level).contiguous() for level in zip(*parts, strict=True)])

    def take(self, chosen: np.ndarray, device: torch.device) -> list[Tensor]:
        rows = torch.as_tensor(chosen)
        return [level[rows].to(device).float() for level in self.maps]

    def subset(self, chosen: np.ndarray) -> "Pyramids":
        rows = torch.as_tensor(chosen)
        return Pyramids([level[rows] for level in self.maps])


def known_dice(
    predicted: np.ndarray, masks: Masks, empty: str = EMPTY_RULES[0]
) -> tuple[np.ndarray, np.ndarray]:
    """Dice and IoU (n, classes) of bool predictions (n, classes, H, W); NaN where a study says
    nothing of a class, and by `empty` (see `maps.dice_and_iou`) where it has none."""
    dice, iou = dice_and_iou(predicted, masks.truth.numpy(), empty)
    unknown = ~masks.known.numpy()
    dice[unknown], iou[unknown] = np.nan, np.nan
    return dice, iou


def dice_result(
    predicted: np.ndarray, test: Masks, empty: str = EMPTY_RULES[0], seed: int = 0
) -> dict[str, Any]:
    """Dice and IoU: the mean over classes of the mean over studies.

    Args:
        predicted: bool (n, classes, H, W).
        empty: see `maps.dice_and_iou`.

    Returns:
        value (Dice) with interval, iou, per_class (Dice), per_class_iou, n_per_class (studies that
        count), false_alarms (share of the studies without a class in which some pixel was marked),
        n, per_study (mean Dice of a study's classes, NaN where none counts).
    """
    dice, iou = known_dice(predicted, test, empty)
    absent = test.known.numpy() & ~test.truth.flatten(2).any(2).numpy()
    marked = np.asarray(predicted.any((2, 3)))
    return {
        "value": mean_over_classes(dice),
        "interval": bootstrap_interval(dice, mean_over_classes, seed=seed),
        "n": len(dice),
        "iou": mean_over_classes(iou),
        "per_class": dict(zip(test.names, _nanmean(dice), strict=True)),
        "per_class_iou": dict(zip(test.names, _nanmean(iou), strict=True)),
        "n_per_class": dict(zip(test.names, (~np.isnan(dice)).sum(0), strict=True)),
        "false_alarms": float(marked[absent].mean()) if absent.any() else float("nan"),
        "per_study": _nanmean(dice.T),
    }


def mean_over_classes(values: np.ndarray) -> float:
    """Mean over classes of the mean over studies of (n, classes), NaN left out of both."""
    means = _nanmean(values)
    return float(_nanmean(means[:, None])[0])


def marking_all_or_nothing(test: Masks, empty: str = EMPTY_RULES[0]) -> float:
    """Chance: the Dice of marking every pixel, 2 p / (1 + p) for an area p, or of marking none,
    which is right where empty masks count one; the higher of the two."""
    everything = np.ones(tuple(test.truth.shape), dtype=bool)
    both = (known_dice(marked, test, empty)[0] for marked in (everything, ~everything))
    return max(map(mean_over_classes, both))


def place_prior(train: Masks, test: Masks, empty: str = EMPTY_RULES[0]) -> float:
    """Dice of one and the same mask for all: where the class most often lies in `train`.

    The mean mask of each class, cut where its Dice on `train` is best. An encoder that reads the
    image must exceed this number.
    """
    fixed = []
    for c in range(len(train.names)):
        truth = train.truth[:, c].numpy()
        truth = truth[np.asarray(truth.any((1, 2)))]
        if len(truth) == 0:
            fixed.append(np.zeros(train.truth.shape[2:], dtype=bool))
            continue
        mean = np.asarray(truth.mean(0))
        cuts = [np.asarray(mean >= share * mean.max()) for share in np.linspace(0.1, 0.9, 9)]
        every = [np.broadcast_to(cut, truth.shape)[:, None] for cut in cuts]
        scores = [dice_and_iou(marked, truth[:, None])[0].mean() for marked in every]
        fixed.append(cuts[int(np.argmax(scores))])
    predicted = np.broadcast_to(np.stack(fixed), tuple(test.truth.shape))
    return mean_over_classes(known_dice(predicted, test, empty)[0])


def _nanmean(values: np.ndarray) -> np.ndarray:
    """Mean over the first axis without NaN; NaN, and no warning, where nothing is left."""
    known = ~np.isnan(values)
    count, total = known.sum(0), np.where(known, values, 0).sum(0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
