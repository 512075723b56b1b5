"""A suite from a shell: `python -m reclf_study.paper_table run|cell|cells|plan|table SUITE`.

run     do every open cell, one after the other, and write the table
cell    do one cell, or some, by name: for Slurm arrays and several GPUs
cells   print the names of the open cells, one a line
plan    the dry run: state, time and disk of every cell
table   write the table of what is done
"""

import argparse
import sys

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
    # Only now: a help text and a wrong option do not wait for torch.
    from .cells import Cells, run_all
    from .collect import collect, lacking
    from .files import write_all
    from .plan import as_text, plan
    from .suite import read_suite

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
            print("".join(f"left out: {sentence}\n" for sentence in suite.left_out), end="")
            problems = run_all(cells, chosen) if chosen else []
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    for problem in problems:
        print(problem, file=sys.stderr)
    if given.what != "cell":
        missing = lacking(cells)
        print("".join(f"not in the table: {sentence}\n" for sentence in missing), end="")
        for path in write_all(collect(cells), suite.folder, missing):
            print(path)
    return int(bool(problems))


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        if training := sys.modules.get("reclf.training.processes"):
            training.leave_processes()  # those of a training under torchrun
