"""What is wrong with a data set on disk, said once and completely."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

SKIP = "(-p on_problem skip; --set data.options.on_problem=skip)"  # in a notebook; in a shell
WAY_ON = f"Mend or replace the file, or leave such studies out {SKIP}"


class DataProblems(ValueError):
    """Everything that is wrong with a data set on disk, in one error.

    Attributes:
        problems: kind -> every example of it, e.g. {"missing image": ["images/7.png"]}.
        where: the table or data set.
        advice: what to do.
    """

    def __init__(self, where: str, problems: Mapping[str, Sequence[str]], advice: str):
        self.where, self.advice = where, advice
        self.problems = {kind: list(examples) for kind, examples in problems.items()}
        super().__init__(f"{where} cannot be used as it is.\n{describe(problems)}\n{advice}")


def describe(problems: Mapping[str, Sequence[str]]) -> str:
    """One line per kind of problem: its count and up to five examples."""
    lines = []
    for kind, examples in problems.items():
        more = ", ..." if len(examples) > 5 else ""
        lines.append(f"  {kind} ({len(examples)}): {', '.join(examples[:5])}{more}")
    return "\n".join(lines)


def refuse(where: str | Path, kind: str, examples: Iterable[str], advice: str) -> None:
    """Raise `DataProblems` for one kind of problem, if there is an example of it."""
    if found := list(examples):
        raise DataProblems(str(where), {kind: found}, advice)


def refuse_missing_columns(
    where: str, columns: Sequence[str], wanted: Mapping[str, str | None]
) -> None:
    """Refuse a table that lacks a column.

    Args:
        where: the table's name in the message.
        columns: what it has.
        wanted: column -> the option that names it, None when the layout fixes the name.
    """
    missing = []
    for column, option in wanted.items():
        if column not in columns:
            near = get_close_matches(column, columns, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            missing.append(f"{column!r}{hint}" + (f" [option {option}]" if option else ""))
    advice = f"Its columns are: {', '.join(map(str, columns))}."
    refuse(where, "missing column", missing, advice)


class MissingSplit(ValueError):
    """No row is in the split asked for. `present`: split -> rows."""

    def __init__(self, message: str, present: Mapping[str, int]):
        self.present = dict(present)
        super().__init__(message)


def refuse_missing_split(
    where: str, split: str, present: Iterable[str], hint: str = ""
) -> dict[str, int]:
    """Refuse a split that no row is in; else split -> rows.

    Args:
        hint: what the data set knows of this split.
    """
    counts = Counter(present)
    if split not in counts:
        have = ", ".join(f"{name!r} ({n} images)" for name, n in sorted(counts.items()))
        others = [name for name in ("val", "test", "train") if name in counts]
        advice = f"; use split={others[0]!r}" if others else ""
        message = f"{where} has no split {split!r}; it has {have or 'no rows'}{advice}"
        message += hint and f". {hint}"
        raise MissingSplit(message, counts)
    return dict(counts)


def tiny_command(module: str) -> str:
    """What to paste into a shell for a small made-up copy of a data set, by its module."""
    return f"python -c 'from {module} import write_tiny; write_tiny(\"FOLDER\")'"
