"""The suite file: which data, which runs or a grid to train, which tasks.

    suite.yaml --read_suite--> Suite: data sources, rows (what is compared), columns (task x data)

Every name is checked when the file is read. Data that do not lie where the file says are no error:
they are listed, and the cells that need them are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reclf.config import RunConfig, from_dict, merge, override, read_as
from reclf.pretrain import DEFAULT_PRESET
from reclf.runs.notebook import resolve
from reclf.training.presets import derive, find_preset
from reclf_study.variants import VARIANTS, title, variant_config
from reclf_study.yaml_files import read_yaml

from .columns import Column, read_columns
from .data_source import DataSource, read_source
from .published import load_published
from .suite_values import check_known, mapping, part

# Where the title of an ablation's table would be misread in a table of means.
ROW_TITLES = {"reclf": "RECLF", "mean": "mean of matchings"}


@dataclass(frozen=True)
class Grid:
    """What is trained: every variant with every seed."""

    preset: str = DEFAULT_PRESET
    """Base of all settings."""
    data: str = ""
    """A source of the suite to train on; empty: what the preset trains on."""
    variants: dict[str, Any] = field(default_factory=dict)
    """A list of names of `reclf_study.variants`, or name -> settings by dotted path."""
    seeds: list[int] = field(default_factory=lambda: [0])
    """Of `train.seed`."""
    overrides: dict[str, Any] = field(default_factory=dict)
    """Settings by dotted path for all runs."""


@dataclass(frozen=True)
class Encoder:
    """An image encoder of others, see `reclf.import_encoder`."""

    source: str
    """State dict, transformers folder, or "module:function"."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of `import_encoder`: image_size, image_mean, ..."""


@dataclass(frozen=True)
class Row:
    """What is compared: a trained variant, a run, or an encoder, over its seeds.

    Attributes:
        title: in the table.
        kind: "train", "run" or "encoder".
        folders: run folder by seed name ("reclf-seed0").
        configs: settings by seed name, of a row to train.
        encoder: of an encoder.
    """

    title: str
    kind: str
    folders: dict[str, Path]
    configs: dict[str, RunConfig] = field(default_factory=dict)
    encoder: Encoder | None = None


@dataclass(frozen=True)
class Suite:
    """A whole suite; attributes as the file has them, see docs/paper_table.md."""

    folder: Path
    data: dict[str, DataSource]
    rows: tuple[Row, ...]
    columns: dict[str, Column]
    train_data: str = ""
    published: str = "shipped"
    device: str = "auto"
    seed: int = 0
    trust_code: bool = False
    without_columns: tuple[str, ...] = ()
    """Tasks that were asked for and have no column on these data."""

    @property
    def missing(self) -> list[str]:
        """Sources that do not lie where the file says."""
        return [name for name, source in self.data.items() if not source.is_there]

    @property
    def left_out(self) -> list[str]:
        """What the suite names and cannot do, in sentences."""
        missing = [
            f"data source {name!r}, nothing in {self.data[name].folder}" for name in self.missing
        ]
        return missing + [
            f"{task} has no default column on these data; name one under `columns`"
            for task in self.without_columns
        ]

    def parameters(self, column: str) -> dict[str, Any]:
        """What the column's task notebook would be given, the run aside."""
        asked = self.columns[column]
        source = self.data[asked.data]
        return {
            **asked.options,
            "dataset": source.dataset or asked.data,
            "data_root": source.folder,
            "options": merge(source.options, asked.options.get("options", {})),
            "name": asked.name,
            "seed": self.seed,
            "device": self.device,
        }


_KEYS = ("folder", "data", "runs", "train", "encoders", "tasks", "columns", "published", "device",
         "seed", "trust_code")  # fmt: skip


def read_suite(path: str | Path, runs: Mapping[str, Any] | None = None) -> Suite:
    """Read a suite file.

    Args:
        path: of the YAML or JSON file.
        runs: further runs, title -> folder or list of folders.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a suite; names the key, the rule and what is known.
    """
    path = resolve(str(path))
    if not path.is_file():
        raise FileNotFoundError(f"no suite file {path}: notebooks/suites has examples to copy")
    values = read_yaml(path)
    try:
        return make_suite(values, runs)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def make_suite(values: Any, runs: Mapping[str, Any] | None = None) -> Suite:
    """A suite from the content of its file."""
    values = mapping(values, "a suite")
    check_known(values, _KEYS, "a suite")
    folder = resolve(str(values.get("folder", "runs/paper_table")))
    data = {name: read_source(name, entry) for name, entry in part(values, "data").items()}
    grid = None
    rows: list[Row] = []
    if "train" in values:
        grid = _grid(values["train"], data)
        rows += _grid_rows(grid, data, folder)
    rows += [_run_row(name, at) for name, at in ({**part(values, "runs"), **(runs or {})}).items()]
    for name, entry in part(values, "encoders").items():
        entry = {"source": entry} if isinstance(entry, str) else entry
        encoder = from_dict(Encoder, mapping(entry, f"encoders.{name}"), f"encoders.{name}.")
        rows.append(Row(name, "encoder", {name: folder / name}, encoder=encoder))
    if not rows:
        raise ValueError("nothing to compare: give `runs`, `train` or `encoders`")
    for what, names in (
        ("rows", [row.title for row in rows]),
        ("runs", [run for row in rows for run in row.folders]),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two {what} are called {', '.join(twice)}: give each its own name")
    columns = read_columns(values, data)
    published = str(values.get("published", "shipped"))
    if published not in ("shipped", "none"):
        published = str(resolve(published))
        load_published(published)  # a mistake in it is named now, not when the table is made
    asked = values.get("tasks") or ()
    done = {column.task for column in columns.values()}
    return Suite(
        folder, data, tuple(rows), columns, grid.data if grid else "", published,
        str(values.get("device", "auto")), int(values.get("seed", 0)),
        read_as(values.get("trust_code", False), bool, "trust_code"),
        tuple(task for task in asked if task not in done),
    )  # fmt: skip


def _grid(entry: Any, data: Mapping[str, DataSource]) -> Grid:
    entry = mapping(entry, "train").copy()
    names = entry.get("variants") or ["reclf"]
    entry["variants"] = {name: {} for name in names} if isinstance(names, list) else names
    grid = from_dict(Grid, entry, "train.")
    if grid.data:
        check_known([grid.data], data, "train.data")
    if not grid.seeds:
        raise ValueError("train.seeds must name at least one seed, such as [0, 1, 2]")
    return grid


def _grid_rows(grid: Grid, data: Mapping[str, DataSource], folder: Path) -> list[Row]:
    settings = dict(grid.overrides)
    if grid.data:
        source = data[grid.data]
        settings = {
            "data.dataset": source.dataset or grid.data,
            "data.root": source.folder,
            "data.options": source.options,
            **settings,
        }
    base = derive(find_preset(grid.preset), settings)
    rows = []
    for name, own in grid.variants.items():
        if name not in VARIANTS and not own:
            check_known([name], VARIANTS, "train.variants")
        config = variant_config(name, base) if name in VARIANTS else base
        config = derive(config, own) if own else config
        configs = {
            f"{name}-seed{seed}": override(config, {"train.seed": seed}) for seed in grid.seeds
        }
        folders = {run: folder / run for run in configs}
        named = ROW_TITLES.get(name) or (title(name) if name in VARIANTS else name)
        rows.append(Row(named, "train", folders, configs))
    return rows


def _run_row(name: str, at: Any) -> Row:
    paths = [at] if isinstance(at, str) else at
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"runs.{name} must be a folder or a list of folders, got {at!r}")
    folders = [resolve(path) for path in paths]
    names = [name] if len(folders) == 1 else [f"{name}-{number}" for number in range(len(folders))]
    return Row(name, "run", dict(zip(names, folders, strict=True)))
