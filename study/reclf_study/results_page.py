"""Tables and pictures of a text, brought up to date from the run folders.

    <!-- results: linear_probe-phantom -->      the table of results/linear_probe-phantom.json; so
    <!-- end of results -->               for pretrain.json, benchmark.json, ablation.json,
                                          and a copy of another one, ablation-<name>.json;
                                          a suite's table.json as table-<name>.json;
                                          films-<data set>.json
    <!-- results: relations -->            one table of all relations-*.json
    <!-- results: headline -->             one row of each task on the phantom
    ![...](images/segmentation-phantom.png)    figures/segmentation-phantom.png, smaller

So that nobody copies numbers by hand: python -m reclf_study.results_page docs/results.md runs/first
"""

import argparse
import io
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from reclf.runs.files import write_atomically
from reclf.tasks.results import read_result
from reclf.tasks.scoreboard import table

_TABLE = re.compile(r"(<!-- results: ([\w-]+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]*?([\w-]+)\.png)\)")
OWN_TABLES: dict[str, Callable[[Any], str]] = {}  # further ones by name, see docs/extending.md
_HEADLINE = (
    "zero-shot, macro AUROC",
    "linear probe, macro AUROC, 1 %",
    "segmentation, Dice, 10 %",
    "retrieval, recall@5, shortlist",
    "grounding, pointing game |",
)
WIDTHS, COLORS = (760, 640, 540, 440), 96  # of pictures
MOST_BYTES = 150_000


def update(path: Path, folders: Sequence[str | Path]) -> dict[str, list[str]]:
    """Bring a text up to date.

    Args:
        path: of the text; pictures lie relative to it.
        folders: of runs; a later one wins where two have the same result.

    Returns:
        "tables", "pictures": names of what was written; "left": names that no run has, which stay
        as they were.
    """
    results, figures = {}, {}
    for folder in folders:
        results.update({path.stem: path for path in (Path(folder) / "results").glob("*.json")})
        figures.update({p.stem: p for p in (Path(folder) / "figures").glob("*.png")})
    done: dict[str, list[str]] = {"tables": [], "pictures": [], "left": []}
    own_tables, joint_tables = _tables()

    def fill(match: re.Match) -> str:
        name = match[2]
        joint = joint_tables.get(name)
        parts = [n for n in results if (n.startswith(f"{name}-") if joint else n == name)]
        if name == "headline":
            joint, parts = headline, [n for n in results if n.endswith("-phantom")]
        if not parts:
            done["left"].append(name)
            return match[0]
        done["tables"].append(name)
        found = {n: read_result(results[n]) for n in parts}
        own = own_tables.get(name.partition("-")[0])
        if joint:
            made = joint({n.removeprefix(f"{name}-"): found[n] for n in found})
        else:
            made = own(found[name]) if own else table(found)
        return f"{match[1]}\n{made}\n\n{match[3]}"

    text = path.read_text(encoding="utf-8")
    filled = _TABLE.sub(fill, text)
    write_atomically(path, lambda temporary: temporary.write_text(filled, encoding="utf-8"))
    for place, name in _PICTURE.findall(text):
        if name in figures:
            shrink(figures[name], path.parent / place)
            done["pictures"].append(name)
    return done


def _tables() -> tuple[dict[str, Callable[[Any], str]], dict[str, Callable[[Any], str]]]:
    """Who writes the table of a result, by its name; and the one table of several results.

    Imported here: some need torch, for which a help text does not wait.
    """
    from reclf_benchmarks import bars

    from . import ablation_table, pretrain_table, relation_table
    from .films import film_table
    from .paper_table.files import as_markdown, read_table

    own: dict[str, Callable[[Any], str]] = {
        "ablation": ablation_table.as_markdown,
        "benchmark": bars.as_markdown,
        "films": film_table.as_markdown,
        "pretrain": pretrain_table.as_markdown,
        "table": lambda result: as_markdown(read_table(result)),
    }
    return own | OWN_TABLES, {"relations": relation_table.as_markdown}


def headline(results: Mapping[str, Any]) -> str:
    """One row of each task, of results by the name of their file."""
    rows = table(results).splitlines()
    return "\n".join(rows[:2] + [row for what in _HEADLINE for row in rows if f"| {what}" in row])


def shrink(source: Path, target: Path) -> None:
    """A copy in COLORS colors, as wide as one of WIDTHS and MOST_BYTES allow."""
    with Image.open(source) as picture:
        whole = picture.convert("RGB")
    for width in WIDTHS:
        width = min(width, whole.width)
        height = round(whole.height * width / whole.width)
        small = whole.resize((width, height), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.quantize(COLORS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= MOST_BYTES:
            break
    write_atomically(target, partial(Path.write_bytes, data=buffer.getvalue()))


def main(arguments: list[str] | None = None) -> None:
    """Bring the tables and pictures of a text up to date."""
    parser = argparse.ArgumentParser(prog="python -m reclf_study.results_page", description=__doc__)
    parser.add_argument("text", type=Path, help="such as docs/results.md")
    parser.add_argument("run", nargs="+", help="folder of a run, such as runs/first")
    given = parser.parse_args(arguments)
    for what, names in update(given.text, given.run).items():
        print(f"{what}: {', '.join(names) or 'none'}")


if __name__ == "__main__":
    main()
