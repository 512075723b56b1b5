"""The table as files: table.json for programs, table.csv tidy, table.tex for a paper, table.md.

PaperTable --> results/table.json, table.csv, table.tex, table.md; figures/<task>.png and .pdf
"""

import csv
import io
from collections.abc import Iterable, Mapping
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from reclf.runs.files import write_atomically, write_json
from reclf.stats.tables import markdown, no_html, number, plain

from .figure import draw
from .latex import as_latex
from .number_text import TASK_TITLES, entry_text, measure_title, rows_of, value_text
from .table import Entry, Measure, PaperTable

_CSV = ("row", "kind", "task", "data", "measure", "fraction", "value", "sd_over_seeds", "low",
        "high", "n", "seeds", "compares", "best", "source", "differs")  # fmt: skip


def write_all(table: PaperTable, folder: Path, left_out: Iterable[str] = ()) -> list[Path]:
    """Write every file into <folder>/results and <folder>/figures.

    Args:
        left_out: sentences on what the table lacks.
    """
    paths = [folder / "results" / f"table.{kind}" for kind in ("json", "csv", "tex", "md")]
    write_json(paths[0], as_json(table, left_out))
    for path, text in zip(
        paths[1:], (as_csv(table), as_latex(table), as_markdown(table)), strict=True
    ):
        write_atomically(path, partial(Path.write_text, data=text, encoding="utf-8"))
    for task in table.tasks:
        figure = draw(table, task)
        try:
            for kind in ("png", "pdf"):
                paths.append(folder / "figures" / f"{task}.{kind}")
                write_atomically(paths[-1], partial(figure.savefig, format=kind, dpi=150))
        finally:
            plt.close(figure)
    return paths


def as_json(table: PaperTable, left_out: Iterable[str] = ()) -> dict[str, Any]:
    """What table.json holds; columns go by `Measure.key`."""
    return plain({
        "columns": {m.key: vars(m) | {"chance": table.chance.get(m)} for m in table.measures},
        "rows": {
            row: {
                "kind": kind,
                "training": table.training.get(row),
                "numbers": {
                    m.key: _entry(table.entries[row, m])
                    for m in table.measures
                    if (row, m) in table.entries
                },
            }
            for row, kind in table.rows.items()
        },
        "published": [
            vars(number) | {"column": m.key, "differs": differs}
            for m, numbers in table.published.items()
            for number, differs in numbers
        ],
        "standing": {
            m.key: {row: text for row in table.rows if (text := table.standing(row, m))}
            for m in table.published
        },
        "notes": table.notes,
        "left_out": list(left_out),
        "protocols": table.protocols,
    })  # fmt: skip


def read_table(values: Mapping[str, Any]) -> PaperTable:
    """The table of a table.json, without its published rows."""
    measures = {
        key: Measure(m["task"], m["data"], m["measure"], m["fraction"])
        for key, m in values["columns"].items()
    }
    table = PaperTable(list(measures.values()), notes=values["notes"])
    for key, m in measures.items():
        if values["columns"][key]["chance"] is not None:
            table.chance[m] = values["columns"][key]["chance"]
    for row, content in values["rows"].items():
        table.rows[row] = content["kind"]
        for key, there in content["numbers"].items():
            interval = there["interval"] and tuple(there["interval"])
            value, *seeds = (nan if v is None else v for v in (there["value"], *there["seeds"]))
            table.entries[row, measures[key]] = Entry(
                value, tuple(seeds), interval, there["n"], there["compares"], there["best"]
            )
    return table


def as_csv(table: PaperTable) -> str:
    """A line a number, published ones too."""
    lines: list[tuple[str, ...]] = [_CSV]
    for row, kind in table.rows.items():
        for m in table.measures:
            entry = table.entries.get((row, m))
            if entry is not None:
                low, high = entry.interval or (None, None)
                seeds = " ".join(map(_number, entry.seeds))
                spread = map(_number, (entry.value, entry.deviation, low, high))
                lines.append((row, kind, *_names(m), *spread, str(entry.n), seeds,
                              str(entry.compares), str(entry.best), "", ""))  # fmt: skip
    for m, numbers in table.published.items():
        for found, differs in numbers:
            lines.append((found.method, "published", *_names(m), _number(found.value), "", "",
                          "", "", "", str(not differs), "False", found.citation,
                          "; ".join(differs)))  # fmt: skip
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def as_markdown(table: PaperTable) -> str:
    """A table a task, without published rows, and the notes."""
    parts = []
    for task in table.tasks:
        measures = table.of_task(task)
        rows = [
            [row, *(entry_text(table.entries.get((row, m)), m, "**{}**") for m in measures)]
            for row in rows_of(table, measures)
        ]
        rows.append(["chance", *(value_text(table.chance.get(m), m) for m in measures)])
        header = ["", *(f"{m.data}, {measure_title(m)}" for m in measures)]
        parts.append(f"**{TASK_TITLES.get(task, task)}**\n\n{markdown(header, rows)}")
        parts += map(no_html, table.notes.get(task, ()))
    return "\n\n".join(parts) + "\n"


def _entry(entry: Entry) -> dict[str, Any]:
    return vars(entry) | {"sd_over_seeds": entry.deviation}


def _names(m: Measure) -> tuple[str, str, str, str]:
    return m.task, m.data, m.measure, _number(m.fraction)


def _number(value: float | None) -> str:
    return "" if value is None else number(value, ".6g")
