"""CheXpert (Stanford), v1.0 or v1.0-small, and the CheXpert 5x200 gallery made from it.

    root/train.csv, valid.csv      Path, Sex, Age, Frontal/Lateral, AP/PA, 14 labels: 1, 0, -1, ""
    root/train/patient00001/study1/view1_frontal.jpg, root/valid/...
    root/groundtruth.csv           Study, 14 labels     (or test.csv / test_labels.csv with Path)
    root/test/patient64741/study1/view1_frontal.jpg     (official test, 500 studies)
    root/chexpert_5x200.json       what `make_5x200` wrote
    root/CheXpert-v1.0 batch 2 (train 1)/patient00001/...       or the batches as they unpack, with
    root/CheXpert-v1.0 batch 1 (validate & csv)/train.csv, valid.csv, valid/...

Paths in the tables begin with the name of the release, which is taken off. From
https://stanfordmlgroup.github.io/competitions/chexpert/ after registration.

Reports are in CheXpert Plus, which has the same images: its table df_chexpert_plus_240401.csv has
path_to_image and a column per section, section_findings, section_impression, ... (option reports).

CheXpert 5x200 is drawn by `make_5x200`, see gallery_5x200.py.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reclf.data.sections import REPORT_SECTIONS, pick_sections

from .base import Loader, LoaderOptions, Row
from .gallery_5x200 import SPLIT, class_labels, draw_5x200, gallery_of
from .labels import CHEXPERT_LABELS, COMPETITION_LABELS, blank_value, label_rows, uncertain_values
from .parts import Part, find_parts, read_table
from .problems import DataProblems, refuse
from .splits import val_of_patient
from .tiny import draw_chest, patients_in, write_image, write_table

# How data_check recognises the layout: patterns that must all match -> options of the class.
FILES: dict[tuple[str, ...], dict] = {
    ("train.csv*", "valid.csv*", "train/patient*"): {},
    ("train.csv*", "valid.csv*", "CheXpert*batch*/patient*"): {},
    ("CheXpert*batch*/train.csv*", "CheXpert*batch*/patient*"): {},
}
GALLERY = "chexpert_5x200.json"
PLUS = "df_chexpert_plus_240401.csv"
_SOURCE = "with CheXpert, https://stanfordmlgroup.github.io/competitions/chexpert/"
_TABLES = {
    "train": Part(("train.csv", "CheXpert*batch*/train.csv"), _SOURCE, called="train.csv"),
    "valid": Part(("valid.csv", "CheXpert*batch*/valid.csv"), _SOURCE, called="valid.csv"),
    "test": Part(("groundtruth.csv", "test.csv", "test_labels.csv"), _SOURCE),
}
_PLUS = "with CheXpert Plus, https://aimi.stanford.edu/datasets/chexpert-plus"


class CheXpert(Loader):
    """One study per image; several images of an examination are several studies.

    Args:
        root: folder that holds train.csv, or the batches with it.
        split: "train", "val", "test", or "5x200" for the images of the gallery, labelled with the
            five competition classes.
        splits: "official": train.csv, valid.csv, and the test set of 500 studies, which only the
            later release has. "probe", as published linear probes divide it: train.csv by patient
            into train and val (90/10), and valid.csv (234 images) as test.
        views: values of Frontal/Lateral to keep.
        uncertain: what -1 becomes: "nan", "zero", "one", or label -> one of these, e.g.
            `labels.GLORIA_UNCERTAIN`.
        blank: what an empty cell becomes, "nan" or "zero".
        reports: table of CheXpert Plus, relative to the root, for images with their reports.
        sections: of the report, in the order wanted.
        how: "join", "first" or "longest", see `sections.pick_sections`.
        gallery: a JSON of `make_5x200`, relative to the root. Its patients are left out of train
            and val if the file is there; "" leaves nobody out.
        on_problem: not every study has a report with text: "skip" leaves out those without.

    Attributes:
        gallery_hash: of the gallery in use, "" without one.
    """

    title = "CheXpert"
    defaults = LoaderOptions(headers=False)
    with_reports = False
    absent: Mapping[str, str] = {
        "test": "A release without groundtruth.csv has no test set: splits='probe' reports on "
        "valid.csv, as published probes do"
    }

    def read_rows(
        self,
        root: Path,
        *,
        splits: str = "official",
        views: Sequence[str] = ("Frontal",),
        uncertain: str | Mapping[str, str] = "nan",
        blank: str = "nan",
        reports: str | None = None,
        sections: Sequence[str] = REPORT_SECTIONS,
        how: str = "join",
        gallery: str = GALLERY,
    ) -> list[Row]:
        if splits not in ("official", "probe"):
            raise ValueError(f"splits must be 'official' or 'probe', got {splits!r}")
        values = uncertain_values(uncertain), blank_value(blank)
        make = f"{__name__}.make_5x200({str(root)!r})"
        chosen = gallery_of(root, gallery, self.wanted, make, GALLERY)
        self.gallery_hash, self.reserved = chosen["hash"], chosen["patients"]
        self.with_reports = reports is not None
        place, rows = _places(root), []
        if SPLIT in self.wanted:
            rows = [_gallery_row(place, item) for item in chosen["images"]]
        if self.wanted != {SPLIT}:
            train, valid = (_read(root, key, views) for key in ("train", "valid"))
            self.view_counts = Counter(train.attrs["views"]) + Counter(valid.attrs["views"])
            learned = _rows(place, train, values, "train")
            if splits == "probe":
                learned = [r._replace(split=val_of_patient(r.patient_id)) for r in learned]
            rows += learned + _rows(place, valid, values, "val" if splits == "official" else "test")
            if splits == "official" and "test" in self.wanted and _TABLES["test"].find(root):
                rows += _rows(place, _read(root, "test", views), values, "test")
        if reports is None:
            return rows
        texts = _reports(root, reports, sections, how)
        return [row._replace(report=texts.get(row.study_id, "")) for row in rows]


def _read(root: Path, key: str, views: Sequence[str]) -> pd.DataFrame:
    """The table with columns Path (below the root), patient, and the labels."""
    path = find_parts(__name__, "CheXpert", root, {key: _TABLES[key]})[key]
    table = read_table(path, CHEXPERT_LABELS)
    if "Path" not in table and "Study" in table:  # groundtruth.csv has a row per examination
        table["Path"] = [_images_of(root, study) for study in table["Study"]]
        table = table.explode("Path", ignore_index=True)
    elif "Path" not in table or ("Frontal/Lateral" not in table and key != "test"):
        read_table(path, ["Path", "Frontal/Lateral"])  # which names what is missing
    table["Path"] = [_below_release(path) for path in table["Path"]]
    table["patient"] = table["Path"].str.extract(r"(patient\d+)", expand=False).fillna("")
    if "Frontal/Lateral" not in table:
        lateral = table["Path"].str.contains("lateral")
        table["Frontal/Lateral"] = np.where(lateral, "Lateral", "Frontal")
    unnamed = table.loc[table["patient"] == "", "Path"]
    advice = "Splits go by patient, so that every path must name one."
    refuse(path, "path without patient", unnamed, advice)
    counts = table["Frontal/Lateral"].value_counts().to_dict()
    table = table[table["Frontal/Lateral"].isin(views)]
    unknown = [view for view in views if view not in (*counts, "Frontal", "Lateral")]
    if unknown or table.empty:
        named = ", ".join(unknown or views)
        raise ValueError(f"{path} has no image with Frontal/Lateral of {named}")
    table.attrs |= {"where": str(path), "views": counts}
    return table


def _below_release(path: str) -> str:
    first, _, rest = path.partition("/")
    return path if first in ("train", "valid", "test") else rest


def _images_of(root: Path, study: str) -> list[str]:
    """Paths of an examination's images; the examination's own path where there is none, which is
    then listed as missing."""
    folder = _below_release(study)
    found = sorted((root / folder).glob("*.jpg"))
    return [str(path.relative_to(root)) for path in found] or [f"{folder}/view1_frontal.jpg"]


def _places(root: Path) -> Callable[[str], Path]:
    """Path in the tables -> the file, which lies in the batch that has its patient, if one has."""
    patients: dict[str, str] = {}
    for batch in root.glob("CheXpert*batch*"):
        for folder, names, _ in os.walk(batch):
            found = [name for name in names if name.startswith("patient")]
            patients |= {name: os.path.join(folder, name) for name in found}
            names[:] = set(names) - set(found)  # their images need no walk

    def place(path: str) -> Path:
        _, patient, rest = [*path.split("/", 2), "", ""][:3]
        return Path(patients[patient], rest) if patient in patients else root / path

    return place


def _rows(
    place: Callable[[str], Path],
    table: pd.DataFrame,
    values: tuple[dict[str, float], float],
    split: str,
) -> list[Row]:
    labels = label_rows(table, *values, table.attrs["where"])
    columns = zip(table["Path"], table["patient"], table["Frontal/Lateral"], labels, strict=True)
    return [
        Row(path, patient, split, place(path), labels=of_row, meta={"view": view})
        for path, patient, view, of_row in columns
    ]


def _gallery_row(place: Callable[[str], Path], item: Mapping[str, str]) -> Row:
    path, kind = item["path"], item["class"]
    meta = {"class": kind, "view": "Frontal"}
    return Row(path, path.split("/")[1], SPLIT, place(path), labels=class_labels(kind), meta=meta)


def _reports(root: Path, name: str | Path, wanted: Sequence[str], how: str) -> dict[str, str]:
    """Path of an image in the tables -> its report, from the table of CheXpert Plus."""
    path = root / name
    if not path.is_file():
        raise DataProblems("CheXpert", {"missing reports": [str(path)]}, f"They come {_PLUS}.")
    columns = [f"section_{section}" for section in wanted]
    table = read_table(path, ["path_to_image", *columns])
    texts = table[columns].set_axis([*wanted], axis=1).to_dict("records")
    paths = map(_below_release, table["path_to_image"])
    return {p: pick_sections(text, wanted, how) for p, text in zip(paths, texts, strict=True)}


def make_5x200(
    root: str | Path, path: str | Path = GALLERY, *, per_class: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Draw a CheXpert 5x200 gallery from the frontal images of train.csv and write it as JSON, see
    `gallery_5x200.draw_5x200`.

    Args:
        root: folder that holds train.csv.
        path: file to write, relative to the root.
    """
    root = Path(root)
    table = _read(root, "train", ["Frontal"])
    labels = label_rows(table, uncertain_values("nan"), blank_value("zero"), table.attrs["where"])
    findings = pd.DataFrame(labels, index=table["Path"])
    patients = dict(zip(table["Path"], table["patient"], strict=True))
    images = "frontal train images"
    return draw_5x200(
        findings, patients, root / path, images=images, per_class=per_class, seed=seed
    )


def write_tiny(root: str | Path, *, reports: bool = False) -> Path:
    """Write 55 made-up images: 20 patients of train with a lateral view each, of whom the splits
    "probe" put 5 into val; 10 patients of valid, 5 of test. Each has one of the competition classes
    and half of the others as 0.

    Args:
        reports: write them too, as df_chexpert_plus_240401.csv, for train and valid.
    """
    root, rows = Path(root), []
    of_probe = ["train"] * 15 + ["val"] * 5
    patients = patients_in(of_probe, "patient{:05d}", val_of_patient, start=1)
    patients += [f"patient{number:05d}" for number in (*range(64541, 64551), *range(64741, 64746))]
    for number, patient in enumerate(patients):
        folder = "train" if number < 20 else "valid" if number < 30 else "test"
        has, others = number % 5, COMPETITION_LABELS[number % 2 :: 2]
        given = dict.fromkeys(("Pneumothorax", *others), "0.0") | {COMPETITION_LABELS[has]: "1.0"}
        if number in (10, 11):  # not for the 5x200 gallery
            given["Edema"] = "-1.0"
        for view in ("frontal", "lateral") if folder == "train" else ("frontal",):
            path = f"{folder}/{patient}/study1/view{1 + (view == 'lateral')}_{view}.jpg"
            write_image(root / path, draw_chest(number, lateral=view == "lateral"))
            labels = dict.fromkeys(CHEXPERT_LABELS, "") | given
            seen = view.capitalize(), "PA" if view == "frontal" else ""
            path = f"CheXpert-v1.0-small/{path}"
            rows.append((path, "Female", 40 + number, *seen, *labels.values()))
    columns = ["Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CHEXPERT_LABELS]
    table = pd.DataFrame(rows, columns=columns)
    for name in ("train", "valid"):
        part = table[table["Path"].str.contains(f"/{name}/")]
        part.to_csv(root / f"{name}.csv", index=False)
    test = table[table["Path"].str.contains("/test/")]
    test = test.assign(Study=test["Path"].str.rsplit("/", n=1).str[0].str.replace("-small", ""))
    test[["Study", *CHEXPERT_LABELS]].replace("", "0").to_csv(root / "groundtruth.csv", index=False)
    if reports:
        known = table[~table["Path"].str.contains("/test/")]
        texts = [
            (_below_release(path), f"Finding {number}.", f"{kind} of patient {number}.")
            for number, (path, kind) in enumerate(
                zip(
                    known["Path"],
                    known[[*COMPETITION_LABELS]].eq("1.0").idxmax(axis=1),
                    strict=True,
                )
            )
        ]
        write_table(root / PLUS, "path_to_image,section_findings,section_impression", texts)
    return root
