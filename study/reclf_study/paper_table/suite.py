"""The suite file: which data, which runs or a grid to train, which tasks.

    suite.yaml --read_suite--> Suite: data sources, rows (what is compared), columns (task x data)

Every name is checked when the file is read. Data that do not lie where the file says are no error:
they are listed, and the cells that need them are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from reclf.config import RunConfig, from_dict, merge, override
from reclf.datasets.registry import find_dataset
from reclf.pretrain import DEFAULT_PRESET
from reclf.runs.notebook import resolve
from reclf.training.presets import derive, find_preset
from reclf_study.variants import VARIANTS, title, variant_config

from .notebook_parameters import TASKS, task_parameters
from .published import load_published

# Where the title of an ablation's table would be misread in a table of means.
ROW_TITLES = {"reclf": "RECLF", "mean": "mean of matchings"}
COLUMNS = Path(__file__).with_name("columns.yaml")


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
class Column:
    """One task on one data source."""

    task: str
    data: str
    options: dict[str, Any] = field(default_factory=dict)
    """Parameters of the task's notebook that differ from its defaults."""
    suffix: str = ""
    """Behind the source's name where it has two columns of a task, such as "_5x200"."""

    @property
    def name(self) -> str:
        """Of the result's data set: the source, and the suffix."""
        return f"{self.data}{self.suffix}"


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
    without_columns: tuple[str, ...] = ()
    """Tasks that were asked for and have no column on these data."""

    @property
    def missing(self) -> list[str]:
        """Sources that do not lie where the file says."""
        return [name for name, source in self.data.items() if not source.is_there]

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
         "seed")  # fmt: skip
_SET_BY_SUITE = ("run", "dataset", "data_root", "name", "seed", "device")


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
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {error}") from error
    try:
        return make_suite(values, runs)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error


def make_suite(values: Any, runs: Mapping[str, Any] | None = None) -> Suite:
    """A suite from the content of its file."""
    values = _mapping(values, "a suite")
    _known(values, _KEYS, "a suite")
    folder = resolve(str(values.get("folder", "runs/paper_table")))
    data = {name: _source(name, entry) for name, entry in _part(values, "data").items()}
    grid = None
    rows: list[Row] = []
    if "train" in values:
        grid = _grid(values["train"], data)
        rows += _grid_rows(grid, data, folder)
    rows += [_run_row(name, at) for name, at in ({**_part(values, "runs"), **(runs or {})}).items()]
    for name, entry in _part(values, "encoders").items():
        entry = {"source": entry} if isinstance(entry, str) else entry
        encoder = from_dict(Encoder, _mapping(entry, f"encoders.{name}"), f"encoders.{name}.")
        rows.append(Row(name, "encoder", {name: folder / name}, encoder=encoder))
    if not rows:
        raise ValueError("nothing to compare: give `runs`, `train` or `encoders`")
    titles = [row.title for row in rows]
    if twice := sorted({name for name in titles if titles.count(name) > 1}):
        raise ValueError(f"two rows are called {', '.join(twice)}: give each its own name")
    columns = _columns(values, data)
    published = str(values.get("published", "shipped"))
    if published not in ("shipped", "none"):
        published = str(resolve(published))
        load_published(published)  # a mistake in it is named now, not when the table is made
    asked = values.get("tasks") or ()
    done = {column.task for column in columns.values()}
    return Suite(
        folder, data, tuple(rows), columns, grid.data if grid else "", published,
        str(values.get("device", "auto")), int(values.get("seed", 0)),
        tuple(task for task in asked if task not in done),
    )  # fmt: skip


def _source(name: str, entry: Any) -> DataSource:
    entry = {"root": entry} if isinstance(entry, str) else entry or {}
    source = from_dict(DataSource, _mapping(entry, f"data.{name}"), f"data.{name}.")
    if ":" not in (source.dataset or name):
        find_dataset(source.dataset or name, source.options)
    return source


def _grid(entry: Any, data: Mapping[str, DataSource]) -> Grid:
    entry = _mapping(entry, "train").copy()
    names = entry.get("variants") or ["reclf"]
    entry["variants"] = {name: {} for name in names} if isinstance(names, list) else names
    grid = from_dict(Grid, entry, "train.")
    if grid.data:
        _known([grid.data], data, "train.data")
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
            _known([name], VARIANTS, "train.variants")
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


def _columns(values: Mapping[str, Any], data: Mapping[str, DataSource]) -> dict[str, Column]:
    """The default columns of the sources, restricted to the tasks asked for, then one's own."""
    asked = values.get("tasks") or list(TASKS)
    asked = {name: {} for name in asked} if isinstance(asked, list) else _mapping(asked, "tasks")
    _known(asked, TASKS, "tasks")
    found: dict[str, Column] = {}
    for entry in yaml.safe_load(COLUMNS.read_text(encoding="utf-8")):
        for name, source in data.items():
            fits = (source.dataset or name) == entry["dataset"] and entry["task"] in asked
            if fits and entry.get("needs", "") in ("", *source.options):
                column = Column(
                    entry["task"], name, entry.get("options", {}), entry.get("suffix", "")
                )
                found[f"{column.task}-{column.name}"] = column
    for name, own in _part(values, "columns").items():
        if own is None:
            _known([name], found, "columns (null leaves one out)")
            del found[name]
            continue
        own = _mapping(own, f"columns.{name}")
        base = found.get(name)
        task, _, rest = name.partition("-")
        start = {"task": task, "data": rest} if base is None else vars(base)
        column = from_dict(Column, {**start, **own}, f"columns.{name}.")
        if base is not None:
            column = Column(
                column.task, column.data, merge(base.options, column.options), column.suffix
            )
        _known([column.task], TASKS, f"columns.{name}.task")
        _known([column.data], data, f"columns.{name}.data")
        found[name] = column
    for name, column in found.items():
        options = merge(column.options, asked.get(column.task) or {})
        if taken := sorted(set(options) & set(_SET_BY_SUITE)):
            raise ValueError(f"{name}: {', '.join(taken)} is set by the suite and no option")
        task_parameters(column.task, options)  # unknown names and wrong types are refused here
        found[name] = Column(column.task, column.data, options, column.suffix)
    if not found:
        raise ValueError(
            f"no task for the data sets {', '.join(data) or '(none)'}: name some under `columns`, "
            "such as zero_shot-mine: {data: mine}"
        )
    return found


def _part(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return _mapping(values.get(name) or {}, name)


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a mapping of names to values, got {value!r}")
    return value


def _known(names: Any, known: Any, what: str) -> None:
    for name in names:
        if name not in known:
            near = get_close_matches(str(name), [str(k) for k in known], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(
                f"{what} has no {name!r}{hint}; known: {', '.join(map(str, known)) or 'none'}"
            )
