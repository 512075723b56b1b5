"""Tables on disk as text: read right, or refused with the file, the row and what to do.

    CSV (UTF-8, 16 or 32; comma, semicolon, tab or |) or Parquet, also in gzip or zip -> text

The content says which of these it is, and not the name. Cells of a CSV stay text, so that "007"
keeps its zeros; which of them stand for no value is for the loaders to say (`NO_VALUE`).
"""

import csv
import gzip
import io
import itertools
import re
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from reclf.config.foreign_files import check_size

from .problems import DataProblems, refuse

_BOMS = {
    b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}  # fmt: skip
MOST_BYTES = 2**36
_SEPARATORS = ",;\t|"


def read_cells(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """A table with the white space around its column names taken off; empty cells of a CSV are "".

    Args:
        content: of a table that lies in an archive.

    Raises:
        DataProblems: what keeps it from being read, in one sentence with the file's name.
    """
    with _open(path, content) as file:
        is_parquet = file.read(4) == b"PAR1" or path.suffix == ".parquet"
        file.seek(0)
        table = _read_parquet(path, file) if is_parquet else _read_csv(path, file)
    columns = [str(column).strip() for column in table.columns]
    places: dict[str, list[str]] = {}
    for column in filter(None, columns):
        places.setdefault(column.lower(), []).append(column)
    twice = [" and ".join(map(repr, same)) for same in places.values() if len(same) > 1]
    advice = "Name every column once; letter case and spaces make no difference."
    refuse(path, "column that stands twice", twice, advice)
    table.columns = pd.Index(columns)
    return table


def read_text(path: Path) -> str:
    """The text of a file, in any encoding and compression of a CSV; errors as of `read_cells`."""
    with _open(path) as file:
        return _decode(path, file.read())


@contextmanager
def _open(path: Path, content: bytes | None = None) -> Iterator[BinaryIO]:
    """The bytes of a file without their compression. Those of a plain file are not in memory."""
    try:
        if content is None:
            check_size(path, MOST_BYTES)
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            yield _unpack(path, file)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        advice = "Unpack it, or copy or download it again."
        raise _refused(path, "unreadable file", str(error), advice) from error


def _unpack(path: Path, file: BinaryIO) -> BinaryIO:
    start, size = file.read(4), file.seek(0, io.SEEK_END)
    file.seek(0)
    if start.startswith(b"\x1f\x8b") or path.suffix == ".gz":
        with gzip.open(file) as packed:
            return io.BytesIO(unpack(packed, size))
    if start != b"PK\3\4":
        return file
    with zipfile.ZipFile(file) as archive:
        if len(names := archive.namelist()) == 1:
            with archive.open(names[0]) as packed:
                return io.BytesIO(unpack(packed, size))
    shown = ", ".join(names[:3])
    raise zipfile.BadZipFile(f"an archive of {shown}; save a spreadsheet as CSV UTF-8")


def unpack(packed: IO[bytes] | gzip.GzipFile, size: int) -> bytes:
    """What is in an archive of so many bytes; `OSError` where it is a hundred times as much, for
    text packs to a tenth, and a bomb to a thousandth."""
    content = packed.read(most := 2**22 + 100 * size)
    if len(content) == most:
        raise OSError(f"it unpacks to {most:,} bytes or more, a hundred times its size")
    return content


def _encoding(start: bytes) -> str:
    return next((name for bom, name in _BOMS.items() if start.startswith(bom)), "utf-8")


def _zero_bytes(path: Path) -> DataProblems:
    advice = "Give a CSV (UTF-8, or UTF-16 with its byte order mark) or Parquet file."
    return _refused(path, "no table", "it holds zero bytes", advice)


def _decode(path: Path, content: bytes) -> str:
    encoding = _encoding(content)
    if encoding == "utf-8" and b"\0" in content:
        raise _zero_bytes(path)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        advice = (
            "Save it as UTF-8 (in a spreadsheet: CSV UTF-8), or convert it, where it is Latin-1: "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8.csv"
        )
        raise _refused(path, "text that is no UTF-8", f"line {line}", advice) from error


def _read_csv(path: Path, file: BinaryIO) -> pd.DataFrame:
    # Line by line, for the text of the whole beside that of its cells takes twice the memory.
    encoding = _encoding(file.read(4))
    file.seek(0)
    while encoding == "utf-8" and (chunk := file.read(1 << 20)):
        if b"\0" in chunk:
            raise _zero_bytes(path)
    file.seek(0)
    with io.TextIOWrapper(file, encoding, newline="") as lines:
        try:
            return _read_lines(path, lines)
        except UnicodeDecodeError:
            file.seek(0)
            _decode(path, file.read())  # which says where
            raise


def _read_lines(path: Path, lines: Iterator[str]) -> pd.DataFrame:
    start = [""]
    while start[-1].isspace() or not start[-1]:
        start.append(next(lines, "the end"))
    if start[-1] == "the end":
        raise _refused(
            path, "empty file", path.name, "It needs a line of column names; get it again."
        )
    stated = re.fullmatch(rf"sep=([{_SEPARATORS}])\s*", start[-1])  # as Excel writes and reads it
    if stated:
        start = [*start[:-1], "\n", next(lines, "")]
    separator = stated[1] if stated else max(_SEPARATORS, key=start[-1].count)
    csv.field_size_limit(2**31 - 1)  # a report is one cell
    reader = csv.reader(itertools.chain(start[1:], lines), delimiter=separator, strict=True)
    names: list[str] = []
    rows, wrong, last = [], [], 0
    try:
        for row in reader:
            last = reader.line_num
            if len(row) == len(names) and row != names:
                rows.append(row)
                continue
            if not row:
                continue  # an empty line
            while len(row) > len(names) > 0 and not row[-1]:
                row.pop()  # an empty cell beyond the last column
            if row == names:
                wrong.append(f"line {last} names the columns again")
            names = names or row
            if len(row) != len(names):
                wrong.append(f"line {last} has {len(row)} cells")
            rows.append(row)
    except csv.Error as error:
        advice = 'Put text that holds a quote in "...", and write the quote twice.'
        where = f"in the row that begins at line {last + 1}: {error}"
        raise _refused(path, "quote without its other", where, advice) from error
    shown = {"\t": "a tab"}.get(separator, repr(separator))
    advice = (
        f"The first line names {len(names)} columns, and every row needs as many cells; put "
        f'text that holds {shown} in "...".'
    )
    refuse(path, "row that does not fit the first line", wrong, advice)
    return pd.DataFrame(rows[1:], columns=pd.Index(names), dtype=object)


def _read_parquet(path: Path, file: BinaryIO) -> pd.DataFrame:
    try:
        table = _from_parquet(file).to_pandas().astype(object)
    except Exception as error:  # pyarrow and pandas raise what their parsers do, KeyError too
        reason = repr(error).splitlines()[0]
        raise _refused(path, "no Parquet file", reason, "Write or copy it again.") from error
    table = table.where(table.notna(), None)  # every type has a missing value of its own
    for column in table.columns:
        try:
            table[column] = table[column].map(_plain)
        except UnicodeDecodeError as error:
            kind, advice = "bytes that are no UTF-8 text", "Store text as strings."
            raise _refused(path, kind, f"column {column!r}", advice) from error
    return table


def _from_parquet(file: BinaryIO) -> pa.Table:
    """A table, unless it is a bomb: texts stay indices into a dictionary while they are counted."""
    most = 2**24 + 100 * file.seek(0, io.SEEK_END)
    schema = parquet.ParquetFile(file).schema
    texts = [column.path for column in schema if column.physical_type == "BYTE_ARRAY"]
    opened = parquet.ParquetFile(file, read_dictionary=texts)
    groups = [opened.metadata.row_group(k) for k in range(opened.num_row_groups)]
    batches, size = [], sum(group.total_byte_size for group in groups)
    for batch in opened.iter_batches() if size <= most else ():
        batches.append(batch)
        for column in batch.columns:
            size += column.nbytes
            if pa.types.is_dictionary(column.type):
                lengths = compute.binary_length(column.dictionary).take(column.indices)
                size += compute.sum(lengths, min_count=0).as_py()
        if size > most:
            break
    if size > most:
        raise OSError(f"it unpacks to more than {most:,} bytes, a hundred times its size")
    return pa.Table.from_batches(batches, None if batches else opened.schema_arrow)


def _plain(cell: Any) -> Any:
    """Bytes as text, and a list as Python writes it."""
    if isinstance(cell, np.ndarray):
        return str(cell.tolist())
    return cell.decode("utf-8") if isinstance(cell, bytes) else cell


def _refused(path: Path, kind: str, example: str, advice: str) -> DataProblems:
    return DataProblems(str(path), {kind: [example]}, advice)


def refuse_unlike_spellings(path: Path, kind: str, found: Counter[str]) -> None:
    """Refuse names that a reader takes for one: they would be two names."""
    places: dict[str, list[str]] = {}
    for name in found:
        places.setdefault(as_read(name), []).append(name)
    twice = [
        " and ".join(f"{name!r} ({found[name]} rows)" for name in sorted(same))
        for same in places.values()
        if len(same) > 1
    ]
    refuse(path, kind, twice, "Spell each of them one way.")


def as_read(name: str) -> str:
    """Without letter case, spaces, underscores and hyphens between words, characters that show
    nothing, another composition of accents, the ".0" of an integer written as a float, and the
    zeros before a number at the end."""
    if not name.isascii():
        name = unicodedata.normalize("NFKC", name)
        name = "".join(c for c in name if unicodedata.category(c) != "Cf")
    name = re.sub(r"(?<=\w)[\s_-]+(?=\w)", " ", name.casefold()).removesuffix(".0")
    return re.sub(r"(?<!\d)0+(?=\d+$)", "", name)
