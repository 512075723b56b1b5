"""Your own radiographs and reports: any CSV or Parquet manifest with a row per image.

    manifest.csv:  image, report, patient_id [, split] [, labels] [, masks] [, boxes], anything else
    images:        paths relative to the data set's root; PNG, JPEG, 16-bit PNG or DICOM

Without a split column, patients are divided 80/10/10 by a hash of their id. Every problem is
listed before the first image is used, see `rows.check_rows`.
"""

import math
import os
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from reclf.data.reports import NO_VALUE
from reclf.data.study import Box

from .base import Loader, Row
from .boxes import FORMATS, UNITS, read_boxes
from .labels import SEPARATORS, label_rows, rows_of_names
from .problems import refuse, refuse_missing_columns
from .splits import refuse_misspelled_splits, refuse_unnamed_splits, split_name, split_of_patient
from .tables_on_disk import read_cells, refuse_unlike_spellings

FILES: dict[tuple[str, ...], dict] = {("manifest.csv",): {}}
NO_FINDING = ("no finding", "no findings", "normal")
BOX_COLUMNS = ("x", "y", "width", "height", "label")


class Table(Loader):
    """Studies of a manifest.

    Args:
        split: "train", "val" or "test", or a name of your own in the split column.
        manifest: CSV or Parquet file, relative to the root.
        image_column: paths of the images, relative to the root.
        report_column: None when there are no reports.
        patient_column: None when every image is a patient of its own.
        split_column: where the manifest has no column "split", or with None, patients are split
            by hash.
        id_column: what names a study; None takes the image path.
        label_columns: one column that holds label *names* (a str: "labels" unless told), or a list
            of columns with 1, 0 or nothing, one per label.
        label_separator: characters that stand between names in one cell; a list as Python, numpy
            or JSON write it is read as one.
        empty_labels: "nan" takes a cell without names as no information, "zero" as none of the
            labels. Open-I has both: "No Finding", and nothing where nobody looked.
        mask_columns: columns with paths of mask images; a mask is called as its column. An empty
            cell: no mask known.
        box_file: CSV or Parquet with one row per box and the image column; None looks for the
            boxes in the manifest, which may then repeat an image, if box_columns are given.
        box_columns: names for x, y, width, height and label. A row with none of the four numbers
            holds no box; its label must not be one that the study has.
        box_units: "pixels" of the file, or "fraction" of its width and height.
        box_format: the four numbers are "xywh", or "xyxy": left, top, right, bottom.

    Study.meta keeps the remaining columns, as text when the manifest is CSV.
    """

    def read_rows(
        self,
        root: Path,
        *,
        manifest: str = "manifest.csv",
        image_column: str = "image",
        report_column: str | None = "report",
        patient_column: str | None = "patient_id",
        split_column: str | None = "split",
        id_column: str | None = None,
        label_columns: str | Sequence[str] | None = None,
        label_separator: str = SEPARATORS,
        empty_labels: str = "nan",
        mask_columns: Sequence[str] = (),
        box_file: str | None = None,
        box_columns: Sequence[str] | None = None,
        box_units: str = "pixels",
        box_format: str = "xywh",
    ) -> Iterator[Row]:
        path = root / manifest
        self.name, self.with_reports = str(path), report_column is not None
        table = _read(root, manifest)
        refuse(path, "table without rows", [path.name] if table.empty else [], "No rows, no study.")
        divided = False  # by hash, since no column is named
        present = {column.lower() for column in table.columns}  # "Split" is refused by its name
        if label_columns is None:
            label_columns = "labels" if "labels" in present else ()
        if split_column == "split" and "split" not in present:
            split_column, divided = None, True
        for option, value, allowed in [
            ("empty_labels", empty_labels, ("nan", "zero")),
            ("box_units", box_units, UNITS),
            ("box_format", box_format, FORMATS),
        ]:
            if value not in allowed:
                raise ValueError(
                    f"{option} must be {' or '.join(map(repr, allowed))}, got {value!r}"
                )
        if not label_separator:
            raise ValueError("label_separator must hold a character or more, got ''")
        names = [label_columns] if isinstance(label_columns, str) else list(label_columns)
        in_manifest = box_columns is not None and box_file is None
        boxes = tuple(box_columns or BOX_COLUMNS)
        if len(set(boxes)) != 5:
            raise ValueError(f"box_columns must name x, y, width, height, label; got {boxes}")
        options: dict[str | None, str] = {
            **dict.fromkeys(boxes if in_manifest else (), "box_columns"),
            image_column: "image_column",
            report_column: "report_column",
            patient_column: "patient_column",
            split_column: "split_column",
            id_column: "id_column",
            **dict.fromkeys(names, "label_columns"),
            **dict.fromkeys(mask_columns, "mask_columns"),
        }
        wanted = {column: option for column, option in options.items() if column is not None}
        refuse_missing_columns(str(path), list(table.columns), wanted)
        if divided:
            refuse_unnamed_splits(path, table)
        for column in wanted:
            paths = column == image_column or column in mask_columns
            table[column] = _each(_path if paths else _text, table[column])
        if split_column is not None:
            refuse_misspelled_splits(path, table[split_column])
        named: dict[str | None, str] = {
            image_column: "Every row is an image; delete the rows that are none.",
            id_column: "Fill these, or name studies by their images with id_column: null.",
            patient_column: "Patients keep their images in one split; fill these, or say with "
            "patient_column: null that every image is a patient of its own.",
        }
        for filled, advice in named.items():
            if filled is not None:
                cells = zip(table[filled].tolist(), table[image_column].tolist(), strict=True)
                examples = [
                    f"row {number} ({image})"
                    for number, (cell, image) in enumerate(cells, 1)
                    if len(cell) < 5 and not _known(cell)
                ]
                refuse(path, f"row without {filled}", examples, advice)
        if patient_column is not None:
            patients = Counter(table[patient_column])
            refuse_unlike_spellings(path, "patient spelled in two ways", patients)
        if report_column is not None:
            table[report_column] = _each(_known, table[report_column])
            encoded = table[report_column].str.match(r"""b(['"]).*\1$""", flags=re.DOTALL)
            advice = "Decode them before the table is written: bytes.decode() in Python."
            refuse(path, "report that is bytes", table.loc[encoded, image_column], advice)
        boxes_of: dict[str, tuple[Box, ...]] = {}
        unmarked: list[tuple[str, str]] = []
        how = {"units": box_units, "form": box_format}
        if box_file is not None:
            box_path = root / box_file
            box_table = _read(root, box_file)
            needed = dict.fromkeys(boxes, "box_columns") | {image_column: "image_column"}
            refuse_missing_columns(str(box_path), list(box_table.columns), needed)
            boxes_of, unmarked = _boxes(box_table, image_column, boxes, box_path, **how)
            images = set(table[image_column])  # paths, as are the keys of the boxes
            in_boxes = dict.fromkeys([*boxes_of, *(image for image, _ in unmarked)])
            unknown = [image for image in in_boxes if image not in images]
            advice = "Every box needs the image of its row, spelled as there."
            refuse(box_path, f"image that is not in {path.name}", unknown, advice)
        elif in_manifest:
            box_path = path
            boxes_of, unmarked = _boxes(table, image_column, boxes, path, **how)
            own = [column for column in boxes if wanted[column] == "box_columns"]
            table = table.drop(columns=own).drop_duplicates()

        if isinstance(label_columns, str):
            labels = rows_of_names(table[label_columns], label_separator, empty_labels, path)
        else:
            labels = label_rows(
                table[names],
                dict.fromkeys(names),
                math.nan,
                str(path),
                kind="label that is not 1, 0 or empty",
                advice="Write 1, 0, or nothing where there is no information.",
            )
        if boxes_of or unmarked:
            labels_of = dict(zip(table[image_column], labels, strict=True))
            lost = _without_box(unmarked, boxes_of, labels_of)
            denied = [
                f"{image}: {box.label}"
                for image, found in boxes_of.items()
                for box in found
                if labels_of[image].get(box.label) == 0
            ]
            advice = "A box shows a finding, and the label of its image says that it is not there."
            refuse(box_path, "box of a finding that its image has not", denied, advice)
            boxed = Counter(box.label for found in boxes_of.values() for box in found)
            named_labels = Counter({name: len(table) for name in (labels[0] if labels else ())})
            refuse_unlike_spellings(box_path, "label spelled in two ways", named_labels + boxed)
            advice = "Give its numbers, or leave the label of its row empty: nothing was marked."
            refuse(box_path, "label without its box", lost, advice)
        nothing = [""] * len(table)
        images = table[image_column].tolist()
        patients = images if patient_column is None else table[patient_column].tolist()
        if split_column is None:
            splits = [split_of_patient(patient) for patient in patients]
        else:
            known = {cell: split_name(cell) for cell in table[split_column].unique()}
            splits = [known[cell] for cell in table[split_column].tolist()]
        columns = zip(
            images if id_column is None else table[id_column].tolist(),
            patients,
            splits,
            images,
            nothing if report_column is None else table[report_column].tolist(),
            labels,
            _dicts(table[list(mask_columns)]),
            _dicts(table.loc[:, [column not in wanted for column in table.columns]]),
            strict=True,
        )
        folder = os.path.join(root, "")
        for study, patient, split, image, report, row_labels, masks, meta in columns:
            yield Row(
                study_id=study,
                patient_id=patient,
                split=split,
                image=image if os.path.isabs(image) else folder + image,
                report=report,
                labels=row_labels,
                masks=masks and {name: root / mask for name, mask in masks.items() if mask},
                boxes=boxes_of.get(image, ()),
                meta=meta,
            )


def _read(root: Path, name: str) -> pd.DataFrame:
    path = root / name
    if root.is_file():
        raise FileNotFoundError(
            f"the root is a file, {root.absolute()}: set it to {root.absolute().parent}, and the "
            f"option manifest to {root.name!r}"
        )
    if not path.is_file():
        unset = " (no root is given, so the current one is meant)" if root == Path() else ""
        raise FileNotFoundError(
            f"there is no table {path.absolute()}; set the root to the data set's folder{unset}, "
            "or name the table with the option manifest or box_file"
        )
    return read_cells(path)


def _each(change: Callable[[Any], str], cells: pd.Series) -> pd.Series:
    """A column of text; as objects, for a text type of pandas would hold a copy of every cell."""
    return pd.Series([change(cell) for cell in cells.tolist()], cells.index, dtype=object)


def _dicts(table: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Column -> cell of every row."""
    if not len(table.columns):
        return [{}] * len(table)
    # By position, for empty names may stand more than once.
    cells = zip(*(table.iloc[:, k].tolist() for k in range(table.shape[1])), strict=True)
    return (dict(zip(table.columns, row, strict=True)) for row in cells)


def _text(value: Any) -> str:
    if type(value) is str:
        return value.strip()
    if value is None or value != value:  # NaN, as Parquet may hold
        return ""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value).strip()


def _known(cell: str) -> str:
    """The cell, "" where it stands for no value."""
    return "" if len(cell) < 5 and cell.lower() in NO_VALUE else cell


def _path(value: Any) -> str:
    """A path with slashes, also where Windows wrote it, and one spelling of it: no ./ or //."""
    text = _text(value).replace("\\", "/")
    is_plain = "./" not in text and "//" not in text and not text.endswith(("/", "/."))
    return text if is_plain or not text else posixpath.normpath(text)


def _boxes(
    table: pd.DataFrame, image_column: str, columns: Sequence[str], path: Path, **how: str
) -> tuple[dict[str, tuple[Box, ...]], list[tuple[str, str]]]:
    """Image -> boxes; image and label of the rows without a number."""
    *sides, label = columns
    rows = table[[image_column, label, *sides]].map(_text)
    rows[image_column] = rows[image_column].map(_path)
    cells = [*sides, label]
    rows[cells] = rows[cells].map(_known)
    rows = rows.drop_duplicates()
    marked = rows[sides].ne("").any(axis=1)
    advice = (
        f"Columns {', '.join(sides)} must hold pixels of the file, or fractions of its width and "
        'height with the option box_units="fraction".'
    )
    boxes = read_boxes(rows[marked].itertuples(index=False), path, advice=advice, **how)
    return boxes, list(rows.loc[~marked, [image_column, label]].itertuples(index=False, name=None))


def _without_box(
    unmarked: Sequence[tuple[str, str]],
    boxes_of: Mapping[str, Sequence[Box]],
    labels_of: Mapping[str, Mapping[str, float]],
) -> list[str]:
    """Findings that a study has, whose rows of the box table have no number."""
    lost = []
    for image, name in unmarked:
        boxed, known = {box.label for box in boxes_of.get(image, ())}, labels_of[image]
        stated = {label for label, value in known.items() if value == 1}
        stated = {label for label in stated if label.lower() not in NO_FINDING}
        of_another_name = name not in known and not boxed and stated
        if name and name.lower() not in NO_FINDING and (name in stated - boxed or of_another_name):
            lost.append(f"{image}: {name}")
    return lost
