"""CheXpert (Stanford), v1.0 or v1.0-small, and the CheXpert 5x200 gallery made from it.

    root/train.csv, valid.csv      Path, Sex, Age, Frontal/Lateral, AP/PA, 14 labels: 1, 0, -1, ""
    root/train/patient00001/study1/view1_frontal.jpg, root/valid/...
    root/groundtruth.csv           Study, 14 labels     (or test.csv / test_labels.csv with Path)
    root/test/patient64741/study1/view1_frontal.jpg     (official test, 500 studies)
    root/chexpert_5x200.json       what `make_5x200` wrote
    root/CheXpert-v1.0 batch 2 (train 1)/patient00001/...       or the batches as they unpack, with
    root/CheXpert-v1.0 batch 1 (validate & csv)/train.csv, valid.csv, valid/...

Paths in the tables begin with the name of the release, which is taken off. From
https://stanfordmlgroup.github.io/competitions/chexpert/ after registration. There are no reports in
this release.

CheXpert 5x200 has no one published list: GLoRIA drew it without a seed. `make_5x200` follows its
rule with a seed, writes images, patients and a hash that results can name, and the patients of a
gallery that lies in the root are left out of train and val.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .base import Loader, LoaderOptions, Row
from .labels import CHEXPERT_LABELS, COMPETITION_LABELS, blank_value, label_rows, uncertain_values
from .parts import Part, find_parts, read_list, read_table
from .problems import DataProblems, refuse
from .splits import val_of_patient
from .tiny import draw_chest, patients_in, write_image

# How data_check recognises the layout: patterns that must all match -> options of the class.
FILES: dict[tuple[str, ...], dict] = {
    ("train.csv*", "valid.csv*", "train/patient*"): {},
    ("train.csv*", "valid.csv*", "CheXpert*batch*/patient*"): {},
    ("CheXpert*batch*/train.csv*", "CheXpert*batch*/patient*"): {},
}
GALLERY = "chexpert_5x200.json"
_SOURCE = "with CheXpert, https://stanfordmlgroup.github.io/competitions/chexpert/"
_TABLES = {
    "train": Part(("train.csv", "CheXpert*batch*/train.csv"), _SOURCE, called="train.csv"),
    "valid": Part(("valid.csv", "CheXpert*batch*/valid.csv"), _SOURCE, called="valid.csv"),
    "test": Part(("groundtruth.csv", "test.csv", "test_labels.csv"), _SOURCE),
}


class CheXpert(Loader):
    """One study per image; several images of an examination are several studies.

    Args:
        root: folder that holds train.csv, or the batches with it.
        split: "train", "val", "test", or "5x200" for the images of the gallery, labelled with the
            five competition classes.
        splits: "official": train.csv, valid.csv, and the test set of 500 studies. "probe", as
            published linear probes divide it: train.csv by patient into train and val (90/10), and
            valid.csv as test.
        views: values of Frontal/Lateral to keep.
        uncertain: what -1 becomes: "nan", "zero", "one", or label -> one of these, e.g.
            `labels.GLORIA_UNCERTAIN`.
        blank: what an empty cell becomes, "nan" or "zero".
        exclude_patients: left out of train and val: ids such as "patient00001", or a file with one
            per line, or a gallery's JSON.
        gallery: a JSON of `make_5x200`, relative to the root. Its patients are left out of train
            and val if the file is there; "" leaves nobody out.

    Attributes:
        gallery_hash: of the gallery in use, "" without one.
    """

    title = "CheXpert"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(
        self,
        root: Path,
        *,
        splits: str = "official",
        views: Sequence[str] = ("Frontal",),
        uncertain: str | Mapping[str, str] = "nan",
        blank: str = "nan",
        exclude_patients: Sequence[str] | str | Path = (),
        gallery: str = GALLERY,
    ) -> list[Row]:
        if splits not in ("official", "probe"):
            raise ValueError(f"splits must be 'official' or 'probe', got {splits!r}")
        values = uncertain_values(uncertain), blank_value(blank)
        chosen: dict[str, Any] = {"hash": "", "patients": [], "images": []}
        if gallery and ((root / gallery).is_file() or "5x200" in self.wanted):
            chosen = read_5x200(root / gallery)
        self.gallery_hash = chosen["hash"]
        left_out = _patients(root, exclude_patients) | set(chosen["patients"])
        place = _places(root)
        drawn = [_gallery_row(place, item) for item in chosen["images"]]
        if self.wanted == {"5x200"}:
            return drawn
        train, valid = (_read(root, key, views) for key in ("train", "valid"))
        self.view_counts = Counter(train.attrs["views"]) + Counter(valid.attrs["views"])
        rows = _rows(place, train, values, "train", left_out)
        if splits == "probe":
            rows = [row._replace(split=val_of_patient(row.patient_id)) for row in rows]
            return rows + _rows(place, valid, values, "test")
        rows += _rows(place, valid, values, "val", left_out)
        if "5x200" in self.wanted:
            rows += drawn
        if "test" in self.wanted and (len(self.wanted) == 1 or _TABLES["test"].find(root)):
            rows += _rows(place, _read(root, "test", views), values, "test")
        return rows


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
    if table.empty:
        raise ValueError(f"{path} has no image with Frontal/Lateral of {', '.join(views)}")
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
    left_out: set[str] | frozenset[str] = frozenset(),
) -> list[Row]:
    labels = label_rows(table, *values, table.attrs["where"])
    columns = zip(table["Path"], table["patient"], table["Frontal/Lateral"], labels, strict=True)
    return [
        Row(path, patient, split, place(path), labels=of_row, meta={"view": view})
        for path, patient, view, of_row in columns
        if patient not in left_out
    ]


def _gallery_row(place: Callable[[str], Path], item: Mapping[str, str]) -> Row:
    labels = {name: float(name == item["class"]) for name in COMPETITION_LABELS}
    path = item["path"]
    meta = {"class": item["class"], "view": "Frontal"}
    return Row(path, path.split("/")[1], "5x200", place(path), labels=labels, meta=meta)


def _patients(root: Path, given: Sequence[str] | str | Path) -> set[str]:
    if not isinstance(given, str | Path):
        return set(given)
    path = root / given
    if not path.is_file():
        advice = "exclude_patients takes a list of ids, or a file with one id per line."
        raise DataProblems(str(path), {"missing file": [str(path)]}, advice)
    return set(read_5x200(path)["patients"] if path.suffix == ".json" else read_list(path))


def make_5x200(
    root: str | Path, path: str | Path = GALLERY, *, per_class: int = 200, seed: int = 0
) -> dict[str, Any]:
    """Draw a CheXpert 5x200 gallery and write it as JSON.

    GLoRIA's rule: frontal images of train.csv; an image belongs to one of the five competition
    classes if its label is 1 and every other finding is 0 or blank ("No Finding" is not asked, an
    uncertain finding excludes). Unlike there, the draw has a seed.

    Args:
        root: folder that holds train.csv.
        path: file to write, relative to the root.

    Returns:
        As written: rule, seed, per_class, pool (class -> images to draw from), images (path and
        class), patients, hash of the images and classes.
    """
    root = Path(root)
    table = _read(root, "train", ["Frontal"])
    labels = label_rows(table, uncertain_values("nan"), blank_value("zero"), table.attrs["where"])
    findings = pd.DataFrame(labels, index=table["Path"]).drop(columns="No Finding")
    findings = findings.sort_index()  # the draw must not depend on the order of the table
    images, pool = [], {}
    for number, name in enumerate(COMPETITION_LABELS):
        # NaN is an uncertain label here, and unequal to 0.
        alone = (findings[name] == 1) & (findings.drop(columns=name) == 0).all(axis=1)
        paths = findings.index[alone]
        pool[name] = len(paths)
        if len(paths) < per_class:
            raise ValueError(
                f"{root} has {len(paths)} images with {name} as the only finding, "
                f"per_class={per_class} asks for more"
            )
        rng = np.random.default_rng([seed, number])
        images += [
            {"path": str(paths[i]), "class": name}
            for i in sorted(rng.choice(len(paths), per_class, replace=False))
        ]
    gallery = {
        "rule": "frontal train images; the class is 1, all other findings 0 or blank",
        "seed": seed,
        "per_class": per_class,
        "pool": pool,
        "hash": _gallery_hash(images),
        "patients": sorted({item["path"].split("/")[1] for item in images}),
        "images": images,
    }
    (root / path).write_text(json.dumps(gallery, indent=1), encoding="utf-8")
    return gallery


def read_5x200(path: Path) -> dict[str, Any]:
    """A gallery of `make_5x200`; refuses one whose images are not those of its hash."""
    if not path.is_file():
        advice = "Make it: reclf.datasets.chexpert.make_5x200(root)."
        raise DataProblems("CheXpert 5x200", {"missing file": [str(path)]}, advice)
    try:
        gallery = json.loads(path.read_text(encoding="utf-8"))
        found, stated = _gallery_hash(gallery["images"]), gallery["hash"]
    except (ValueError, LookupError, TypeError) as error:
        advice = "Make it again with make_5x200."
        raise DataProblems(str(path), {"damaged gallery": [str(error)]}, advice) from error
    if found != stated:
        raise ValueError(
            f"the images of {path} give the hash {found} and it states {stated}: the file "
            "was changed by hand; make it again with make_5x200"
        )
    return gallery


def _gallery_hash(images: Sequence[Mapping[str, str]]) -> str:
    lines = sorted(f"{item['class']} {item['path']}" for item in images)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()


def write_tiny(root: str | Path) -> Path:
    """Write 55 made-up images: 20 patients of train with a lateral view each, of whom the splits
    "probe" put 5 into val; 10 patients of valid, 5 of test. Each has one of the competition classes
    and half of the others as 0."""
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
    return root
