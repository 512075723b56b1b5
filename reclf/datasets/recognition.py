"""Which data set lies in a folder, by the files that are there, and which tables nothing reads.

Each loader's FILES say by which files its layout is recognized.
"""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from reclf.stats.tables import json_text

from .problems import DataProblems
from .registry import import_module, module_names
from .tables_on_disk import read_cells

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".dcm", ".dicom", ".tif", ".tiff")
_TABLES = (".csv", ".csv.gz", ".tsv", ".parquet", ".txt", ".json", ".jsonl", ".xlsx", ".xml")
# Option of `table` -> what its column may be called, in part.
_COLUMNS = {
    "report_column": ("report", "finding", "impression", "text", "caption"),
    "patient_column": ("patient", "subject"),
    "split_column": ("split", "fold", "subset"),
    "label_columns": ("labels", "label", "class", "diagnosis"),
}


def recognize(root: str | Path) -> tuple[str, dict[str, Any]]:
    """Name of the loader for a folder, and the options that its layout asks for.

    A file is taken for a manifest of `datasets.table`; a folder with images and no known table is
    "images".

    Raises:
        ValueError: for a folder that holds nothing known, or the layouts of two loaders.
    """
    root = Path(root)
    if root.is_file():
        return "table", {"manifest": root.name}
    if not root.is_dir():
        raise ValueError(f"there is no folder {root.absolute()}")
    found = _matches(root)
    if len(found) > 1:
        raise ValueError(
            f"{root} looks like {' and '.join(sorted(found))}: say which, by the parameter dataset"
        )
    if found:
        return next(iter(found.items()))
    if next(image_files(root), None):
        return "images", {}
    below = [folder for folder in sorted(root.iterdir()) if folder.is_dir() and _matches(folder)]
    if not below and (tables := unread_tables(root)):
        lines = "".join(f"\n  {name}: {what}" for name, what in tables.items())
        raise ValueError(
            f"{root} holds no image, and no table of a known data set; it has{lines}\nA table of "
            "your own is given as the root, with the options that name its columns: docs/data.md"
        )
    hint = f"; did you mean {below[0]}?" if below else f"; known: {', '.join(sorted(_known()))}"
    raise ValueError(f"{root} holds no image and the files of no known data set{hint}")


def _known() -> dict[str, Mapping[tuple[str, ...], Mapping[str, Any]]]:
    """Loader -> patterns of files that must all be there -> options."""
    files = {name: getattr(import_module(name), "FILES", {}) for name in module_names()}
    return {name: layouts for name, layouts in files.items() if layouts}


def _matches(root: Path) -> dict[str, dict[str, Any]]:
    return {
        name: dict(options)
        for name, layouts in _known().items()
        for patterns, options in layouts.items()
        if all(next(root.glob(pattern), None) for pattern in patterns)
    }


def image_files(root: Path) -> Iterator[Path]:
    """Images below a folder, those behind symbolic links too; each folder once."""
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(folder)) in seen:
            below.clear()  # a link to a folder above
            continue
        seen.add(real)
        below.sort()
        yield from (Path(folder, name) for name in names if name.lower().endswith(IMAGE_ENDINGS))


def unread_tables(root: Path) -> dict[str, str]:
    """Tables and lists of a folder of images, which nothing reads: name -> what is in it."""
    found = {}
    for path in sorted([*root.glob("*"), *root.glob("*/*")]):
        if path.is_file() and path.name.lower().endswith(_TABLES):
            try:
                found[str(path.relative_to(root))] = _describe(path)
            except (DataProblems, ValueError, OSError):
                found[str(path.relative_to(root))] = "it cannot be read"
    return found


def _describe(path: Path) -> str:
    if path.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".parquet")):
        table = read_cells(path)
        return f"{len(table)} rows, columns {', '.join(table.columns)}"
    with path.open(encoding="utf-8", errors="replace") as file:
        return f"it begins with {file.readline()[:60].strip()!r}"


def options_for(root: Path, name: str) -> dict[str, Any]:
    """Options of `table` that read a table of a folder, as far as its columns tell; {} where none
    of them names images that are there."""
    try:
        table = read_cells(root / name)
    except (DataProblems, OSError):
        return {}
    image = next((c for c in table.columns if _names_images(root, table[c][:20])), None)
    if image is None:
        return {}
    options: dict[str, Any] = {"manifest": name, "image_column": image}
    rest = [column for column in table.columns if column != image]
    for option, parts in _COLUMNS.items():
        near = [column for part in parts for column in rest if part in column.lower()]
        options[option] = near[0] if near else None
    return options


def _names_images(root: Path, cells: pd.Series) -> bool:
    """Whether most cells are paths of files below the root."""
    there = [os.path.isfile(os.path.join(root, str(cell).replace("\\", "/"))) for cell in cells]
    return sum(there) > len(there) / 2


def check_line(root: Path, dataset: str, options: Mapping[str, Any]) -> str:
    """The line that looks at a data set by this loader."""
    words = ["papermill", "notebooks/data_check.ipynb", "check.ipynb", "-p", "data_root", str(root)]
    words += ["-p", "dataset", dataset]
    return shlex.join([*words, "-p", "options", json_text(options)] if options else words)
