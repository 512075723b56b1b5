"""VinDr-CXR 1.0.0: 18,000 frontal radiographs with boxes and labels by radiologists.

    root/train/<image_id>.dicom, root/test/<image_id>.dicom
    root/annotations/image_labels_train.csv     image_id, rad_id, 28 labels: three readers an image
    root/annotations/image_labels_test.csv      image_id, 28 labels: their consensus
    root/annotations/annotations_{train,test}.csv
                                   image_id, rad_id (train), class_name, x_min, y_min, x_max, y_max

From https://physionet.org/content/vindr-cxr/1.0.0/ with a credentialed account. In train, three of
seventeen radiologists read each image, and `agreement` says how many must have seen a finding.
Patients are not named: every image is a patient of its own here, which nobody outside can check.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from reclf.data.study import Box

from .base import Loader, LoaderOptions, Row
from .boxes import read_boxes
from .parts import Part, find_parts, read_table
from .problems import refuse
from .splits import val_of_patient
from .tiny import draw_chest, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {("annotations/image_labels_train.csv*",): {}}
_SOURCE = "with VinDr-CXR, https://physionet.org/content/vindr-cxr/1.0.0/"
_SPELT = {"Other disease": "Other diseases"}  # the two tables differ
_SIDES = ["x_min", "y_min", "x_max", "y_max"]


class VinDr(Loader):
    """One study per image.

    Args:
        split: the release has no val: here it is a tenth of train.
        agreement: readers (1 to 3) who must have seen a finding for its label to be 1 and its
            boxes to be kept; 2 is the majority. Test is a consensus already.

    Every reader's box of a finding that is kept stays: one lesion may have three boxes, which
    overlap. Study.labels has the columns of the table, "No finding" among them.
    """

    title = "VinDr-CXR"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(self, root: Path, *, agreement: int = 2) -> Iterator[Row]:
        if agreement not in (1, 2, 3):
            raise ValueError(f"agreement must be 1, 2 or 3 readers, got {agreement!r}")
        parts = {}
        for key in ("train", "test"):
            parts[key] = Part((key,), _SOURCE)
            for kind in ("image_labels", "annotations"):
                parts[f"{kind}_{key}"] = Part((f"annotations/{kind}_{key}.csv",), _SOURCE)
        paths = find_parts(__name__, self.title, root, parts)
        names: list[str] = []
        for key, needed in (("train", agreement), ("test", 1)):
            counts = _counts(paths[f"image_labels_{key}"], names, needed)
            names = list(counts.columns)
            boxes = _boxes(paths[f"annotations_{key}"], counts, needed)
            for image, seen in zip(counts.index, counts.to_numpy() >= needed, strict=True):
                yield Row(
                    study_id=image,
                    patient_id=image,
                    split=val_of_patient(image) if key == "train" else "test",
                    image=paths[key] / f"{image}.dicom",
                    labels=dict(zip(names, map(float, seen), strict=True)),
                    boxes=boxes.get(image, ()),
                )


def _counts(path: Path, names: Sequence[str], needed: int) -> pd.DataFrame:
    """image_id x label: how many readers gave it. `names`: the labels that must be there; `needed`:
    the readers that every image must have."""
    table = read_table(path, ["image_id"]).rename(columns=_SPELT)
    if "rad_id" in table:
        pairs = Counter(zip(table["image_id"], table["rad_id"], strict=True))
        twice = [f"{image} by {reader}" for (image, reader), n in pairs.items() if n > 1]
        advice = "Every reader has one row for an image; take the repeated ones out."
        refuse(path, "image twice by one reader", twice, advice)
        readers = table.groupby("image_id", sort=False).size()
        few = [f"{image} ({n})" for image, n in readers.items() if n < needed]
        advice = f"A label counts where {needed} readers gave it (option agreement)."
        refuse(path, "image with too few readers", few, advice)
    labels = table.drop(columns=["image_id", "rad_id"], errors="ignore")
    if names:
        differ = sorted(set(labels) ^ set(names))
        advice = "Both tables of image labels must have the same labels."
        refuse(path, "label that only one table has", differ, advice)
    wrong = [
        f"{name} = {cell!r}"
        for name in labels
        for cell in sorted(set(labels[name].unique()) - {"0", "1"})
    ]
    refuse(path, "cell that is no label", wrong, "A label is 1 or 0.")
    counts = labels.astype(np.int8).groupby(table["image_id"], sort=False).sum()
    return counts[list(names)] if names else counts


def _boxes(path: Path, counts: pd.DataFrame, needed: int) -> dict[str, tuple[Box, ...]]:
    table = read_table(path, ["image_id", "class_name", *_SIDES])
    table["class_name"] = table["class_name"].replace(_SPELT)
    table = table[table[_SIDES].ne("").any(axis=1)]  # "No finding" has none
    unknown = sorted(set(table["class_name"]) - set(counts.columns))
    unknown += sorted(set(table["image_id"]) - set(counts.index))
    advice = "Annotations and image labels must be of one release."
    refuse(path, "class or image without image labels", unknown, advice)
    readers = counts.stack().to_dict()
    rows = table[["image_id", "class_name", *_SIDES]].itertuples(index=False)
    kept = (row for row in rows if readers[row[0], row[1]] >= needed)
    return read_boxes(kept, path, form="xyxy")


def write_tiny(root: str | Path) -> Path:
    """Write 26 made-up 12-bit DICOM files of 130 x 110 (20 of train) with four of the 28 labels.

    In train, image n has Cardiomegaly by n % 4 readers and Nodule/Mass by one reader or none.
    """
    root = Path(root)
    names = ["Cardiomegaly", "Nodule/Mass", "Other diseases", "No finding"]
    for key, count in (("train", 20), ("test", 6)):
        labels: list[tuple] = []
        boxes: list[tuple] = []
        ids = ["image_id", "rad_id"] if key == "train" else ["image_id"]
        for number in range(count):
            image = f"{key}{number:028x}"
            pixels = draw_chest(number + 100 * (key == "test"), 130, 110).astype(np.uint16)
            write_image(root / key / f"{image}.dicom", pixels * 16)
            for reader in range(3 if key == "train" else 1):
                name = (image, f"R{reader + 1}")[: len(ids)]
                heart, mass = int(number % 4 > reader), int(number % 2 == 1 and reader == 0)
                given = [heart, mass, 0, int(not heart and not mass)]
                labels.append((*name, *given))
                if heart:
                    boxes.append((*name, names[0], 30 + reader, 60, 90, 100.5))
                if mass:
                    boxes.append((*name, names[1], 10, 20, 30, 45))
                if given[3]:
                    boxes.append((*name, names[3], "", "", "", ""))
        # "Other disease" in one of the tables, as in the release
        spelt = [n if key == "train" else n.replace("diseases", "disease") for n in names]
        folder = root / "annotations"
        write_table(folder / f"image_labels_{key}.csv", ",".join([*ids, *spelt]), labels)
        columns = ",".join([*ids, "class_name", *_SIDES])
        write_table(folder / f"annotations_{key}.csv", columns, boxes)
    return root
