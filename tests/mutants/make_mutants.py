"""Small changes of the code that the tests must see: `make mutants`.

    mutmut.toml: files, tests --mutmut--> mutants, each run with the tests that call its function
    --> caught, or not and then in survivors.toml with the reason; a table by file

mutmut changes one operator, constant, condition, argument or key at a time. Left out are the
wording of errors and defaults of parameters (mutmut.toml), texts for people (`is_wording`),
values that become None (`is_crash`) and `strict` of zip (`is_check`). The work lies in .mutants/
and is resumed: what was caught is not run again until its function changes.

Exit status 1: a mutant survives that survivors.toml does not have, or fewer than 90 % are caught of
those that change behavior.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = ROOT / ".mutants"
# Packages lie side by side in the work folder, since mutmut tells modules by their paths.
COPIED = (
    "reclf",
    "study/reclf_study",
    "benchmarks/reclf_benchmarks",
    "phantom/reclf_phantom",
    "notebooks",
    "tests",
)
CAUGHT = {"killed", "timeout", "segfault", "caught by type check"}
FEWEST_CAUGHT = 0.9
DAYS = 7 * 86400  # seconds: the limit of a whole run


@dataclass(frozen=True, order=True)
class Mutant:
    """One change of one function."""

    path: str
    name: str  # as mutmut calls it
    where: str  # function, or class.function
    was: str  # changed lines, without indentation
    becomes: str

    @property
    def change(self) -> tuple[str, str, str, str]:
        """What tells it from others for as long as the lines stay."""
        return self.path, self.where, self.was, self.becomes


def copy_sources() -> None:
    """Bring the work folder up to date; files that did not change keep their times."""
    for folder in COPIED:
        source, target = ROOT / folder, WORK / Path(folder).name
        files = {p.relative_to(source) for p in source.rglob("*") if p.is_file()}
        files = {p for p in files if "__pycache__" not in p.parts}
        for path in files:
            new, old = source / path, target / path
            if not old.exists() or new.read_bytes() != old.read_bytes():
                old.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(new, old)
        if target.exists():
            for old in [p for p in target.rglob("*.py") if p.relative_to(target) not in files]:
                old.unlink()
    settings = (ROOT / "pyproject.toml").read_text() + (HERE / "mutmut.toml").read_text()
    (WORK / "pyproject.toml").write_text(settings)


def find_mutants(processes: int) -> list[Mutant]:
    """All mutants that change more than a wording, made anew for files that changed."""
    from mutmut.__main__ import create_mutants
    from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
    from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, walk_mutatable_files

    Path("mutants").mkdir(exist_ok=True)
    with redirect_stdout(io.StringIO()):  # every file by its name
        copy_src_dir()
        copy_also_copy_files()
        create_mutants(processes)
    found = []
    for path in sorted(walk_mutatable_files()):
        data, index = SourceFileMutationData(path=path), MutantLineSpans.load(path)
        data.load()
        lines = [line.strip() for line in ("mutants" / path).read_text().splitlines()]
        spans = {} if index is None else index.span_by_function_name
        sources = {name: lines[span.start - 1 : span.end] for name, span in spans.items()}
        for full in data.exit_code_by_key:
            name = full.rpartition(".")[2]
            stem = name.rpartition("_")[0]  # x_function__mutmut or xǁClassǁmethod__mutmut
            where = stem.removesuffix("__mutmut").replace("ǁ", ".").removeprefix("x")[1:]
            was, becomes = changed_lines(sources[f"{stem}_orig"], sources[name], stem)
            if not any(rule(was, becomes) for rule in (is_wording, is_crash, is_check)):
                found.append(Mutant(str(path), full, where, was, becomes))
    return found


def changed_lines(old: list[str], new: list[str], stem: str) -> tuple[str, str]:
    """The lines that differ between two functions, whose names do not count."""
    old, new = ([re.sub(rf"{stem}_\w+", "", line) for line in lines] for lines in (old, new))
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    return tuple("\n".join(lines[start : len(lines) - end]) for lines in (old, new))


def _alike(one: list[str], other: list[str]) -> int:
    """How many lines are the same from the start."""
    return len([*takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))])


def is_wording(was: str, becomes: str) -> bool:
    """Whether only a text for people changes: one of several words, the case of letters, or the
    title of a progress bar.

    A key or a choice ("value") is changed in another way too, by adding letters.
    """
    bare = [re.sub(r""",?\s*\bprogress(=(f?"[^"]*"|\w+))?""", "", text) for text in (was, becomes)]
    return (
        was.lower() == becomes.lower()
        or bare[0] == bare[1].replace(", )", ")")
        or bool(re.search(r"""["']XX[^"']* [^"']*XX["']""", becomes))
    )


def is_crash(was: str, becomes: str) -> bool:
    """Whether a value becomes None: nearly always an error at once, whatever the tests ask."""
    return len(re.findall(r"\bNone\b", becomes)) > len(re.findall(r"\bNone\b", was))


def is_check(was: str, becomes: str) -> bool:
    """Whether `zip` no longer checks lengths: `strict=True` guards against mistakes in the code."""
    one, other = (re.sub(r",?\s*strict=\w+|,\s*(?=\))", "", text) for text in (was, becomes))
    return one == other


def draw(mutants: list[Mutant], sample: int, seed: int) -> list[Mutant]:
    """So many of each file, 0 for all; a smaller sample is part of a larger one."""
    drawn = []
    for path in sorted({mutant.path for mutant in mutants}):
        here = sorted(mutant for mutant in mutants if mutant.path == path)
        random.Random(f"{seed} {path}").shuffle(here)
        drawn += here[: sample or None]
    return sorted(drawn)


def verdicts(mutants: list[Mutant]) -> dict[str, str]:
    """Name -> what mutmut says of it: "killed", "survived", "no tests", ..."""
    from mutmut.stats import status_by_exit_code

    found = {}
    for path in {mutant.path for mutant in mutants}:
        file = WORK / "mutants" / f"{path}.meta"
        codes = json.loads(file.read_text())["exit_code_by_key"] if file.exists() else {}
        found |= {name: status_by_exit_code[code] for name, code in codes.items()}
    return {mutant.name: found.get(mutant.name, "not checked") for mutant in mutants}


def run(mutants: list[Mutant], processes: int) -> None:
    """Run those that are not caught yet."""
    known = verdicts(mutants)
    left = [mutant.name for mutant in mutants if known[mutant.name] not in CAUGHT]
    if not left:
        return
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *left]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    with (WORK / "mutmut.log").open("w") as log:  # mutmut draws a spinner
        output = None if sys.stdout.isatty() else log
        done = subprocess.run(
            command, timeout=DAYS, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    if done.returncode:
        raise SystemExit(f"mutmut ended with {done.returncode}, see {WORK / 'mutmut.log'}")


def report(mutants: list[Mutant], complete: bool) -> int:
    """Print the table and what is new; the exit status."""
    listed = {}
    for entry in tomllib.loads((HERE / "survivors.toml").read_text()).get("survivor", []):
        key = (entry["file"], entry["function"], entry["was"], entry["becomes"])
        listed[key] = entry["reason"], entry.get("changes_behavior", False)
    status = verdicts(mutants)
    rows, new = Counter(), []
    for mutant in mutants:
        caught, known = status[mutant.name] in CAUGHT, listed.get(mutant.change)
        if caught and known:
            print(f"caught now, take it from survivors.toml: {mutant.change}")
        equivalent = not caught and known is not None and not known[1]
        rows[
            mutant.path, "equivalent" if equivalent else "caught" if caught else "seen by none"
        ] += 1
        if not caught and known is None:
            new.append(mutant)
    print("| file | mutants | caught | equivalent | not caught |\n|---|---|---|---|---|")
    kinds = ("caught", "equivalent", "seen by none")
    for path in [*sorted({mutant.path for mutant in mutants}), "all"]:
        counts = [
            sum(n for (p, k), n in rows.items() if k == kind and path in (p, "all"))
            for kind in kinds
        ]
        print(f"| {path} | {sum(counts)} | {' | '.join(map(str, counts))} |")
    caught, _, missed = counts
    share = caught / max(1, caught + missed)
    print(f"{share:.1%} of the mutants that change behavior are caught")
    for mutant in new:
        print(f"\n# {status[mutant.name]}: {mutant.name}\n[[survivor]]")
        for key, text in zip(("file", "function", "was", "becomes"), mutant.change, strict=True):
            print(f"{key} = {json.dumps(text, ensure_ascii=False)}")
        print('reason = ""')
    existing = {mutant.change for mutant in mutants}
    if complete:
        for key in listed.keys() - existing:
            print(f"not a mutant any more, take it from survivors.toml: {key}")
    return int(bool(new) or share < FEWEST_CAUGHT)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="*", help="parts of paths; without them all files")
    parser.add_argument("--sample", type=int, default=20, help="mutants of each file; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    os.nice(19)
    WORK.mkdir(exist_ok=True)
    copy_sources()
    os.chdir(WORK)
    mutants = find_mutants(arguments.processes)
    if arguments.files:
        mutants = [m for m in mutants if any(part in m.path for part in arguments.files)]
    chosen = draw(mutants, arguments.sample, arguments.seed)
    print(f"{len(chosen)} of {len(mutants)} mutants")
    run(chosen, arguments.processes)
    return report(chosen, arguments.sample == 0 and not arguments.files)


if __name__ == "__main__":
    sys.exit(main())
