"""More of `hostile_cases`: pickles, tokenizers, pictures, tables, copies and runs of a stranger."""

import gzip
import io
import json
import os
import zipfile
from functools import cache

import pyarrow
from changes import content, pipe
from hostile_pickles import PICKLES
from hostile_pictures import PICTURES
from hostile_tokenizers import TOKENIZERS
from pyarrow import parquet

# -- tables and copies ------------------------------------------------------------------------


@cache
def packed(kind):
    """A table of 500 MB in two."""
    file = io.BytesIO()
    with (
        gzip.open(file, "wb", 1)
        if kind == "gzip"
        else zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
    ) as archive:
        member = archive if kind == "gzip" else archive.open("t.csv", "w", force_zip64=True)
        with member:
            for _ in range(500):
                member.write(b"a,b\n" * 2**18)
    return file.getvalue()


def columns(rows, length, named=True):
    """A table of Parquet, of one text many times."""

    def made(folder):
        file = io.BytesIO()
        texts = pyarrow.array(["x" * length])
        cells = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows), texts)
        table = pyarrow.table({"image": cells})
        parquet.write_table(table, file, store_schema=named)
        return file.getvalue()

    return made


def shard(change, **options):
    """Rewrite the studies of the shard."""

    def made(folder):
        path = next((folder / "copy/test/shard-00000").glob("*.arrow"))
        rows = pyarrow.ipc.open_stream(pyarrow.py_buffer(path.read_bytes())).read_all()
        rows = change(rows)
        with pyarrow.OSFile(str(path) + ".new", "wb") as file:
            options_of = pyarrow.ipc.IpcWriteOptions(**options)
            with pyarrow.ipc.new_stream(file, rows.schema, options=options_of) as writer:
                writer.write_table(rows)
        os.replace(str(path) + ".new", path)

    return made


def cells(name, *values):
    def change(rows):
        place = rows.schema.get_field_index(name)
        field = rows.schema.field(place)
        return rows[: len(values)].set_column(place, field, pyarrow.array(values, field.type))

    return change


def file_of_state(name):
    """Let the shard name another file."""

    def change(folder):
        path = folder / "copy/test/shard-00000/state.json"
        there = json.loads(path.read_text())
        (file,) = there["_data_files"]
        os.replace(path.parent / file["filename"], path.parent / name)
        path.write_text(json.dumps(there | {"_data_files": [{"filename": name}]}))

    return change


TABLES = {
    "table in gzip": ("table", content("t.csv.gz", lambda _: packed("gzip"))),
    "table in zip": ("table", content("t.csv", lambda _: packed("zip"))),
    "columns of 10^6 times a text": ("table", content("t.csv", columns(10**6, 1000))),
    "columns of 10^3 times a plain text": ("table", content("t.csv", columns(10**3, 10**7, False))),
    "columns of 10^3 times a long text": ("table", content("t.csv", columns(10**3, 10**7))),
    "table that is a pipe": ("table", pipe("t.csv")),
    "compressed shard": ("copy", shard(cells("image", bytes(10**8)), compression="zstd")),
    "shard of an empty picture": ("copy", shard(cells("image", b""))),
    "shard of labels that are none": ("copy", shard(cells("rest", "[1]"))),
    "shard of nested labels": ("copy", shard(cells("rest", "[" * 9999))),
    "shard in the folder above": ("copy", file_of_state("../data.arrow")),
    "shard whose file is a pipe": ("copy", pipe("copy/test/shard-00000/data-00000-of-00001.arrow")),
    "archive of reports": ("reports", content("NLMCXR_reports.tgz", lambda _: packed("gzip"))),
}  # fmt: skip

# -- runs -------------------------------------------------------------------------------------


def record(**changed):
    """Metrics of one good step, changed."""
    good = {"step": 1, "total_steps": 9, "loss": 1.0, "seconds": 1.0, "studies_per_second": 9.0}
    return content("run/metrics.jsonl", json.dumps(good | changed) + "\n")


def result(**changed):
    good = {"value": 0.5, "interval": [0.4, 0.6], "n": 3, "untrained_baseline": {"value": 0.5},
            "chance": 0.5, "per_class": {}, "protocol": {}}  # fmt: skip
    return content("run/results/zero_shot-x.json", json.dumps(good | changed))


def link(name, to):
    """A link out of the run."""

    def change(folder):
        path = folder / "run" / name
        (folder / "elsewhere").mkdir()
        if path.is_dir():
            os.rename(path, folder / "away")
        (folder / "elsewhere" / "notes").write_text("")
        path.symlink_to(to)

    return change


LAST = "run/checkpoints/last/progress.json"
RUNS = {
    "state that is a list": (
        "no progress",
        content("run/status.json", '{"state": ["x"], "step": 5}'),
    ),
    "sittings that are a number": ("status", content("run/environment.json", '{"sittings": 5}')),
    "sittings of numbers": ("status", content("run/environment.json", '{"sittings": [5]}')),
    "sitting of odd data": ("status", content("run/environment.json", '{"data": {"train": 1}}')),
    "metrics that are a pipe": ("monitor", pipe("run/metrics.jsonl")),
    "results that are a pipe": ("status", pipe("run/results/zero_shot-x.json")),
    "list of studies that is a pipe": ("left out", pipe("run/left_out.txt")),
    "results that are a link out": ("status", link("results", "../elsewhere")),
    "checkpoints that are a link out": ("go on", link("checkpoints", "../elsewhere")),
    "metrics that are a link out": ("go on", link("metrics.jsonl", "../elsewhere/notes")),
    "a checkpoint that is a link out": ("go on", link("checkpoints/last", "../../elsewhere")),
    "result of a text": ("results", result(value="<script>")),
    "result with a text for an end": ("results", result(interval=["<b>", 1])),
    "result with one end": ("results", result(interval=[1])),
    "result with a list for a protocol": ("results", result(protocol=[1])),
    "result without its parts": ("results", result()),
    "plan that is a list": ("plan", content("plan.json", "[]")),
    "plan of a text": ("plan", content("plan.json", '{"steps": "9", "minutes": "a"}')),
}
# Damage that is named in a warning or left out, and the rest is shown.
SHOWN = {
    "status of other types": ("status", content(LAST, '{"step": "x", "total_steps": []}')),
    "lock that is a pipe": ("status", pipe("run/lock.json")),
    "nested lock": ("status", content("run/lock.json", "[" * 200_000)),
    "lock of a number": ("status", content("run/lock.json", '{"space": 5, "pid": 1e999}')),
    "metrics of texts": ("monitor", record(loss="<img src=x onerror=alert(1)>")),
    "metrics of 10^400": ("monitor", record(loss=10**400)),
    "metrics of step 0": ("monitor", record(step=0)),
    "metrics without times": ("monitor", content("run/metrics.jsonl", '{"step": 1, "loss": 1}\n')),
    "settings of other types": ("monitor", content("run/config.json", '{"train": []}')),
    "environment of other types": (
        "monitor", content("run/environment.json", '{"processes": "many"}')),
}  # fmt: skip

FILES = {
    **{name: ("go on with weights", change) for name, change in PICKLES.items()},
    **{name: ("model", change) for name, change in TOKENIZERS.items()},
    **{name: ("film", change) for name, change in PICTURES.items()},
    **TABLES,
    **RUNS,
    **SHOWN,
}
