"""The manifest as Parquet: cells of every type, and files that are none."""

import datetime
import io
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from .case import SPLITS, Folder, case, left_out, read, refused

FILE = r"manifest\.parquet"
NAME = "manifest.parquet"


def table(change=None, *, cut=None, name=NAME, index=False):
    """The manifest as Parquet, its frame changed first; `cut` bytes at the end are lost."""

    def write(folder: Folder):
        frame = pd.DataFrame(folder.rows)
        changed = change(frame) if change else None
        buffer = io.BytesIO()
        (frame if changed is None else changed).to_parquet(buffer, index=index)
        folder.manifest(buffer.getvalue()[:cut], name)

    return write


def spoiled(write, old, new):
    """Some bytes of the file are others, of the same length."""

    def spoil(folder: Folder):
        write(folder)
        path = folder.root / NAME
        assert old in path.read_bytes()
        path.write_bytes(path.read_bytes().replace(old, new))

    return spoil


def arrow(**columns):
    """Columns of Arrow types, beside those of the manifest."""

    def write(folder: Folder):
        plain = {key: pa.array([row[key] for row in folder.rows]) for key in folder.rows[0]}
        buffer = io.BytesIO()
        pa.parquet.write_table(pa.table(plain | columns), buffer)
        folder.manifest(buffer.getvalue(), NAME)

    return write


def column(name, values, dtype=None):
    return table(lambda frame: frame.assign(**{name: pd.Series(values, dtype=dtype)}))


def parquet(name, write, *right, **options):
    return case(f"parquet_{name}", write, *right, **{"manifest": NAME, **options})


PLAIN = read()
NUMBERS = [*range(10)]
STRINGS = {n: str(n) for n in NUMBERS}
INTEGERS = read(patient_id=STRINGS)
WITHOUT_FIRST = left_out(0, "patient", patient_id=STRINGS)
LISTS = [["Edema", "Left, upper mass"], [], *[["Edema"]] * 8]
OF_LISTS = read(
    labels={0: {"Edema": 1, "Left, upper mass": 1}, 2: {"Edema": 1, "Left, upper mass": 0}}
)
BYTES = [f"Épanchement {n}.".encode() for n in NUMBERS]

CASES = [
    parquet("plain", table(), PLAIN),
    parquet("with_index", table(index=True), PLAIN),
    parquet("image_as_index", table(lambda f: f.set_index("image"), index=True), PLAIN,
            refused(FILE, "missing column", "'image'")),
    parquet("garbage", lambda f: f.manifest("PAR1 but not really", NAME), refused(FILE, "Parquet")),
    parquet("empty_file", lambda f: f.manifest(b"", NAME), refused(FILE, "Parquet|empty")),
    parquet("truncated", table(cut=-30), refused(FILE, "Parquet")),
    parquet("first_half", table(cut=900), refused(FILE, "Parquet")),
    parquet("pandas_part_damaged",
            spoiled(table(), b"ImluZGV4X2Nv", b"ImluZGV5X2Nv"),
            PLAIN, refused(FILE, "Parquet")),
    parquet("of_csv", lambda f: f.manifest(f.text(), NAME), PLAIN, refused(FILE, "Parquet")),
    parquet("named_csv", table(name="manifest.csv"), PLAIN,
            refused(r"manifest\.csv", "Parquet"), manifest="manifest.csv"),
    parquet("named_pq", table(name="manifest.pq"), PLAIN, refused("manifest.pq", "Parquet"),
            manifest="manifest.pq"),
    parquet("named_upper_case", table(name="M.PARQUET"), PLAIN, refused("M.PARQUET", "Parquet"),
            manifest="M.PARQUET"),
    parquet("no_rows", table(lambda f: f.iloc[:0]), refused(FILE, "no rows|0 rows")),
    parquet("column_missing", table(lambda f: f.drop(columns="report")),
            refused(FILE, "'report'", "report_column")),
    parquet("column_twice_by_case", table(lambda f: f.assign(Report="x")), refused(FILE, "twice")),
    parquet("bytes", column("report", BYTES),
            read(report={n: f"Épanchement {n}." for n in NUMBERS})),
    parquet("bytes_latin1", column("report", ["Épanchement.".encode("latin-1")] * 10),
            refused(FILE, "UTF-8", "report")),
    parquet("report_null", column("report", [None, *(f"Left {n}." for n in range(1, 10))]),
            left_out(0, "empty report", r"0\.png", report={n: f"Left {n}." for n in range(1, 10)})),
    parquet("report_pd_na", arrow(report=pa.array([None] + ["Left."] * 9, pa.large_string())),
            left_out(0, "empty report", r"0\.png", report=dict.fromkeys(range(1, 10), "Left."))),
    parquet("report_list", arrow(report=pa.array([["Left", "effusion"]] * 10)),
            read(report=dict.fromkeys(NUMBERS, "['Left', 'effusion']"))),
    parquet("report_number", column("report", NUMBERS), read(report=STRINGS)),
    parquet("patient_integers", column("patient_id", NUMBERS), INTEGERS),
    parquet("patient_floats", column("patient_id", NUMBERS, "float64"), INTEGERS),
    parquet("patient_nullable", column("patient_id", NUMBERS, "Int64"), INTEGERS),
    parquet("patient_large", column("patient_id", [2**60 + n for n in NUMBERS]),
            read(patient_id={n: str(2**60 + n) for n in NUMBERS})),
    parquet("patient_nullable_gap", column("patient_id", [None, *range(1, 10)], "Int64"),
            refused(FILE, "patient_id"), WITHOUT_FIRST),
    parquet("patient_float_gap", column("patient_id", [None, *range(1, 10)], "float64"),
            refused(FILE, "patient_id"), WITHOUT_FIRST),
    parquet("categories", table(lambda f: f.astype({"split": "category", "report": "category"})),
            PLAIN),
    parquet("strings", table(lambda f: f.astype("string")), PLAIN),
    parquet("dates", arrow(taken=pa.array([datetime.date(2020, 1, 1)] * 10)), PLAIN),
    parquet("times_zone", arrow(taken=pa.array([0] * 10, pa.timestamp("ns", "UTC"))), PLAIN),
    parquet("decimals", arrow(age=pa.array([Decimal("61.50")] * 10)), PLAIN),
    parquet("structs", arrow(extra=pa.array([{"a": 1}] * 10)), PLAIN),
    parquet("image_struct", arrow(image=pa.array([{"bytes": b"x", "path": "images/0.png"}] * 10)),
            refused(FILE, "image|struct|dict")),
    parquet("labels_lists", arrow(labels=pa.array(LISTS)), OF_LISTS),
    parquet("labels_list_of_one", arrow(labels=pa.array([["Edema"]] * 9 + [["Mass"]])),
            read(labels={0: {"Edema": 1, "Mass": 0}, 9: {"Edema": 0, "Mass": 1}})),
    parquet("labels_list_null", arrow(labels=pa.array([None] + [["Edema"]] * 9)),
            read(labels={0: {"Edema": float("nan")}, 1: {"Edema": 1}})),
    parquet("label_nullable", arrow(Edema=pa.array([1, 0, None] + [1] * 7)),
            read(labels={0: {"Edema": 1}, 1: {"Edema": 0}, 2: {"Edema": float("nan")}}),
            label_columns=["Edema"]),
    parquet("label_nullable_type", column("Edema", [1, 0, None] + [1] * 7, "Int64"),
            read(labels={0: {"Edema": 1}, 1: {"Edema": 0}, 2: {"Edema": float("nan")}}),
            label_columns=["Edema"]),
    parquet("label_booleans", column("Edema", [True, False] * 5),
            read(labels={0: {"Edema": 1}, 1: {"Edema": 0}}), refused(FILE, "Edema", "True"),
            label_columns=["Edema"]),
    parquet("split_null", table(lambda f: f.assign(split=[None, *list(SPLITS.values())[1:]])),
            refused(FILE, "split", "empty")),
    parquet("split_numbers", column("split", [0] * 8 + [1, 2]), refused(FILE, "'0'", "split")),
    parquet("image_zero_byte", table(lambda f: f.replace("images/0.png", "images/\0.png")),
            left_out(0, r"\.png"), refused(FILE)),
]  # fmt: skip
