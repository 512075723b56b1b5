"""Encode studies once; everything after that is matrix work on features.

studies --model, in eval mode and float32--> image features (n), text features (n)
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..batches import Collate, Study
from ..encoders import ImageFeatures, TextFeatures
from ..model import RECLF, Scores
from ..runs import write_atomically
from .progress import track


def collate_for(model: RECLF) -> Collate:
    """The collate function of a model; it needs the model's tokenizer."""
    if model.tokenizer is None:
        raise ValueError("this model has no tokenizer; give one to RECLF(config, tokenizer)")
    return Collate(model.tokenizer, model.config.max_words, model.config.max_tokens)


@torch.no_grad()
def encode_images(
    model: RECLF, studies: Iterable[Study], batch_size: int = 64, progress: str = ""
) -> ImageFeatures:
    """Image features of all studies, on the CPU.

    Args:
        studies: anything that yields studies, rendered or read one by one.
        progress: title of a progress bar; empty shows none.
    """
    model.eval()
    parts = []
    for chunk in chunks(track(studies, progress), batch_size):
        features = model.encode_images(stack_images(chunk).to(model.device))
        parts.append([part.cpu() for part in features[:3]])
    whole, regions, pooled = (torch.cat(part) for part in zip(*parts, strict=True))
    return ImageFeatures(whole, regions, pooled, features.grid)


def take_images(
    images: ImageFeatures, chosen: torch.Tensor | slice, device: torch.device
) -> ImageFeatures:
    """Features of some of the images, on a device."""
    whole, regions, pooled = (part[chosen].to(device) for part in images[:3])
    return ImageFeatures(whole, regions, pooled, images.grid)


_TEXTS = ("names", "ids", "patients")


@dataclass(frozen=True)
class Pooled:
    """Pooled image features of studies by each of several encoders, and the studies' labels."""

    features: dict[str, np.ndarray]  # encoder -> float32 (n, C)
    labels: np.ndarray  # float (n, names), NaN = no information
    names: tuple[str, ...]
    ids: tuple[str, ...]
    patients: tuple[str, ...]

    def take(self, chosen: np.ndarray) -> "Pooled":
        """Some of the studies."""
        return Pooled(
            {name: array[chosen] for name, array in self.features.items()},
            self.labels[chosen],
            self.names,
            tuple(self.ids[i] for i in chosen),
            tuple(self.patients[i] for i in chosen),
        )

    def columns(self, names: Sequence[str]) -> np.ndarray:
        """Labels (n, names) of these names, in this order; NaN for one that no study has."""
        unknown = np.full(len(self.labels), np.nan)
        known = dict(zip(self.names, self.labels.T, strict=True))
        return np.stack([known.get(name, unknown) for name in names], axis=1)

    def save(self, path: Path) -> None:
        """Write one .npz without pickled objects."""
        arrays = {f"features/{name}": array for name, array in self.features.items()}
        texts = {key: np.array(getattr(self, key)) for key in _TEXTS}
        with path.open("wb") as file:
            np.savez(file, labels=self.labels, **texts, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Pooled":
        with np.load(path, allow_pickle=False) as arrays:
            features = {
                name.removeprefix("features/"): arrays[name]
                for name in arrays
                if name.startswith("features/")
            }
            texts = {key: tuple(str(text) for text in arrays[key]) for key in _TEXTS}
            return cls(features, arrays["labels"], **texts)


def held_out(patients: Sequence[str]) -> np.ndarray:
    """bool (n,), True for the studies of about a fifth of the patients, by a hash of the patient:
    what chooses hyper-parameters where a data set has no split for it."""
    digests = [hashlib.blake2b(p.encode(), digest_size=4).digest() for p in patients]
    return np.array([int.from_bytes(digest, "big") % 5 == 0 for digest in digests])


@torch.no_grad()
def pooled_features(
    models: Mapping[str, RECLF],
    studies: Iterable[Study],
    batch_size: int = 64,
    progress: str = "",
    cache: Path | None = None,
) -> Pooled:
    """What a linear probe reads, from all encoders in one pass over the studies.

    Regions are not kept: of 200,000 films they would fill a machine.

    Args:
        models: name -> model.
        cache: file to read from if it is there, and to write otherwise; the caller chooses a name
            that changes with models and data.
    """
    if cache is not None and cache.exists():
        return Pooled.load(cache)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in models}
    labels: list[Mapping[str, float]] = []
    ids: list[str] = []
    patients: list[str] = []
    for chunk in chunks(track(studies, progress), batch_size):
        pixels = stack_images(chunk)
        for name, model in models.items():
            model.eval()
            pooled = model.encode_images(pixels.to(model.device)).pooled
            parts[name].append(pooled.float().cpu().numpy())
        labels += [study.labels for study in chunk]
        ids += [study.study_id for study in chunk]
        patients += [study.patient_id for study in chunk]
    names = tuple(dict.fromkeys(label for known in labels for label in known))
    result = Pooled(
        features={name: np.concatenate(part) for name, part in parts.items()},
        labels=np.array([[known.get(name, np.nan) for name in names] for known in labels], float),
        names=names,
        ids=tuple(ids),
        patients=tuple(patients),
    )
    if cache is not None:
        write_atomically(cache, result.save)
    return result


def stack_images(studies: Sequence[Study]) -> torch.Tensor:
    """Images of studies as float32 (B, 1, H, W)."""
    return torch.stack([torch.as_tensor(study.image) for study in studies])[:, None].float()


@torch.no_grad()
def encode_texts(model: RECLF, reports: Sequence[str], batch_size: int = 64) -> TextFeatures:
    """Text features of all reports, padded to the longest, on the CPU."""
    model.eval()
    collate = collate_for(model)
    parts = []
    for start in range(0, len(reports), batch_size):
        batch = collate.texts(list(reports[start : start + batch_size])).to(model.device)
        parts.append([part.cpu() for part in model.encode_reports(batch)])
    whole, *by_word = zip(*parts, strict=True)
    longest = max(words.shape[1] for words in by_word[0])
    padded = (torch.cat([_pad_words(part, longest) for part in some]) for some in by_word)
    return TextFeatures(torch.cat(whole), *padded)


@torch.no_grad()
def score_all(
    model: RECLF,
    images: ImageFeatures,
    texts: TextFeatures,
    image_chunk: int = 64,
    progress: str = "",
) -> Scores:
    """Scores of all images with all reports in bounded memory: float32 (A, B) on the CPU."""
    model.eval()
    texts = TextFeatures(*(part.to(model.device) for part in texts))
    counts = texts.word_mask.sum(1).tolist()
    rows = []
    starts = range(0, len(images.whole), image_chunk)
    for start in track(starts, progress):
        chunk = slice(start, start + image_chunk)
        scores = model.score(take_images(images, chunk, model.device), texts, word_counts=counts)
        rows.append([None if part is None else part.float().cpu() for part in scores])
    whole, local, both = zip(*rows, strict=True)
    return Scores(torch.cat(whole), None if local[0] is None else torch.cat(local), torch.cat(both))


def _pad_words(tensor: torch.Tensor, length: int) -> torch.Tensor:
    padded = tensor.new_zeros(tensor.shape[0], length, *tensor.shape[2:])
    padded[:, : tensor.shape[1]] = tensor
    return padded


def chunks(studies: Iterable[Study], size: int) -> Iterator[list[Study]]:
    """Lists of `size` studies; the last may be shorter."""
    chunk: list[Study] = []
    for study in studies:
        chunk.append(study)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
