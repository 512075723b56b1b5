"""RSNA Pneumonia Detection Challenge (Kaggle 2018, stage 2): boxes on chest radiographs.

    root/stage_2_train_images/<patientId>.dcm         1024 x 1024, one image per patient
    root/stage_2_train_labels.csv                     patientId, x, y, width, height, Target
    root/stage_2_detailed_class_info.csv              patientId, class

The table of labels has a row per box, and one without numbers where Target is 0. From
https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data. The challenge never published
labels of its test images with the data, so that all three splits here come from the 26,684 training
images. They are NIH ChestX-ray14 images: keep them apart from a model trained on those.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from reclf.data.study import Box

from .base import Loader, LoaderOptions, Row
from .boxes import read_boxes
from .masks import FilledBoxes
from .parts import Part, find_parts, read_split_file, read_table
from .problems import DataProblems
from .splits import split_of_patient
from .tiny import draw_chest, patients_in, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {("stage_2_train_labels.csv*",): {}}
OPACITY, NORMAL, OTHER = CLASSES = ("Lung Opacity", "Normal", "No Lung Opacity / Not Normal")
_SIDES = ["x", "y", "width", "height"]
_COLUMNS = ["patientId", *_SIDES, "Target"]
_SOURCE = "with the challenge, https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"
_PARTS = {
    "labels": Part(("stage_2_train_labels.csv",), _SOURCE),
    "classes": Part(("stage_2_detailed_class_info.csv",), _SOURCE),
    "images": Part(("stage_2_train_images",), _SOURCE),
}


class Rsna(Loader):
    """One study per image; boxes and their filled union as a mask, both called "Pneumonia".

    A study without pneumonia has an empty mask, for the readers looked and marked nothing.

    Args:
        split: 80/10/10 by a hash of patientId unless split_file says.
        labels: "target" for one label, Pneumonia; "detailed" for the three classes.
        negatives: "all", or "normal" to leave out "No Lung Opacity / Not Normal": the choice moves
            a zero-shot AUROC by several points, and decides whether 26,684 or 14,863 are left.
        split_file: CSV with columns image (patientId) and split, relative to the root.

    Study.meta has the detailed class.
    """

    title = "RSNA Pneumonia"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(
        self,
        root: Path,
        *,
        labels: str = "target",
        negatives: str = "all",
        split_file: str | None = None,
    ) -> Iterator[Row]:
        for option, value, allowed in [
            ("labels", labels, ("target", "detailed")),
            ("negatives", negatives, ("all", "normal")),
        ]:
            if value not in allowed:
                raise ValueError(f"{option} must be one of {allowed}, got {value!r}")
        paths = find_parts(__name__, self.title, root, _PARTS)
        table = read_table(paths["labels"], _COLUMNS)
        info = read_table(paths["classes"], ["patientId", "class"])
        class_of = dict(zip(info["patientId"], info["class"], strict=True))
        boxes = _boxes(table, class_of, paths["labels"])
        split_of = read_split_file(root, split_file, split_of_patient)
        for patient, marked in boxes.items():
            kind = class_of[patient]
            if kind == OTHER and negatives == "normal":
                continue
            target = {"Pneumonia": float(bool(marked))}
            detailed = {name: float(name == kind) for name in CLASSES}
            yield Row(
                study_id=patient,
                patient_id=patient,
                split=split_of(patient),
                image=paths["images"] / f"{patient}.dcm",
                labels=target if labels == "target" else detailed,
                masks={"Pneumonia": FilledBoxes(marked)},
                boxes=marked,
                meta={"class": kind},
            )


def _boxes(table: pd.DataFrame, class_of: dict[str, str], path: Path) -> dict[str, tuple[Box, ...]]:
    """patientId -> its boxes, from rows that must agree with Target and the detailed class."""
    wrong: dict[str, list[str]] = {}
    # A row that stands twice, as in a table joined with itself, is one box.
    table = table[_COLUMNS].drop_duplicates().assign(label="Pneumonia")
    marked = table[_SIDES].ne("").any(axis=1)
    unfit = table.loc[marked != (table["Target"] == "1"), "patientId"]
    if len(unfit):
        wrong["Target that does not fit the box"] = list(unfit)
    rows = table.loc[marked, ["patientId", "label", *_SIDES]].itertuples(index=False)
    boxes = dict.fromkeys(table["patientId"], ()) | read_boxes(rows, path)
    for patient, marked in boxes.items():
        kind = class_of.get(patient)
        if kind not in CLASSES:
            wrong.setdefault("patient without detailed class", []).append(f"{patient}: {kind}")
        elif (kind == OPACITY) != bool(marked):
            wrong.setdefault("class that does not fit Target", []).append(f"{patient}: {kind}")
    if wrong:
        raise DataProblems(str(path), wrong, "Both tables must be of stage 2; download them again.")
    return boxes


def write_tiny(root: str | Path) -> Path:
    """Write 24 made-up DICOM files of 128 x 128 with the two tables: 12 of train, 6 of val and 6 of
    test, with as many of each class."""
    root = Path(root)
    labels, classes = [], []
    splits = [split for split in ("test", "train", "val", "train") * 2 for _ in CLASSES]
    for number, patient in enumerate(patients_in(splits, "{:08x}-tiny")):
        kind = CLASSES[number % 3]
        path = root / "stage_2_train_images" / f"{patient}.dcm"
        write_image(path, draw_chest(number, 128, 128))
        boxes = [(16 + number, 40, 24, 32), (80, 60.5, 20, 30)] if kind == OPACITY else [("",) * 4]
        for x, y, width, height in boxes:
            target = int(kind == OPACITY)
            labels.append((patient, x, y, width, height, target))
            classes.append((patient, kind))  # the real table repeats a patient per box, too
    write_table(root / "stage_2_train_labels.csv", ",".join(_COLUMNS), labels)
    write_table(root / "stage_2_detailed_class_info.csv", "patientId,class", classes)
    return root
