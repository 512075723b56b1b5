"""The finished cells of a suite as one table.

    records of cells --lines_of--> row x measure -> values over seeds -> Entry
                     --protocols--> which rows of a column compare; only those compete for "best"

A row of the table is what the suite names, then the start of pretrained towers and the untrained
baseline of each shape of model. Results with another protocol stay in the table, with a note.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reclf.config import ModelConfig
from reclf.runs.notebook import resolve
from reclf.runs.run import Run
from reclf.tasks.scoreboard import Line, lines_of
from reclf_study.compare_runs import disagreements, flat

from .cells import Cell, Cells
from .published import differing, load_published
from .suite import Suite
from .table import Entry, Measure, PaperTable

# What the table shows of each task; result files hold more.
SHOWN = {
    "zero_shot": ("auroc", "accuracy", "macro_f1"),
    "linear_probe": ("auroc", "accuracy"),
    "fine_tune": ("auroc", "accuracy"),
    "segmentation": ("dice", "dice_place_prior"),
    "segmentation_fine_tuned": ("dice", "dice_place_prior"),
    "retrieval": ("recall_at_1", "recall_at_5", "recall_at_10", "recall_at_5_global",
                  "precision_at_1", "precision_at_5", "precision_at_10", "precision_at_100"),
    "grounding": ("pointing", "pointing_other_phrase", "cnr", "miou"),
}  # fmt: skip
NAMED_SPLITS = ("5x200", "8x200")  # of which published numbers are no numbers of the whole


def collect(cells: Cells) -> PaperTable:
    """The table of all cells that are done; what is not done has no entry."""
    table = PaperTable()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}  # column -> row -> records of seeds
    for cell in cells.all:
        record = None if cell.lacks else cells.record(cell)
        if record is None:
            continue
        if cell.column:
            record["chose_checkpoint"] = _chose_checkpoint(cells.suite, cell, record)
            by_row = found.setdefault(cell.column, {})
            by_row.setdefault(cell.row.title, []).append(record)
        elif cell.kind == "train":
            spent = table.training.setdefault(cell.row.title, {"seconds": [], "steps": []})
            for name, values in spent.items():
                values.append(record[name])
    shapes = _shapes(cells, found)
    for column in cells.suite.columns:
        if column in found:
            _add_column(table, column, found[column], shapes)
    _order_rows(table, cells.suite)
    table.mark_best()
    _add_published(table, cells.suite, found)
    return table


def _chose_checkpoint(suite: Suite, cell: Cell, record: Mapping[str, Any]) -> bool:
    """Whether a result is of the split that the run's best checkpoint was chosen on."""
    source, data = suite.data[suite.columns[cell.column].data], Run(cell.folder).config.data
    is_own = (source.dataset or suite.columns[cell.column].data) == data.dataset
    is_there = source.folder == (str(resolve(data.root)) if data.root else "")
    return is_own and is_there and record["result"]["protocol"].get("split") == data.val_split


def _shapes(cells: Cells, found: Mapping[str, Any]) -> dict[str, str]:
    """Title -> the first title whose model has the same image tower: they share baselines."""
    first: dict[str, str] = {}
    shapes: dict[str, str] = {}
    done = {title for by_row in found.values() for title in by_row}
    for cell in cells.all:
        title = cell.row.title
        if title in done and title not in shapes:
            model: ModelConfig = Run(cell.folder).config.model
            shape = repr((model.image_tower, model.image_size))
            shapes[title] = first.setdefault(shape, title)
    return shapes


def _add_column(
    table: PaperTable, column: str, by_row: dict[str, list[dict]], shapes: Mapping[str, str]
) -> None:
    protocols = {
        (title, number): flat(record["result"]["protocol"])
        for title, records in by_row.items()
        for number, record in enumerate(records)
    }
    reference = _reference(list(protocols.values()))
    several = len(set(shapes.values())) > 1
    have_baselines: set[str] = set()
    chosen_here: list[str] = []
    for title, records in by_row.items():
        differences = [
            text
            for (mine, _), protocol in protocols.items()
            if mine == title
            for text in disagreements(column, {"the others": reference, title: protocol})
        ]
        task, compares = records[0]["task"], not differences
        if differences:
            text = "; ".join(dict.fromkeys(differences))
            table.note(task, f"{title} does not compete in {column}: {text}.")
        else:
            table.protocols.setdefault(column, records[0]["result"]["protocol"])
        chosen_here += [title] * any(record.get("chose_checkpoint") for record in records)
        leak = records[0]["result"]["protocol"].get("patients_in_training") or "0 of"
        if not leak.startswith("0 of"):
            table.note(task, f"{title} was trained on patients that {column} reports on: {leak}.")
        names = {"trained": title}
        if shapes[title] not in have_baselines:
            have_baselines.add(shapes[title])
            of = f", as {shapes[title]}" if several else ""
            names |= {"start": f"initialization{of}", "random": f"untrained{of}"}
        for measure, lines in _lines_of_all(column, records).items():
            if measure not in table.measures:
                table.measures.append(measure)
            if lines[0].chance is not None:
                table.chance.setdefault(measure, lines[0].chance)
            for who, name in names.items():
                results = [getattr(line, who) for line in lines]
                if who != "trained":  # the same weights whatever the seed of the training
                    results = results[:1]
                entry = None if None in results else Entry.over(results)
                if entry is not None:
                    table.rows.setdefault(name, who)
                    sized = entry if entry.n else replace(entry, n=records[0]["result"]["n"])
                    table.entries[name, measure] = replace(sized, compares=compares)
    if chosen_here:
        runs = ", ".join(chosen_here)
        table.note(task, f"{column} reports on the studies that chose the checkpoint of {runs}.")


def _lines_of_all(column: str, records: list[dict[str, Any]]) -> dict[Measure, list[Line]]:
    """The lines that the results of all seeds have, by what the table shows."""
    task, data = records[0]["task"], column.partition("-")[2]
    by_seed = [
        {
            Measure(task, data, line.measure, line.fraction): line
            for line in lines_of(task, record["result"])
            if line.measure in SHOWN.get(task, (line.measure,))
        }
        for record in records
    ]
    shared = [m for m in by_seed[0] if all(m in lines for lines in by_seed)]
    return {measure: [lines[measure] for lines in by_seed] for measure in shared}


def _reference(protocols: list[dict[str, Any]]) -> dict[str, Any]:
    """The protocol that most agree with; of equally many, the first."""

    def votes(protocol: dict[str, Any]) -> int:
        return sum(not disagreements("", {"a": protocol, "b": other}) for other in protocols)

    return max(protocols, key=votes)


def _order_rows(table: PaperTable, suite: Suite) -> None:
    """The suite's rows in its order, then what they started from, then the untrained."""
    kinds = {row.title: row.kind for row in suite.rows}
    named = {row.title: kinds[row.title] for row in suite.rows if row.title in table.rows}
    for who, kind in (("start", "start"), ("random", "untrained")):
        named |= {name: kind for name, of in table.rows.items() if of == who}
    table.rows = named


def _add_published(table: PaperTable, suite: Suite, found: Mapping[str, Any]) -> None:
    if suite.published == "none":
        return
    numbers = load_published(None if suite.published == "shipped" else suite.published)
    for column, by_row in found.items():
        asked = suite.columns[column]
        dataset = suite.data[asked.data].dataset or asked.data
        split = asked.options.get("split", "")
        records = next(iter(by_row.values()))
        task, result = records[0]["task"], records[0]["result"]
        for measure in table.measures:
            if (measure.task, measure.data) != (task, asked.name):
                continue
            table.published[measure] = [
                (number, differing(number, task, result))
                for number in numbers
                if (number.task, number.dataset, number.measure, number.fraction)
                == (task, dataset, measure.measure, measure.fraction)
                and number.split in ("", split)
                and bool(number.split) == (split in NAMED_SPLITS)
            ]
    table.published = {measure: found for measure, found in table.published.items() if found}


def lacking(cells: Cells) -> list[str]:
    """What the table has no entry for: a sentence for every column and reason."""
    found: dict[str, int] = {}
    for cell in cells.all:
        if not cell.column or not (cell.lacks or cells.record(cell) is None):
            continue
        failure, text = cells.failure(cell), f"{cell.column}: not done"
        if cell.lacks:
            text = f"{cell.column}: data source {cell.lacks!r} is missing"
        elif failure.is_file():
            said = failure.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            text = f"{cell.column}: failed, {said[-1] if said else 'and nobody wrote why'}"
        found[text] = found.get(text, 0) + 1
    return [f"{text} ({count} of the cells)" for text, count in found.items()]
