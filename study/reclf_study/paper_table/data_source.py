"""A data source of a suite: where a data set lies and how it is opened."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reclf.config import from_dict
from reclf.datasets.registry import find_dataset
from reclf.runs.notebook import resolve

from .suite_values import mapping


@dataclass(frozen=True)
class DataSource:
    """A data set on disk, or the phantom."""

    root: str = ""
    """Folder; relative ones start where the notebook's do."""
    dataset: str = ""
    """As for `load_dataset`; empty: the source's own name."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the data set."""

    @property
    def folder(self) -> str:
        return str(resolve(self.root)) if self.root else ""

    @property
    def is_there(self) -> bool:
        return not self.root or Path(self.folder).exists()


def read_source(name: str, entry: Any) -> DataSource:
    entry = {"root": entry} if isinstance(entry, str) else entry or {}
    source = from_dict(DataSource, mapping(entry, f"data.{name}"), f"data.{name}.")
    if ":" not in (source.dataset or name):
        find_dataset(source.dataset or name, source.options)
    return source
