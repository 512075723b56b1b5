"""Image features of studies, computed once and kept; probes work on them.

studies --model, in eval mode--> image features (n), text features (n)
"""

import hashlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reclf.config.foreign_files import DamagedFile, read_arrays
from reclf.data.study import Study
from reclf.models.inference import chunks, encode_pixels, stack_images
from reclf.models.reclf import RECLF
from reclf.runs.files import unless_read_only, write_atomically
from reclf.runs.progress import track

MOST_FEATURES = 2**35  # bytes: of 200,000 films and three encoders some 5 GB
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

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, labels=self.labels, **texts, **arrays)  # type: ignore[arg-type]

        write_atomically(path, write)

    @classmethod
    def load(cls, path: Path) -> "Pooled":
        arrays = read_arrays(path, MOST_FEATURES)
        features = {
            name.removeprefix("features/"): array
            for name, array in arrays.items()
            if name.startswith("features/")
        }
        try:
            texts = {key: tuple(str(text) for text in arrays[key]) for key in _TEXTS}
            return cls(features, arrays["labels"], **texts)
        except (KeyError, TypeError) as error:
            raise DamagedFile(path, f"no features: {error!r}") from error


def held_out(patients: Sequence[str]) -> np.ndarray:
    """bool (n,), True for the studies of about a fifth of the patients, by a hash of the patient:
    what chooses hyper-parameters where a data set has no split for it."""
    digests = [hashlib.blake2b(p.encode(), digest_size=4).digest() for p in patients]
    return np.array([int.from_bytes(digest, "big") % 5 == 0 for digest in digests])


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
        try:
            return Pooled.load(cache)
        except DamagedFile as error:
            warnings.warn(f"{error}. They are computed again", stacklevel=2)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in models}
    labels: list[Mapping[str, float]] = []
    ids: list[str] = []
    patients: list[str] = []
    for chunk in chunks(track(studies, progress), batch_size):
        pixels = stack_images(chunk)
        for name, model in models.items():
            parts[name].append(encode_pixels(model, pixels).pooled.cpu().numpy())
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
        with unless_read_only(cache.parent.parent):
            result.save(cache)
    return result
