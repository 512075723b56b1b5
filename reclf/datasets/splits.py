"""Splits of a data set: their names, and patients divided by a hash where no list is published."""

import hashlib

SPLITS = ("train", "val", "test")
_NAMES = {
    "training": "train", "validate": "val", "validation": "val", "valid": "val", "dev": "val",
    "testing": "test",
}  # fmt: skip


def split_name(text: str) -> str:
    """The project's name of a split: "validate", "Valid" and "dev" are "val"."""
    name = text.strip().lower()
    return _NAMES.get(name, name)


def split_of_patient(patient_id: str) -> str:
    """train, val or test (80/10/10) by a hash of the patient: no seed, the same on every machine
    and unchanged for old patients when new ones come."""
    digest = hashlib.blake2b(patient_id.encode(), digest_size=8).digest()
    tenth = int.from_bytes(digest, "big") % 10
    return "train" if tenth < 8 else SPLITS[tenth - 7]


def val_of_patient(patient_id: str) -> str:
    """train or val (90/10) by the same hash, for releases that have a test set and no val."""
    return "val" if split_of_patient(patient_id) == "val" else "train"
