"""MS-CXR: phrases of MIMIC-CXR reports with the boxes that radiologists drew for them.

    root/MS_CXR_Local_Alignment_v1.1.0.csv     dicom_id, category_name, label_text, path, x, y, w,
                                               h, image_width, image_height [, split]
    mimic_root/files/p10/p10.../s5.../<dicom_id>.jpg          images of MIMIC-CXR-JPG

From https://physionet.org/content/ms-cxr/ and https://physionet.org/content/mimic-cxr-jpg/, both
with a credentialed account. A phrase may have several boxes, a row each: they are one study here.
Boxes are in pixels of the original image; on smaller copies of the images they are scaled.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from reclf.data.study import FractionBox

from .base import Loader, Row
from .boxes import read_boxes
from .masks import FilledBoxes
from .parts import Part, find_parts, read_table
from .problems import refuse
from .splits import split_name
from .tiny import draw_chest, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {("MS_CXR_Local_Alignment_*.csv",): {}}
CATEGORIES = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Lung Opacity", "Pleural Effusion",
    "Pneumonia", "Pneumothorax",
)  # fmt: skip
_COLUMNS = (
    "dicom_id", "category_name", "label_text", "path", "x", "y", "w", "h", "image_width",
    "image_height",
)  # fmt: skip
_TABLE = Part(
    ("MS_CXR_Local_Alignment_v*.csv",), "with MS-CXR, https://physionet.org/content/ms-cxr/"
)
_IMAGES = Part(
    ("files",),
    "with MIMIC-CXR-JPG, https://physionet.org/content/mimic-cxr-jpg/ [option mimic_root]",
)


class MsCxr(Loader):
    """One study per phrase of an image: the phrase as its report, its boxes, and their union as a
    mask that is called like the category.

    Args:
        split: v1.1.0 has train, val and test; earlier versions have "test" alone. These are not
            the splits of MIMIC-CXR: leave the patients out of pre-training (`patients`).
        mimic_root: folder of MIMIC-CXR-JPG; None takes the root.
        headers: check that every box lies inside its image.

    Labels: 1 for the category of the phrase, NaN for the others, which nobody judged. Study.meta
    has dicom_id and category.

    Attributes:
        patients: of all splits, to be left out of training.
    """

    title = "MS-CXR"
    ids_of = "mimic_cxr"

    def __init__(
        self, root: str | Path, split: str = "test", image_size: int = 224, **options: Any
    ):
        super().__init__(root, split, image_size, **options)

    def read_rows(self, root: Path, *, mimic_root: str | Path | None = None) -> Iterator[Row]:
        mimic_root = root if mimic_root is None else Path(mimic_root)
        parts = {"table": _TABLE, "images": replace(_IMAGES, root=mimic_root)}
        path_of_table = find_parts(__name__, self.title, root, parts)["table"]
        table = read_table(path_of_table, _COLUMNS).drop_duplicates(ignore_index=True)
        if "split" not in table:
            table["split"] = "test"
        unknown = sorted(set(table["category_name"]) - set(CATEGORIES))
        advice = f"The categories are: {', '.join(CATEGORIES)}."
        refuse(path_of_table, "unknown category", unknown, advice)

        subjects = {Path(path).parent.parent.name for path in table["path"]}
        self.patients = sorted(subject.removeprefix("p") for subject in subjects)
        keys = ["dicom_id", "category_name", "label_text"]
        number_of: dict[str, int] = {}
        boxes_of = _boxes(table, path_of_table)
        for (image, category, phrase), part in table.groupby(keys, sort=False):
            number_of[image] = number_of.get(image, -1) + 1
            path = mimic_root / part["path"].iloc[0]
            boxes = tuple(boxes_of[row] for row in part.index)
            yield Row(
                study_id=f"{image}-{number_of[image]}",
                patient_id=path.parent.parent.name.removeprefix("p"),
                split=split_name(part["split"].iloc[0]),
                image=path,
                report=phrase,
                labels={name: 1.0 if name == category else float("nan") for name in CATEGORIES},
                masks={category: FilledBoxes(boxes)},
                boxes=boxes,
                meta={"dicom_id": image, "category": category},
            )


def _boxes(table: pd.DataFrame, path: Path) -> list[FractionBox]:
    """The box of every row, in fractions of the image: the file may be a smaller copy."""
    stated = table[["image_width", "image_height"]].apply(pd.to_numeric, errors="coerce")
    wrong = table.loc[~(stated > 0).all(axis=1), "dicom_id"]
    refuse(path, "image without its width and height", wrong, "See the release.")
    columns = ["category_name", "x", "y", "w", "h"]
    boxes = read_boxes(table[columns].itertuples(name=None), path)
    return [
        FractionBox(box.label, box.x / w, box.y / h, box.width / w, box.height / h)
        for (box,), (w, h) in zip(boxes.values(), stated.to_numpy(), strict=True)
    ]


def write_tiny(root: str | Path) -> Path:
    """Write 12 made-up phrases on 9 images of 120 x 100; the first phrase has two boxes, and three
    images have two phrases. Two images lie at half their stated size."""
    root, rows = Path(root), []
    phrases = ("small left effusion", "the heart is enlarged", "patchy right basal opacity")
    categories = ("Pleural Effusion", "Cardiomegaly", "Lung Opacity")
    for number in range(9):
        image, subject = f"{number:08x}-tiny", f"1{number:07d}"
        path = f"files/p{subject[:2]}/p{subject}/s5{number:07d}/{image}.jpg"
        half = 2 if number in (1, 4) else 1
        write_image(root / path, draw_chest(number, 120 // half, 100 // half))
        split = ("train", "val", "test")[number // 3]
        for phrase in range(1 + (number % 3 == 0)):
            kind = (number + phrase) % 3
            for box in [(60, 70, 30, 40), (10, 80, 20.5, 30)][: 1 + (number + phrase == 0)]:
                rows.append((image, categories[kind], phrases[kind], path, *box, 100, 120, split))
    columns = ",".join([*_COLUMNS, "split"])
    write_table(root / "MS_CXR_Local_Alignment_v1.1.0.csv", columns, rows)
    return root
