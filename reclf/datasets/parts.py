"""The parts of a data set on disk: finding its tables and folders, and reading them as text.

Part(names, source) -> find_parts -> path of each, or one error with everything that is missing
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .problems import DataProblems, refuse, refuse_missing_columns, tiny_command
from .splits import refuse_misspelled_splits, split_name
from .tables_on_disk import read_cells, read_text

_COMPRESSED = ("", ".gz", ".zip")  # what pandas reads as it is


@dataclass(frozen=True)
class Part:
    """A file or folder of a data set.

    Attributes:
        names: where it may be, relative to the root; the first that is there counts. A pattern
            with "*" gives the last match by name, so that v1.1.0 comes before v1.0.0. A table may
            be compressed (.gz, .zip).
        source: where it comes from, for the error.
        root: its folder; None for that of the data set.
        called: what the error calls it; "" for its names.
    """

    names: tuple[str, ...]
    source: str
    root: Path | None = None
    called: str = ""

    def find(self, root: Path) -> Path | None:
        root = self.root or root
        for name in self.names:
            ends = _COMPRESSED if name.endswith((".csv", ".txt")) else ("",)
            for path in (found for end in ends for found in sorted(root.glob(name + end))[-1:]):
                return path
        return None


def find_parts(module: str, name: str, root: Path, parts: Mapping[str, Part]) -> dict[str, Path]:
    """Path of every part; `DataProblems` names all that are missing, where each was looked for and
    where it comes from."""
    found = {key: part.find(root) for key, part in parts.items()}
    missing = {
        f"missing {part.called or ' or '.join(part.names)}": [
            f"not in {(part.root or root).absolute()}; it comes {part.source}"
        ]
        for key, part in parts.items()
        if found[key] is None
    }
    if missing:
        advice = f"Give the folder that holds these, or try without them: {tiny_command(module)}"
        raise DataProblems(name, missing, advice)
    return {key: path for key, path in found.items() if path is not None}


def read_table(path: Path, columns: Sequence[str], content: bytes | None = None) -> pd.DataFrame:
    """A table whose cells stay text, for ids are names and not numbers.

    White space around column names is taken off (SIIM has " EncodedPixels"); empty cells are "".
    """
    table = read_cells(path, content)
    refuse_missing_columns(str(path), list(table.columns), dict.fromkeys(columns))
    refuse(path, "table without rows", [path.name] if table.empty else [], "Get it again.")
    return table


def read_list(path: Path) -> list[str]:
    """The lines of a text file, without empty ones."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_split_file(
    root: Path, split_file: str | Path | None, otherwise: Callable[[str], str]
) -> Callable[[str], str]:
    """id of an image -> its split.

    Args:
        split_file: CSV with the columns image and split, relative to the root: a published list of
            your own choice. An image that is not in it is in no split, "".
        otherwise: how to split without a split_file.
    """
    if split_file is None:
        return otherwise
    path = root / split_file
    if not path.is_file():
        raise DataProblems(str(path), {"missing split_file": [str(path)]}, "See its description.")
    table = read_table(path, ["image", "split"])
    twice = table.loc[table["image"].duplicated(), "image"]
    refuse(path, "image listed twice", twice, "Keep one line of each.")
    refuse_misspelled_splits(path, table["split"])
    splits = dict(zip(table["image"], table["split"].map(split_name), strict=True))
    return lambda image: splits.get(image, "")
