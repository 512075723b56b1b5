"""Made-up radiographs for `write_tiny` of the loaders. Nothing in them is of a person."""

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pydicom
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from .splits import split_of_patient


def draw_chest(
    number: int, height: int = 122, width: int = 98, *, lateral: bool = False
) -> np.ndarray:
    """uint8 (height, width): a bright body, two dark lungs (one from the side), a bright heart.

    Args:
        number: another number gives other noise, so that no two images are the same file.
    """
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    shade = 0.75 - 0.25 * (x**2 + 0.3 * y**2)
    for middle in [0.0] if lateral else [-0.45, 0.45]:
        shade -= 0.45 * (((x - middle) / 0.33) ** 2 + (y / 0.7) ** 2 < 1)
    shade += 0.3 * (((x - 0.15) / 0.3) ** 2 + ((y - 0.3) / 0.25) ** 2 < 1)
    noise = np.random.default_rng(number).normal(0, 0.02, shade.shape)
    return (np.clip(shade + noise, 0, 1) * 255).astype(np.uint8)


def patients_in(
    splits: Sequence[str],
    form: str,
    split_of: Callable[[str], str] = split_of_patient,
    start: int = 0,
) -> list[str]:
    """A patient id for each split named, by the hash that the loader will divide them with.

    Args:
        form: of the ids, with a place for a number that counts up from
            `start`: "{:08x}-tiny".
    """
    waiting: dict[str, list[str]] = {split: [] for split in splits}
    ids, patients = map(form.format, count(start)), []
    for split in splits:
        while not waiting[split]:
            patient = next(ids)
            waiting.setdefault(split_of(patient), []).append(patient)
        patients.append(waiting[split].pop(0))
    return patients


def write_image(path: Path, pixels: np.ndarray) -> Path:
    """Write PNG, JPEG or DICOM by the ending; folders are made.

    Args:
        pixels: uint8 (H, W), or uint16 for 12-bit DICOM.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".dcm", ".dicom"):
        _write_dicom(path, pixels)
    else:
        Image.fromarray(pixels).save(path, quality=95)  # PNG has no quality and ignores it
    return path


def write_table(path: Path, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write a CSV; folders are made.

    Args:
        columns: the header line.
        rows: with a cell per column.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns.split(",")).to_csv(path, index=False)


def _write_dicom(path: Path, pixels: np.ndarray) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path.name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CR"
    dataset.PatientID = path.stem
    dataset.ViewPosition = "PA"
    bits = 8 if pixels.dtype == np.uint8 else 12
    dataset.set_pixel_data(pixels, "MONOCHROME2", bits, generate_instance_uid=False)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
