"""Hashes of patients: whether two data sets, or a training and a test, have one in common.

Ids belong to a data set: equal ids of two are two patients, unless one states in `ids_of` that its
ids are those of the other, as MS-CXR's are MIMIC-CXR's.
"""

import hashlib
from typing import Any

from .registry import find_dataset


def patient_hashes(dataset: str, data: Any) -> dict[str, str] | None:
    """Study -> hash of its patient, for a data set that has `patient_of`; None for another.

    Args:
        dataset: name or import string of `data`.
    """
    if not hasattr(data, "patient_of"):
        return None
    made_by = data
    if hasattr(data, "recipe"):  # a prepared copy, whose file must not name code to import
        dataset = data.recipe.dataset
        made_by = None if ":" in dataset else find_dataset(dataset, {})
    space = getattr(made_by, "ids_of", "") or dataset
    return {study: _hash(f"{space} {patient}") for study, patient in data.patient_of.items()}


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
