"""A suite from a shell: `python -m reclf_study.paper_table run|cell|cells|plan|table SUITE`.

run     do every open cell, one after the other, and write the table
cell    do one cell, or some, by name: for Slurm arrays and several GPUs
cells   print the names of the open cells, one a line
plan    the dry run: state, time and disk of every cell
table   write the table of what is done
"""

import argparse
import sys

from .cells import Cells, run_all
from .files import write_all
from .plan import as_text, plan
from .suite import Suite, read_suite
from .table import cells_left, collect

KINDS = ("train", "import", "evaluate")


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 where a cell failed or was left to another process."""
    parser = argparse.ArgumentParser(
        prog="python -m reclf_study.paper_table",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("run", "cell", "cells", "plan", "table"))
    parser.add_argument("suite", help="the suite file, such as suite.yaml")
    parser.add_argument("names", nargs="*", help="of `cell`: names of cells")
    parser.add_argument("--kind", choices=KINDS, help="of `cells` and `run`: these only")
    given = parser.parse_args(arguments)
    if bool(given.names) != (given.what == "cell"):
        parser.error("`cell` needs the name of a cell, and nothing else takes one")
    try:
        suite = read_suite(given.suite)
        cells = Cells(suite)
        chosen = [cell.name for cell in cells.open if given.kind in (None, cell.kind)]
        if given.what == "cells":
            print("\n".join(chosen))
            return 0
        if given.what == "plan":
            print(as_text(plan(cells)))
            return 0
        problems = []
        if given.what == "cell":
            problems = run_all(cells, given.names)
        elif given.what == "run":
            print_missing(suite)
            problems = run_all(cells, chosen) if chosen else []
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    if given.what != "cell":
        for sentence in sentences(cells):
            print(f"not in the table: {sentence}")
        for path in write_all(collect(cells), suite.folder, sentences(cells)):
            print(path)
    return int(bool(problems))


def print_missing(suite: Suite) -> None:
    """Name the data sources that are not there, and tasks that no source has a column of."""
    for name in suite.missing:
        print(f"left out: data source {name!r}, nothing in {suite.data[name].folder}")
    for task in suite.without_columns:
        print(f"left out: {task} has no default column on these data; name one under `columns`")


def sentences(cells: Cells) -> list[str]:
    """What the table lacks, a sentence for every column and reason."""
    found: dict[str, int] = {}
    for cell in cells_left(cells):
        text = f"{cell.column}: data source {cell.lacks!r} is missing"
        if not cell.lacks:
            failure = cells.failure(cell)
            text = f"{cell.column}: not done"
            if failure.is_file():
                last = failure.read_text(encoding="utf-8").strip().splitlines()[-1]
                text = f"{cell.column}: failed, {last}"
        found[text] = found.get(text, 0) + 1
    return [f"{text} ({count} of the cells)" for text, count in found.items()]


if __name__ == "__main__":
    sys.exit(main())
