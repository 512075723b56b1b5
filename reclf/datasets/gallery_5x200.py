"""A gallery of five classes, as CheXpert 5x200: drawn by a seed, kept as JSON, read as a split.

    findings of the images of train --one class alone, seed--> draw_5x200 -> JSON -> read_5x200

There is no one published list: GLoRIA drew CheXpert 5x200 without a seed. This follows its rule
with one, and writes images, patients and a hash that results can name. The patients of a gallery
that lies in the root of a data set are left out of what may be trained on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reclf.config.foreign_files import read_json
from reclf.runs.files import write_json

from .labels import COMPETITION_LABELS
from .problems import DataProblems

SPLIT = "5x200"
NOBODY: dict[str, Any] = {"hash": "", "patients": [], "images": []}  # without a gallery


def draw_5x200(
    findings: pd.DataFrame,
    patients: Mapping[str, str],
    path: Path,
    *,
    images: str,
    per_class: int,
    seed: int,
) -> dict[str, Any]:
    """Draw a gallery and write it as JSON.

    An image belongs to one of the five competition classes if its label is 1 and every other
    finding is 0 ("No Finding" is not asked, an uncertain finding excludes).

    Args:
        findings: (images, labels): 1, 0 or NaN for uncertain, by the name of the image.
        patients: image -> patient.
        path: file to write.
        images: what they are, for the rule in the file: "frontal train images".

    Returns:
        As written: rule, seed, per_class, pool (class -> images to draw from), images (path and
        class), patients, hash of the images and classes.
    """
    findings = findings.drop(columns="No Finding")
    findings = findings.sort_index()  # the draw must not depend on the order of the table
    drawn, pool = [], {}
    for number, name in enumerate(COMPETITION_LABELS):
        # NaN is unequal to 0.
        alone = (findings[name] == 1) & (findings.drop(columns=name) == 0).all(axis=1)
        names = findings.index[alone]
        pool[name] = len(names)
        if len(names) < per_class:
            raise ValueError(
                f"{path.parent} has {len(names)} images with {name} as the only finding, "
                f"per_class={per_class} asks for more"
            )
        rng = np.random.default_rng([seed, number])
        drawn += [
            {"path": str(names[i]), "class": name}
            for i in sorted(rng.choice(len(names), per_class, replace=False))
        ]
    gallery = {
        "rule": f"{images}; the class is 1, all other findings 0 or blank",
        "seed": seed,
        "per_class": per_class,
        "pool": pool,
        "hash": _hash(drawn),
        "patients": sorted({patients[item["path"]] for item in drawn}),
        "images": drawn,
    }
    write_json(path, gallery)
    return gallery


def read_5x200(path: Path, make: str = "make_5x200") -> dict[str, Any]:
    """A gallery that `draw_5x200` wrote; refuses one whose images are not those of its hash.

    Args:
        make: what makes it, for the error.
    """
    if not path.is_file():
        advice = f"Make it: {make}."
        raise DataProblems("the gallery 5x200", {"missing file": [str(path)]}, advice)
    try:
        gallery = read_json(path)
        found, stated = _hash(gallery["images"]), gallery["hash"]
    except (ValueError, LookupError, TypeError) as error:
        raise DataProblems(
            str(path), {"damaged gallery": [str(error)]}, f"Make it again: {make}."
        ) from error
    if found != stated:
        raise ValueError(
            f"the images of {path} give the hash {found} and it states {stated}: the file "
            f"was changed by hand; make it again: {make}"
        )
    return gallery


def gallery_of(
    root: Path, gallery: str, wanted: set[str], make: str, default: str
) -> dict[str, Any]:
    """The gallery of a data set, read if its file is there, it is not the default one, or its split
    is wanted; else one of nobody."""
    is_used = gallery and (gallery != default or (root / gallery).is_file() or SPLIT in wanted)
    return read_5x200(root / gallery, make) if is_used else NOBODY


def class_labels(kind: str) -> dict[str, float]:
    """1 for the class of an image of a gallery, 0 for the other four."""
    return {name: float(name == kind) for name in COMPETITION_LABELS}


def _hash(images: Sequence[Mapping[str, str]]) -> str:
    lines = sorted(f"{item['class']} {item['path']}" for item in images)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()
