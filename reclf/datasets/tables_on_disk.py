"""Tables on disk as text: read right, or refused with the file, the row and what to do.

    .csv (UTF-8 or UTF-16; comma, semicolon or tab; .gz) or .parquet -> columns of text

Cells of a CSV stay text, so that "007" keeps its zeros and "None" is a report.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from .problems import DataProblems, refuse

_BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_SEPARATORS = ",;\t"


def read_cells(path: Path, content: bytes | None = None) -> pd.DataFrame:
    """A table with the white space around its column names taken off; empty cells of a CSV are "".

    Args:
        content: of a CSV that lies in an archive.

    Raises:
        DataProblems: what keeps it from being read, in one sentence with the file's name.
    """
    try:
        is_parquet = path.suffix == ".parquet"
        table = _read_parquet(path) if is_parquet else _read_csv(path, read_text(path, content))
    except csv.Error as error:
        raise _refused(path, "unreadable file", str(error), "Write it again as CSV.") from error
    columns = [str(column).strip() for column in table.columns]
    places: dict[str, list[str]] = {}
    for column in filter(None, columns):
        places.setdefault(column.lower(), []).append(column)
    twice = [" and ".join(map(repr, same)) for same in places.values() if len(same) > 1]
    advice = "Name every column once; letter case and spaces make no difference."
    refuse(path, "column that stands twice", twice, advice)
    table.columns = pd.Index(columns)
    return table


def read_text(path: Path, content: bytes | None = None) -> str:
    """The text of a file in UTF-8 or UTF-16, also .gz; `content` and errors as of `read_cells`."""
    try:
        content = path.read_bytes() if content is None else content
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise _refused(path, "unreadable file", str(error), "Copy or download it again.") from error
    encoding = next((name for bom, name in _BOMS.items() if content.startswith(bom)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        advice = (
            "Save it as UTF-8 (in a spreadsheet: CSV UTF-8), or convert it, where it is Latin-1: "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8.csv"
        )
        raise _refused(path, "text that is no UTF-8", f"line {line}", advice) from error


def _read_csv(path: Path, text: str) -> pd.DataFrame:
    if not text.strip():
        raise _refused(
            path, "empty file", path.name, "It needs a line of column names; get it again."
        )
    if "\0" in text:
        raise _refused(path, "no table", "it holds zero bytes", "Give a CSV or Parquet file.")
    header = text.lstrip("\n\r").split("\n", 1)[0]
    separator = max(_SEPARATORS, key=header.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a report is one cell
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names: list[str] = []
    rows, wrong = [], []
    for row in reader:
        if not row:
            continue  # an empty line
        names = names or row
        while len(row) > len(names) and not row[-1]:
            row.pop()  # an empty cell beyond the last column
        if len(row) != len(names):
            wrong.append(f"line {reader.line_num} has {len(row)} cells")
        rows.append(row)
    shown = {"\t": "a tab"}.get(separator, repr(separator))
    advice = (
        f"The first line names {len(names)} columns, and every row needs as many cells; put "
        f'text that holds {shown} in "...".'
    )
    refuse(path, "row of another length", wrong, advice)
    return pd.DataFrame(rows[1:], columns=pd.Index(names))


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_parquet(path)
    except (ValueError, OSError) as error:  # pyarrow's errors are of both kinds
        reason = str(error).splitlines()[0]
        raise _refused(path, "no Parquet file", reason, "Write or copy it again.") from error
    for column in table.columns:
        if table[column].map(lambda cell: isinstance(cell, bytes)).any():
            table[column] = table[column].map(lambda cell, c=column: _decoded(cell, path, c))
    return table


def _decoded(cell: Any, path: Path, column: str) -> Any:
    try:
        return cell.decode("utf-8") if isinstance(cell, bytes) else cell
    except UnicodeDecodeError as error:
        kind = "bytes that are no UTF-8 text"
        raise _refused(path, kind, f"column {column!r}", "Store text as strings.") from error


def _refused(path: Path, kind: str, example: str, advice: str) -> DataProblems:
    return DataProblems(str(path), {kind: [example]}, advice)


def refuse_unlike_spellings(path: Path, kind: str, found: Counter[str]) -> None:
    """Refuse names that differ in letter case or spaces alone: they would be two names."""
    places: dict[str, list[str]] = {}
    for name in found:
        places.setdefault(" ".join(name.lower().split()), []).append(name)
    twice = [
        " and ".join(f"{name!r} ({found[name]} rows)" for name in sorted(same))
        for same in places.values()
        if len(same) > 1
    ]
    refuse(path, kind, twice, "Spell each of them one way.")
