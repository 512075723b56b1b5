"""SIIM-ACR Pneumothorax: radiographs with masks as run lengths.

    root/train-rle.csv                                            ImageId," EncodedPixels"
    root/dicom-images-train/<study>/<series>/<ImageId>.dcm        1024 x 1024
     or root/stage_2_train.csv and root/stage_2_images/<ImageId>.dcm

Run lengths are relative and column-major (see `masks.RunLengths`); "-1" is a radiograph without
pneumothorax. **A radiograph with several regions has several rows**: the mask is where any of them
is, and it is one study, not several (12,954 rows, 12,047 images). From
https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation (stage 1: the Cloud Healthcare copy).
The two stages name the same images differently: never mix their tables and folders.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from reclf.data.dicom_files import open_dicom

from .base import Loader, LoaderOptions, Row
from .masks import RunLengths
from .parts import Part, find_parts, read_split_file, read_table
from .problems import refuse
from .splits import split_of_patient
from .tiny import draw_chest, patients_in, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {
    ("*train-rle*.csv*",): {"stage": 1},
    ("stage_2_train.csv*", "stage_2_images"): {"stage": 2},
}
_SOURCE = (
    "with the challenge, https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation/data; stage 1 "
    "is train-rle.csv with dicom-images-train, stage 2 is stage_2_train.csv with stage_2_images"
)
_STAGES: dict[int, dict[str, tuple[str, ...]]] = {
    1: {"table": ("train-rle.csv", "*train-rle*.csv"), "images": ("dicom-images-train",)},
    2: {"table": ("stage_2_train.csv",), "images": ("stage_2_images",)},
}


class Siim(Loader):
    """One study per image, with the label and the mask "Pneumothorax"; empty for negatives.

    Args:
        split: 80/10/10 by a hash of the patient unless split_file says.
        stage: 1 or 2, which files are read.
        patients: "image" takes every image as a patient of its own (the tables name none);
            "header" reads PatientID of every DICOM file, about a minute.
        split_file: CSV with columns image (ImageId) and split, relative to the root. Not every
            published list is sound: those of MRM and MaCo have 494 of 1,904 test images in train.
        on_problem: a few images of the table are not in the folders: "skip" leaves them out.
    """

    title = "SIIM-ACR Pneumothorax"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(
        self,
        root: Path,
        *,
        stage: int = 1,
        patients: str = "image",
        split_file: str | None = None,
    ) -> Iterator[Row]:
        if stage not in _STAGES:
            raise ValueError(f"stage must be 1 or 2, got {stage!r}")
        if patients not in ("image", "header"):
            raise ValueError(f"patients must be 'image' or 'header', got {patients!r}")
        parts = {key: Part(names, _SOURCE) for key, names in _STAGES[stage].items()}
        paths = find_parts(__name__, f"{self.title}, stage {stage}", root, parts)
        runs = _runs(read_table(paths["table"], ["ImageId", "EncodedPixels"]), paths["table"])
        files = {path.stem: path for path in paths["images"].rglob("*.dcm")}
        by_image = split_file is not None
        split_of = read_split_file(root, split_file, split_of_patient)
        for image, masks in runs.items():
            path = files.get(image, paths["images"] / f"{image}.dcm")
            patient = _patient(path) if patients == "header" and image in files else image
            yield Row(
                study_id=image,
                patient_id=patient,
                split=split_of(image if by_image else patient),
                image=path,
                labels={"Pneumothorax": float(bool(masks))},
                masks={"Pneumothorax": RunLengths(masks)},
            )


def _patient(path: Path) -> str:
    with path.open("rb") as file:
        header = open_dicom(file, stop_before_pixels=True, specific_tags=["PatientID"])
    return str(header.get("PatientID") or path.stem)


def _runs(table: pd.DataFrame, path: Path) -> dict[str, tuple[str, ...]]:
    """ImageId -> the run lengths of its regions, none for a negative."""
    runs: dict[str, list[str]] = {}
    negative = set()
    for image, cell in zip(table["ImageId"], table["EncodedPixels"], strict=True):
        masks = runs.setdefault(image, [])
        if cell.strip() in ("-1", "-1.0", ""):
            negative.add(image)
        else:
            masks.append(cell.strip())
    numbers = [(image, mask.split()) for image, masks in runs.items() for mask in masks]
    wrong = [i for i, cells in numbers if len(cells) % 2 or not all(map(str.isdecimal, cells))]
    refuse(path, "cell that is no run lengths", wrong, "Write pairs of gap and length, or -1.")
    both = [image for image in sorted(negative) if runs[image]]
    refuse(path, "image with -1 and a mask", both, "An image is either -1 or has regions.")
    return {image: tuple(masks) for image, masks in runs.items()}


def encode_runs(mask: np.ndarray) -> str:
    """The run lengths of a bool mask (H, W), as the table has them; "-1" for an empty mask."""
    columns = np.concatenate([[False], mask.T.ravel(), [False]])
    edges = np.flatnonzero(columns[1:] != columns[:-1])  # start, end, start, end, ...
    if not len(edges):
        return "-1"
    return " ".join(str(length) for length in np.diff(edges, prepend=0))


def write_tiny(root: str | Path) -> Path:
    """Write 24 made-up DICOM files of 64 x 64, 16 of train, 4 of val and 4 of test: every second is
    negative, and every fourth has two regions in two rows."""
    root = Path(root)
    rows = []
    splits = [
        split for split in ("train", "train", "val", "test", "train", "train") for _ in "1234"
    ]
    for number, image in enumerate(patients_in(splits, "1.2.276.0.{}")):
        folder = root / "dicom-images-train" / f"{image}.1" / f"{image}.2"
        write_image(folder / f"{image}.dcm", draw_chest(number, 64, 64))
        regions = [] if number % 2 else [(8, 4), (40, 44)][: 1 + (number % 4 == 0)]
        for top, left in regions:
            mask = np.zeros((64, 64), dtype=bool)
            mask[top : top + 6, left : left + 10] = True
            rows.append((image, " " + encode_runs(mask)))
        if not regions:
            rows.append((image, " -1"))
    write_table(root / "train-rle.csv", "ImageId, EncodedPixels", rows)
    return root
