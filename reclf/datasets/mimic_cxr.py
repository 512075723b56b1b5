"""MIMIC-CXR-JPG (images, labels) with the reports of MIMIC-CXR, as PhysioNet lays them out.

    root/mimic-cxr-2.0.0-metadata.csv     dicom_id, subject_id, study_id, ViewPosition, ...
    root/mimic-cxr-2.0.0-split.csv        dicom_id, study_id, subject_id, split
    root/mimic-cxr-2.0.0-chexpert.csv     subject_id, study_id, 14 labels: 1, 0, -1 or empty
    root/files/p10/p10000032/s50414267/<dicom_id>.jpg
    reports_root/mimic_cxr_sectioned.csv  study, impression, findings, last_paragraph, comparison
     or reports_root/files/p10/p10000032/s50414267.txt

Tables may be .csv or .csv.gz; release 2.1.0 keeps "2.0.0" in their names. Both data sets need a
credentialed PhysioNet account: https://physionet.org/content/mimic-cxr-jpg/ and
https://physionet.org/content/mimic-cxr/ (mimic-cxr-reports.zip). `write_tiny` makes a small copy
of this layout from nothing, to try a notebook with and for the tests.

The official split is kept: train, validate (here "val") and test are never merged, unlike MGCA's.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from reclf.data.reports import has_words
from reclf.data.sections import REPORT_SECTIONS, Headings, left_out, pick_sections, sections

from .base import Loader, LoaderOptions, Row
from .gallery_5x200 import SPLIT, class_labels, draw_5x200, gallery_of
from .labels import CHEXPERT_LABELS, COMPETITION_LABELS, label_rows, uncertain_values
from .parts import Part, find_parts, read_table
from .problems import refuse
from .splits import split_name
from .tiny import draw_chest, write_image

FILES: dict[tuple[str, ...], dict] = {("mimic-cxr-2.0.0-metadata.csv*",): {}}
LABELS = tuple(sorted(CHEXPERT_LABELS))
GALLERY = "mimic_5x200.json"
_KEYS = ["subject_id", "study_id"]
_JPG_PROJECT = "with MIMIC-CXR-JPG, https://physionet.org/content/mimic-cxr-jpg/"
_REPORTS = Part(
    ("mimic_cxr_sectioned.csv",),
    "in mimic-cxr-reports.zip of MIMIC-CXR, https://physionet.org/content/mimic-cxr/ "
    "[option reports_root]",
    called="reports (mimic_cxr_sectioned.csv, or files/p../p.../s....txt)",
)


class MimicCxr(Loader):
    """One study per image; two frontal images of an examination are two studies with one report.

    Args:
        root: folder of MIMIC-CXR-JPG.
        split: "train", "val", "test", or "5x200" for the images of a gallery, labelled with the
            five competition classes.
        reports_root: folder with mimic_cxr_sectioned.csv, or with the unpacked reports; None
            looks in the root.
        views: values of ViewPosition to keep; ("PA", "AP") are the frontal ones.
        sections: of the report, in the order wanted.
        how: "join", "first" or "longest", see `sections.pick_sections`.
        headings: more headings of the text files, section -> list or a JSON file of it; English,
            Spanish, Portuguese, German and French ones are known.
        labels: "chexpert", "negbio", or None for no labels.
        uncertain: what the value -1 becomes: "nan", "zero", "one", or label -> one of these; a
            label that is not named there becomes NaN.
        gallery: a JSON of `make_5x200`, relative to the root. Its patients are left out of train
            and val if the file is there; "" leaves nobody out.
        on_problem: about one study in a hundred of the real release has no text in findings,
            impression or last paragraph: "skip" leaves them out.

    Study.study_id is the dicom_id; Study.meta has study_id and ViewPosition.

    Attributes:
        gallery_hash: of the gallery in use, "" without one.
    """

    title = "MIMIC-CXR"
    defaults = LoaderOptions(headers=False)

    def read_rows(
        self,
        root: Path,
        *,
        reports_root: str | Path | None = None,
        views: Sequence[str] = ("PA", "AP"),
        sections: Sequence[str] = REPORT_SECTIONS,
        how: str = "join",
        headings: Mapping[str, Sequence[str]] | str | None = None,
        labels: str | None = "chexpert",
        uncertain: str | Mapping[str, str] = "nan",
        gallery: str = GALLERY,
    ) -> Iterator[Row]:
        if labels not in ("chexpert", "negbio", None):
            raise ValueError(f"labels must be 'chexpert', 'negbio' or None, got {labels!r}")
        uncertain_of = uncertain_values(uncertain, LABELS)
        make = f"{__name__}.make_5x200({str(root)!r})"
        chosen = gallery_of(root, gallery, self.wanted, make, GALLERY)
        self.gallery_hash, self.reserved = chosen["hash"], chosen["patients"]
        class_of = {item["path"]: item["class"] for item in chosen["images"]}
        paths = _find_parts(root, root if reports_root is None else Path(reports_root), labels)
        table, self.view_counts = _read_tables(paths, views, labels)
        if SPLIT in self.wanted:
            unknown = class_of.keys() - set(table["dicom_id"])
            refuse(root / gallery, "image that is in no table", unknown, "Make it again.")
            table.loc[table["dicom_id"].isin(class_of), "split"] = SPLIT
        wanted = table[table["split"].isin(self.wanted)]
        known = Headings.load(headings)
        reports, self.report_notes = _read_reports(paths["reports"], wanted, sections, how, known)

        values = uncertain_of if labels else {}
        label_list = label_rows(table, values, math.nan, str(paths[labels or "metadata"]))
        for record, row_labels in zip(table.to_dict("records"), label_list, strict=True):
            image, subject, study = (record[key] for key in ("dicom_id", *_KEYS))
            is_drawn = record["split"] == SPLIT
            folder = root / "files" / f"p{subject[:2]}" / f"p{subject}" / f"s{study}"
            yield Row(
                study_id=image,
                patient_id=subject,
                split=record["split"],
                image=folder / f"{image}.jpg",
                report=reports.get(study, ""),
                labels=class_labels(class_of[image]) if is_drawn else row_labels,
                meta={"study_id": f"s{study}", "ViewPosition": record["ViewPosition"]},
            )


def make_5x200(
    root: str | Path,
    path: str | Path = GALLERY,
    *,
    reports_root: str | Path | None = None,
    per_class: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Draw a gallery of five classes with their reports and write it as JSON, see
    `gallery_5x200.draw_5x200`.

    It is drawn from train, for test has too few images with one finding alone: its patients leave
    the training. Of each examination only one frontal image, and only if its report has text, so
    that every report belongs to one image.

    Args:
        root: folder of MIMIC-CXR-JPG.
        path: file to write, relative to the root.
        reports_root: see `MimicCxr`.
    """
    root = Path(root)
    paths = _find_parts(root, root if reports_root is None else Path(reports_root), "chexpert")
    table, _ = _read_tables(paths, ("PA", "AP"), "chexpert")
    table = table[table["split"] == "train"].sort_values("dicom_id").drop_duplicates("study_id")
    labels = label_rows(table, uncertain_values("nan", LABELS), 0.0, str(paths["chexpert"]))
    findings = pd.DataFrame(labels, index=table["dicom_id"])
    table = table[(findings[[*COMPETITION_LABELS]] == 1).any(axis=1).to_numpy()]
    reports, _ = _read_reports(
        paths["reports"], table, REPORT_SECTIONS, "join", Headings.load(None)
    )
    table = table[[has_words(reports.get(study, "")) for study in table["study_id"]]]
    patients = dict(zip(table["dicom_id"], table["subject_id"], strict=True))
    images = "one frontal train image of each examination whose report has text"
    return draw_5x200(
        findings.loc[[*patients]],
        patients,
        root / path,
        images=images,
        per_class=per_class,
        seed=seed,
    )


def _read_tables(
    paths: Mapping[str, Path], views: Sequence[str], labels: str | None
) -> tuple[pd.DataFrame, dict[str, int]]:
    """A row per image of these views, with split and label columns as text; view -> images."""
    metadata = read_table(paths["metadata"], ["dicom_id", *_KEYS, "ViewPosition"])
    splits = read_table(paths["split"], ["dicom_id", "split"])
    table = metadata.merge(splits[["dicom_id", "split"]], on="dicom_id", how="left")
    _refuse_unknown(table, metadata, views, paths)
    table = table[table["ViewPosition"].isin(views)]
    if labels:
        label_table = read_table(paths[labels], [*_KEYS, *LABELS])
        # A study that the labeller did not see has no row: its labels are NaN.
        table = table.merge(label_table[[*_KEYS, *LABELS]], on=_KEYS, how="left")
    table = table.fillna("").assign(split=table["split"].map(split_name))
    return table, dict(metadata["ViewPosition"].value_counts())


def _find_parts(root: Path, reports_root: Path, labels: str | None) -> dict[str, Path]:
    """Path of each table, and under "reports" the sectioned table or the folder of text files."""
    parts = {}
    for kind in ("metadata", "split", *([labels] if labels else [])):
        name = f"mimic-cxr-2.0.0-{kind}.csv"
        parts[kind] = Part((name,), _JPG_PROJECT, called=f"{name} (or .csv.gz)")
    parts["images"] = Part(("files",), _JPG_PROJECT, called="images files/")
    reports = replace(_REPORTS, root=reports_root)
    # Not the folder but a text file in it, for the images lie in a folder files/ as well.
    if reports.find(root) or not next(reports_root.glob("files/p*/p*/s*.txt"), None):
        parts["reports"] = reports
    return {"reports": reports_root / "files", **find_parts(__name__, "MIMIC-CXR", root, parts)}


def _refuse_unknown(
    table: pd.DataFrame, metadata: pd.DataFrame, views: Sequence[str], paths: Mapping[str, Path]
) -> None:
    known = sorted(set(metadata["ViewPosition"]) - {""})
    unknown = [view for view in views if view not in (*known, "PA", "AP")]
    if unknown or not set(views) & set(known):
        raise ValueError(
            f"no image has a ViewPosition of {', '.join(unknown or views)}; "
            f"{paths['metadata'].name} has {', '.join(known)}"
        )
    without = table.loc[table["split"].isna(), "dicom_id"]
    advice = "Both tables must be of the same release; download the two again."
    refuse(paths["split"].name, "image of the metadata without a split", without, advice)


def _read_reports(
    source: Path, table: pd.DataFrame, wanted: Sequence[str], how: str, headings: Headings
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """study_id -> report, a study without one is not there; and what is to be told of them."""
    if source.is_file():
        named = read_table(source, ["study", *wanted]).to_dict("records")
        return {r["study"].removeprefix("s"): pick_sections(r, wanted, how) for r in named}, {}
    studies = table[["subject_id", "study_id"]].drop_duplicates().itertuples(index=False)
    other: list[str] = []

    def read(key: tuple[str, str]) -> tuple[str, dict[str, str]]:
        subject, study = key
        path = source / f"p{subject[:2]}" / f"p{subject}" / f"s{study}.txt"
        try:
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        except UnicodeDecodeError:
            other.append(str(path))
            text = ""
        return study, sections(text, headings)

    with ThreadPoolExecutor(8) as pool:
        divided = dict(pool.map(read, studies))
    advice = "Convert them, where they are Latin-1: iconv -f latin1 -t utf-8 FILE > NEW."
    refuse(source, "report file that is no UTF-8", sorted(other), advice)
    known = {*headings.section_of.values()}.union(*divided.values())
    if unknown := [name for name in wanted if name not in known]:
        raise ValueError(
            f"sections: no heading of these reports opens {', '.join(map(repr, unknown))}; known: "
            f"{', '.join(sorted(known))}, and what the option headings adds"
        )
    notes: dict[str, list[str]] = {}
    for study, found in divided.items():
        if not any(name in found for name in wanted) and "last_paragraph" in found:
            text = f"s{study}: {found['last_paragraph'][:80]}"
            notes.setdefault("no section of the report: other text is taken", []).append(text)
        for name, text in left_out(found, wanted).items():
            kind = f"section {name!r} is not read"
            notes.setdefault(kind, []).append(f"s{study}: {text[:80]}")
    return {study: pick_sections(found, wanted, how) for study, found in divided.items()}, notes


# Patient, split, view of the first image, report, and labels by name; what a study has to show.
_TINY = (
    ("10000001", "train", "PA", "FINDINGS: Moderate left pleural effusion. No pneumothorax.\n\n"
     " IMPRESSION: Left effusion.", {"Pleural Effusion": 1, "Pneumothorax": 0}),
    ("10000001", "train", "AP", "FINDINGS: The left effusion is smaller.\n\n IMPRESSION:"
     " Improvement.", {"Pleural Effusion": 1}),
    ("10000002", "train", "PA", "FINDINGS: The lungs are clear.\n\n IMPRESSION: No acute process.",
     {"No Finding": 1}),
    ("11000003", "train", "AP", "IMPRESSION: Possible pneumonia at the right base, 1.2 cm.",
     {"Pneumonia": -1, "Lung Opacity": 1}),
    ("11000004", "train", "PA", "HISTORY: ___ year old with cough.\n \n Cardiomegaly. Mild edema.",
     {"Cardiomegaly": 1, "Edema": -1}),
    ("12000005", "train", "PA", "FINDINGS: Right basal atelectasis.", {"Atelectasis": 1}),
    ("12000006", "validate", "PA", "FINDINGS: Normal heart. Clear lungs.", {"No Finding": 1}),
    ("13000007", "validate", "AP", "IMPRESSION: Pacemaker in place. No edema.",
     {"Support Devices": 1, "Edema": 0}),
    ("13000008", "test", "PA", "FINDINGS: Small right pneumothorax.\n\n IMPRESSION: Right"
     " pneumothorax.", {"Pneumothorax": 1}),
    ("19000009", "test", "AP", "FINDINGS: No consolidation.\n\n IMPRESSION: No change.",
     {"Consolidation": 0}),
)  # fmt: skip


def _tiny_studies() -> Iterator[tuple[str, str, str, str, dict[str, int]]]:
    """Those above, and 20 with one competition class each and another one that is denied."""
    yield from _TINY
    for number in range(20):
        degree = ("Mild", "Moderate", "Marked", "New")[number // 5]
        has, lacks = (COMPETITION_LABELS[(number + step) % 5] for step in (0, 1 + number // 5))
        text = f"FINDINGS: {degree} {has.lower()}.\n\n IMPRESSION: {has}. No {lacks.lower()}."
        split = ("train", "train", "validate", "test")[number // 5]
        yield f"14{number:06d}", split, "PA", text, {has: 1, lacks: 0}


def write_tiny(root: str | Path, *, gz: bool = False, sectioned: bool = False) -> Path:
    """Write 30 made-up examinations of 29 patients in the layout above, a lateral image with each:
    16 of train, 7 of validate, 7 of test.

    Nothing in it is of a person: the images are drawn, and the reports are invented.

    Args:
        root: folder to write to; made when it is not there.
        gz: tables as .csv.gz, as PhysioNet gives them.
        sectioned: reports as mimic_cxr_sectioned.csv, else as text files.
    """
    root = Path(root)
    images, labels, reports = [], [], []
    for number, (subject, split, view, text, given) in enumerate(_tiny_studies()):
        study = str(50000000 + number)
        folder = root / "files" / f"p{subject[:2]}" / f"p{subject}"
        (folder / f"s{study}").mkdir(parents=True, exist_ok=True)
        for position in (view, "LATERAL"):
            dicom_id = f"{number:08x}-{position.lower()}"
            pixels = draw_chest(number, lateral=position == "LATERAL")
            write_image(folder / f"s{study}" / f"{dicom_id}.jpg", pixels)
            images.append((dicom_id, subject, study, position, *pixels.shape, split))
        labels.append({"subject_id": subject, "study_id": study, **dict.fromkeys(LABELS), **given})
        full = f"FINAL REPORT\n EXAMINATION: CHEST ({view})\n\n {text}\n"
        reports.append({"study": f"s{study}", **sections(full)})
        if not sectioned:
            (folder / f"s{study}.txt").write_text(full, encoding="utf-8")

    columns = ["dicom_id", "subject_id", "study_id", "ViewPosition", "Rows", "Columns", "split"]
    table, labelled = pd.DataFrame(images, columns=columns), pd.DataFrame(labels, dtype=object)
    for kind, part in {
        "metadata": table.drop(columns="split"),
        "split": table[["dicom_id", "study_id", "subject_id", "split"]],
        "chexpert": labelled,
        "negbio": labelled,
    }.items():
        part.to_csv(root / f"mimic-cxr-2.0.0-{kind}.csv{'.gz' if gz else ''}", index=False)
    if sectioned:
        columns = ["study", "impression", "findings", "last_paragraph", "comparison"]
        pd.DataFrame(reports, columns=columns).to_csv(root / "mimic_cxr_sectioned.csv", index=False)
    return root
