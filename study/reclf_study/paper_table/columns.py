"""The columns of a suite: one task on one data source each, from columns.yaml and the suite file.

columns.yaml, data sources, `tasks`, `columns` of the suite --read_columns--> name -> Column
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reclf.config import from_dict, merge
from reclf_study.yaml_files import read_yaml

from .data_source import DataSource
from .notebook_parameters import TASKS, task_parameters
from .suite_values import check_known, mapping, part

COLUMNS = Path(__file__).with_name("columns.yaml")
_SET_BY_SUITE = ("run", "dataset", "data_root", "name", "seed", "device")


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


def read_columns(values: Mapping[str, Any], data: Mapping[str, DataSource]) -> dict[str, Column]:
    """The default columns of the sources, restricted to the tasks asked for, then one's own."""
    asked = values.get("tasks") or list(TASKS)
    asked = {name: {} for name in asked} if isinstance(asked, list) else mapping(asked, "tasks")
    check_known(asked, TASKS, "tasks")
    found: dict[str, Column] = {}
    for entry in read_yaml(COLUMNS):
        for name, source in data.items():
            fits = (source.dataset or name) == entry["dataset"] and entry["task"] in asked
            if fits and entry.get("needs", "") in ("", *source.options):
                column = Column(
                    entry["task"], name, entry.get("options", {}), entry.get("suffix", "")
                )
                found[f"{column.task}-{column.name}"] = column
    for name, own in part(values, "columns").items():
        if own is None:
            check_known([name], found, "columns (null leaves one out)")
            del found[name]
            continue
        own = mapping(own, f"columns.{name}")
        base = found.get(name)
        task, _, rest = name.partition("-")
        start = {"task": task, "data": rest} if base is None else vars(base)
        column = from_dict(Column, {**start, **own}, f"columns.{name}.")
        if base is not None:
            column = Column(
                column.task, column.data, merge(base.options, column.options), column.suffix
            )
        check_known([column.task], TASKS, f"columns.{name}.task")
        check_known([column.data], data, f"columns.{name}.data")
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
