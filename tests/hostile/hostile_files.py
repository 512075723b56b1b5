"""More of `hostile_cases`: pickles, tokenizers, pictures, tables and texts of a stranger."""

import gzip
import io
import json
import os
import pickle
import struct
import zipfile
import zlib

import pyarrow
from PIL import Image
from pyarrow import parquet
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

TRAINER = "run/checkpoints/last/trainer.pt"
TOKENIZER = "run/checkpoints/best/tokenizer/"


def content(name, made):
    """Put bytes or text, or what a function makes of the folder, into a file."""

    def change(folder):
        found = made(folder) if callable(made) else made
        found = found.encode() if isinstance(found, str) else found
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(found)

    return change


def pipe(name):
    def change(folder):
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


# -- what torch.save would not write ---------------------------------------------------------------


def number(value):
    digits = pickle.encode_long(value)
    return b"\x8a" + bytes([len(digits)]) + digits


def called(name, *arguments):
    return b"c" + name.replace(" ", "\n").encode() + b"\n(" + b"".join(arguments) + b"tR"


def text_of(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def tensor(stored, shape, stride):
    """A tensor of 32-bit numbers, of a storage with so many."""
    storage = b"(" + text_of("storage") + b"ctorch\nFloatStorage\n" + text_of("0") + text_of("cpu")
    storage += number(stored) + b"tQ"
    shapes = [b"(" + b"".join(map(number, sizes)) + b"t" for sizes in (shape, stride)]
    hooks = called("collections OrderedDict")
    return called("torch._utils _rebuild_tensor_v2", storage, number(0), *shapes, b"\x89", hooks)


def trainer(value, stored=4, moment=True, compression=zipfile.ZIP_STORED, **names):
    """A trainer.pt whose first moment of the first weight is what a pickle makes."""

    def change(folder):
        state = b"}" + text_of("state") + b"}K\x00}" + text_of("exp_avg") + value + b"sss"
        state = b"}" + text_of("optimizer") + state + b"s"
        members = {"data.pkl": b"\x80\x02" + (state if moment else value) + b"."}
        members |= {"version": b"3\n", "byteorder": b"little", **names}
        with zipfile.ZipFile(folder / TRAINER, "w", compression) as archive:
            for name, inside in members.items():
                archive.writestr(f"archive/{name}", inside)
            with archive.open("archive/data/0", "w", force_zip64=True) as file:
                for at in range(0, stored, 2**20):
                    file.write(bytes(min(2**20, stored - at)))

    return change


def of_old_torch(value):
    """The same as torch before 1.6 wrote it."""
    system = {"protocol_version": 1001, "little_endian": True,
              "type_sizes": {"short": 2, "int": 4, "long": 4}}  # fmt: skip
    parts = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    return content(TRAINER, b"".join([*parts, b"\x80\x02" + value + b".", pickle.dumps(["0"], 2)]))


HUGE = 5 * 10**8
# 2^50 bytes of a few, each time as many again.
DOUBLED = text_of("\\" * 1000) + b"q\x00"
for _ in range(50):
    DOUBLED = called("_codecs encode", called("_codecs encode", DOUBLED, text_of("unicode_escape")),
                     text_of("hex"))  # fmt: skip

PICKLES = {
    "trainer of 2 GB of zeros": trainer(tensor(HUGE, (HUGE,), (1,)), 4 * HUGE,
                                        compression=zipfile.ZIP_DEFLATED),
    "trainer of a shape of 10^18": trainer(tensor(1, (10**9, 10**9), (0, 0))),
    "trainer of another shape": trainer(tensor(1, (1, 1, 1, 1, 1), (1,) * 5)),
    "trainer that makes a bytearray": trainer(called("builtins bytearray", number(2 * 10**9))),
    "trainer that makes a tensor": trainer(called("torch FloatTensor", number(10**11))),
    "trainer that makes a storage": trainer(
        called("torch.storage UntypedStorage", number(10**11))),
    "trainer of a sparse tensor": trainer(called("torch.sparse FloatTensor", number(10**6))),
    "trainer of a meta tensor": trainer(
        called("torch._utils _rebuild_meta_tensor_no_storage", number(1))),
    "trainer that doubles a text": trainer(DOUBLED),
    "trainer of 10^6 nested lists": trainer(b"]" * 10**6 + b"a" * (10**6 - 1), moment=False),
    "trainer of 10^5 nested lists": trainer(b"]" * 10**5 + b"a" * (10**5 - 1)),
    "trainer that calls os": trainer(called("os system", text_of("touch canary"))),
    "trainer with two pickles": trainer(tensor(1, (1,), (1,)), **{"DATA.PKL": b"cos\nsystem\n."}),
    "trainer without an optimizer": trainer(b"}", moment=False),
    "trainer of old torch": of_old_torch(called("torch FloatTensor", number(10**11))),
    "trainer of old torch, cut short": of_old_torch(tensor(10**11, (10**11,), (1,))),
    "trainer that is a pipe": pipe(TRAINER),
    "trainer larger than its weights": lambda folder: os.truncate(folder / TRAINER, 2**30),
}  # fmt: skip

# -- tokenizers ------------------------------------------------------------------------------------


def tokenizer(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def of_model(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer.json"
        there = json.loads(path.read_text())
        path.write_text(json.dumps(there | {"model": there["model"] | changed}))

    return change


def with_settings(**changed):
    def change(folder):
        path = folder / TOKENIZER / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changed))

    return change


def replaced(what, by):
    return {"type": "Replace", "pattern": what, "content": by}


def template(times, ids=(2,)):
    piece = {"Sequence": {"id": "A", "type_id": 0}}
    return {
        "type": "TemplateProcessing", "single": [piece] * times,
        "pair": [piece, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [*ids], "tokens": ["[CLS]"] * len(ids)}},
    }  # fmt: skip


def sequence(*parts):
    return {"type": "Sequence", "normalizers": [*parts]}


ADDED = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": True,
    "special": False,
}
SLOW = {"Regex": "(x+x+)+y"}
TOKENIZERS = {
    "slow expression that splits": tokenizer(
        pre_tokenizer={"type": "Split", "pattern": SLOW, "behavior": "Isolated", "invert": False}),
    "slow expression that replaces": tokenizer(normalizer=replaced(SLOW, "z")),
    "expressions one after the other": tokenizer(normalizer=replaced({"Regex": "x+x+x+x+y"}, "z")),
    "nothing replaced by much": tokenizer(normalizer=replaced({"String": ""}, "z" * 10**6)),
    "a letter replaced by eight": tokenizer(
        normalizer=sequence(*[replaced({"String": "e"}, "e" * 8)] * 20)),
    "an expression replaced by eight": tokenizer(normalizer=replaced({"Regex": "e"}, "e" * 8)),
    "a long start": tokenizer(normalizer={"type": "Prepend", "prepend": "x" * 10**6}),
    "10^5 parts": tokenizer(normalizer=sequence(*[{"type": "NFKC"}] * 10**5)),
    "nested parts": tokenizer(normalizer=sequence(sequence(*[sequence({"type": "NFC"})] * 20))),
    "parts of no kind": tokenizer(pre_tokenizer={"type": "FixedLength", "length": 0}),
    "text of 10^5 texts": tokenizer(post_processor=template(10**5)),
    "text of two texts": tokenizer(post_processor=template(2)),
    "10^5 tokens in front": tokenizer(post_processor=template(1, [2] * 10**5)),
    "no text at all": tokenizer(post_processor=template(0)),
    "words of 10^12 characters": of_model(max_input_chars_per_word=10**12),
    "10^5 words": of_model(vocab={f"w{i}": i for i in range(10**5)}),
    "no unknown word": of_model(unk_token="nope"),
    "a model of no kind": of_model(type="Lookup"),
    "no vocabulary": of_model(vocab=None),
    "10^4 added tokens": tokenizer(
        added_tokens=[{"id": 100 + i, "content": f"t{i}", **ADDED} for i in range(10**4)]),
    "added token of 10^6": tokenizer(added_tokens=[{"id": 100, "content": "z" * 10**6, **ADDED}]),
    "10^4 added tokens of the settings": with_settings(
        added_tokens_decoder={str(100 + i): {"content": f"t{i}", **ADDED} for i in range(10**4)}),
    "10^4 special tokens": with_settings(extra_special_tokens=[f"t{i}" for i in range(10**4)]),
    "tokenizer of no kind": with_settings(tokenizer_class="RagTokenizer"),
    "a damaged table of characters": tokenizer(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "EAAAAP////////////////////8="}),
    "a table of long texts": tokenizer(
        normalizer={"type": "Precompiled", "precompiled_charsmap": "BAAAAAAA" + "eHh4" * 10**5}),
    "nested tokenizer": content(TOKENIZER + "tokenizer.json", '{"a": ' * 9999 + "1" + "}" * 9999),
}  # fmt: skip

# -- pictures ---------------------------------------------------------------------------------


def png(width, height, rows=b"", color=0):
    def chunk(name, inside):
        crc = struct.pack(">I", zlib.crc32(name + inside))
        return struct.pack(">I", len(inside)) + name + inside + crc

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return content("film.png", b"\x89PNG\r\n\x1a\n" + chunks)


def jpeg(folder):
    """Of which the header names more pixels than there are."""
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "JPEG")
    made = bytearray(file.getvalue())
    place = made.index(b"\xff\xc0") + 5
    made[place : place + 4] = struct.pack(">HH", 12000, 12000)
    return bytes(made)


def dicom(syntax, pixels, **changed):
    def change(folder):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = f"1.2.840.10008.1.2.{syntax}"
        meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
        file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        settings = {"Rows": 64, "Columns": 64, "SamplesPerPixel": 1, "BitsAllocated": 8,
                    "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
                    "PhotometricInterpretation": "MONOCHROME2", "PixelData": pixels}  # fmt: skip
        for name, value in (settings | changed).items():
            setattr(file, name, value)
        file.save_as(folder / "film.dcm", enforce_file_format=True)

    return change


SIDE = {"Rows": 60_000, "Columns": 60_000}
RLE = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0\x81\0"
EPS = (  # gray, and with its bits where a JPEG 2000 has them
    "%!PS-Adobe-3.0 EPSF-3.0\n%%Title: some film\x07\n%%BoundingBox: 0 0 512 512\n%%EndComments\n\n"
    '%ImageData: 512 512 8 1 0 1 1 "beginimage"\n(canary) (w) file\nshowpage\n%%EOF\n'
)
LARGE = {"Rows": 512, "Columns": 512}  # large enough to be decoded at a part of its size
FRAME = encapsulate([EPS.encode() + b"\xff\xd9"])  # with the end of a JPEG
PICTURES = {
    "PNG of 60,000 x 60,000": png(60_000, 60_000),
    "PNG of 12,000 x 12,000": png(12_000, 12_000, bytes(10**7), 6),
    "JPEG of 12,000 x 12,000": content("film.jpg", jpeg),
    "PostScript": content("film.png", EPS),
    "SVG with an entity": content(
        "film.png", '<!DOCTYPE s [<!ENTITY a SYSTEM "secret.txt">]><svg>&a;</svg>'),
    "XBM": content("film.png", "#define im_width 100000\n#define im_height 100000\n"
                   "static char im_bits[] = {\n0x00};\n"),
    "DICOM of 60,000 x 60,000": dicom("1", bytes(4096), **SIDE),
    "DICOM of run lengths": dicom("5", encapsulate([RLE]), **SIDE),
    "DICOM of JPEG-LS": dicom("4.80", encapsulate([b"\xff\xd8" + bytes(60) + b"\xff\xd9"]), **SIDE),
    "DICOM of PostScript": dicom("4.50", FRAME, **LARGE),
    "DICOM of PostScript as JPEG 2000": dicom("4.91", FRAME, **LARGE),
    "deflated DICOM": dicom("1.99", bytes(3 * 10**8)),
    "DICOM of 10^6 frames": dicom("1", bytes(4096), NumberOfFrames=10**6),
    "DICOM that is a pipe": pipe("film.dcm"),
    "picture that is a pipe": pipe("film.png"),
}  # fmt: skip

# -- tables and copies ------------------------------------------------------------------------


def packed(kind):
    """A table of 500 MB in half of one."""

    def made(folder):
        file = io.BytesIO()
        with gzip.open(file, "wb") if kind == "gzip" else zipfile.ZipFile(file, "w", 8) as archive:
            member = archive if kind == "gzip" else archive.open("t.csv", "w", force_zip64=True)
            with member:
                for _ in range(500):
                    member.write(b"a,b\n" * 2**18)
        return file.getvalue()

    return made


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
    "table in gzip": ("table", content("t.csv.gz", packed("gzip"))),
    "table in zip": ("table", content("t.csv", packed("zip"))),
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
    "archive of reports": ("reports", content("NLMCXR_reports.tgz", packed("gzip"))),
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
