"""The field's published numbers, how their protocols differ from ours, and where a number stands.

    published.yaml, or a file of your own --load_published--> PublishedNumber
    PublishedNumber, result file --differing--> "test studies: 202 there, 4,003 here"
    value, numbers of one column --standing--> "between ConVIRT (.859) and GLoRIA (.866), ..."

A number is read from another's table together with the choices of its protocol that are known. One
that differs, or is not stated on either side, is listed: such numbers do not compare.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import inf, isnan
from pathlib import Path
from typing import Any

from reclf_study.yaml_files import read_yaml

from .choices import CHOICES, TASKS, choices_of

SHIPPED = Path(__file__).with_name("published.yaml")
UNITS = {"percent": 100.0, "plain": 1.0}
RATIOS = ("cnr", "cnr_signed")  # measures that are no shares


@dataclass(frozen=True)
class PublishedNumber:
    """A number of another's table.

    Attributes:
        method: as the source calls it.
        task: one of TASKS.
        dataset, split: by our names; split is empty unless it is one with a name ("5x200").
        measure: by our names, as `reclf.tasks.scoreboard.Line` has them.
        fraction: of the labels; None where none are learned from.
        value: a share in [0, 1]; of RATIOS the ratio itself.
        source: its name, with the number of the table where it is known ("G2D, Table 4").
        citation: of the source.
        choices: of the protocol, by the names of CHOICES; None where not stated.
    """

    method: str
    task: str
    dataset: str
    split: str
    measure: str
    fraction: float | None
    value: float
    source: str
    citation: str
    choices: dict[str, Any] = field(default_factory=dict)

    @property
    def column(self) -> tuple[Hashable, ...]:
        """Equal for the numbers that a table has in one column: task, dataset, split, measure,
        fraction and, of retrieval, direction."""
        direction = self.choices.get("direction")
        return (self.task, self.dataset, self.split, self.measure, self.fraction, direction)


def load_published(path: str | Path | None = None) -> list[PublishedNumber]:
    """The numbers of a file, in its order.

    Args:
        path: a file in the form of published.yaml; None takes that one.

    Raises:
        ValueError: an unknown or repeated key, a missing one, a value out of range, or a row with
            the wrong number of values. The message names file, table and row.
    """
    path = SHIPPED if path is None else Path(path)
    content = read_yaml(path)
    _check_keys(str(path), content, ("sources", "tables"))
    sources, tables = content["sources"], content["tables"]
    _check_type(f"{path}, sources", sources, dict)
    for name, citation in sources.items():
        _check_type(f"{path}, source {name!r}", citation, str)
    _check_type(f"{path}, tables", tables, list)
    numbers: list[PublishedNumber] = []
    for k, table in enumerate(tables, 1):
        numbers += _read_table(f"{path}, table {k}", table, sources)
    seen: set[str] = set()
    for number in numbers:
        same = repr(replace(number, value=0.0))
        what = ", ".join(map(str, (number.method, number.dataset, number.measure, number.source)))
        _check(same not in seen, str(path), f"two values for one number: {what}")
        seen.add(same)
    return numbers


def differing(number: PublishedNumber, task: str, result: Mapping[str, Any]) -> list[str]:
    """What differs between the protocol of a published number and that of a result of ours, or is
    not stated, in the order of CHOICES: "test studies: 202 there, 4,003 here"."""
    ours = choices_of(task, result, number.measure)
    found = []
    for name, (title, tasks) in CHOICES.items():
        if number.task not in tasks and name not in number.choices:
            continue
        there, here = number.choices.get(name), ours.get(name)
        if there is None:
            found.append(f"{title}: not stated there")
        elif here is None:
            found.append(f"{title}: {_text(there)} there, not stated here")
        elif there != here:
            found.append(f"{title}: {_text(there)} there, {_text(here)} here")
    return found


def standing(
    value: float, numbers: Sequence[PublishedNumber], higher_is_better: bool = True
) -> str:
    """Where a value stands among published numbers of one column: "above all 9", "below all 9",
    "equal to GLoRIA (.866), G2D, Table 4", or "between ConVIRT (.859) and GLoRIA (.866), ...".

    Values are equal if they are so in three decimals. "Above" means better. What differs between
    the protocols is the caller's to say, see `differing`.

    Returns:
        Empty where the value is NaN or nothing is published.

    Raises:
        ValueError: the numbers are of several columns.
    """
    columns = {number.column for number in numbers}
    if len(columns) > 1:
        raise ValueError(f"a number stands among those of one column, got several: {columns}")
    if isnan(value) or not numbers:
        return ""
    sign = 1 if higher_is_better else -1
    gaps = [(sign * (round(number.value, 3) - round(value, 3)), number) for number in numbers]
    better = [number for gap, number in gaps if gap > 0]
    equal = [number for gap, number in gaps if gap == 0]
    worse = [number for gap, number in gaps if gap < 0]
    if equal:
        return f"equal to {_named(equal)}"
    if better and worse:
        return f"between {_named(_nearest(worse, value) + _nearest(better, value))}"
    which = f"all {len(numbers)}" if len(numbers) > 1 else _named(numbers)
    return f"{'below' if better else 'above'} {which}"


# -- the file ------------------------------------------------------------------------------------


def _read_table(where: str, table: Any, sources: Mapping[str, str]) -> Iterator[PublishedNumber]:
    optional = ("table", "fractions", "choices", "method_choices")
    _check_keys(where, table, ("source", "task", "unit", "columns", "methods"), optional)
    source = ", ".join(str(table[key]) for key in ("source", "table") if key in table)
    where += f" ({source})"
    for key, known in (("source", sources), ("task", TASKS), ("unit", UNITS)):
        rule = f"{key} must be one of {', '.join(map(str, known))}, got {table[key]!r}"
        _check(table[key] in list(known), where, rule)
    columns, methods, unit = table["columns"], table["methods"], UNITS[table["unit"]]
    fractions, of_method = table.get("fractions", [None]), table.get("method_choices", {})
    for given, kind in ((columns, list), (methods, dict), (fractions, list)):
        _check_type(where, given, kind)
    for fraction in fractions:
        right = fraction is None or (_is_number(fraction) and 0 < fraction <= 1)
        _check(right, where, f"a label fraction must be above 0 and at most 1, got {fraction!r}")
    for k, column in enumerate(columns, 1):
        _check_keys(f"{where}, column {k}", column, ("dataset", "measure"), ("split", "choices"))
        for key in column.keys() - {"choices"}:
            _check_type(f"{where}, column {k}, {key}", column[key], str)
        _check_choices(f"{where}, column {k}", column.get("choices", {}))
    _check_choices(where, table.get("choices", {}))
    _check_keys(f"{where}, method_choices", of_method, (), tuple(methods))
    cells = list(product(columns, fractions))
    for method, values in methods.items():
        row = f"{where}, row {method!r}"
        _check_type(f"{row}, name", method, str)
        _check_type(row, values, list)
        _check_choices(row, of_method.get(method, {}))
        rule = f"{len(columns)} columns x {len(fractions)} fractions, null where none is given"
        enough = len(values) == len(cells)
        _check(enough, row, f"{len(values)} values, must have {len(cells)}: {rule}")
        for (column, fraction), value in zip(cells, values, strict=True):
            if value is None:
                continue
            measure, split = column["measure"], column.get("split", "")
            lowest = -inf if measure == "cnr_signed" else 0.0
            highest = inf if measure in RATIOS else unit
            right = _is_number(value) and lowest <= value <= highest
            _check(right, row, f"{measure} must be {lowest:g} to {highest:g}, got {value!r}")
            choices = {
                **({"test_split": split} if split else {}),
                **table.get("choices", {}),
                **column.get("choices", {}),
                **of_method.get(method, {}),
            }
            yield PublishedNumber(
                method, table["task"], column["dataset"], split, measure, fraction, value / unit,
                source, sources[table["source"]], choices,
            )  # fmt: skip


_KINDS: dict[type, str] = {
    dict: "keys with values",
    list: "a list",
    str: "a text in quotation marks",
}


def _check(right: bool, where: str, problem: str) -> None:
    if not right:
        raise ValueError(f"{where}: {problem}")


def _check_type(where: str, given: object, kind: type) -> None:
    name = _KINDS[kind]
    _check(isinstance(given, kind), where, f"must be {name}, got {given!r}")


def _check_keys(
    where: str, given: Any, required: Sequence[str], optional: Sequence[str] = ()
) -> None:
    _check_type(where, given, dict)
    known = [*required, *optional]
    for key in given:
        _check(key in known, where, f"unknown key {key!r}; known: {', '.join(map(str, known))}")
    for key in required:
        _check(key in given, where, f"{key!r} is missing")


def _check_choices(where: str, given: Any) -> None:
    _check_keys(f"{where}, choices", given, (), tuple(CHOICES))
    for key, value in given.items():
        right = value is None or isinstance(value, str) or _is_number(value)
        _check(right, where, f"choice {key!r} must be a text, a number or null, got {value!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# -- text ----------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _nearest(numbers: Sequence[PublishedNumber], value: float) -> list[PublishedNumber]:
    """The number nearest to a value, and those that equal it in three decimals."""
    closest = min(numbers, key=lambda number: abs(number.value - value))
    return [number for number in numbers if round(number.value, 3) == round(closest.value, 3)]


def _named(numbers: Sequence[PublishedNumber]) -> str:
    """ "ConVIRT (.859) and GLoRIA (.866), G2D, Table 4"; a source each where they have several."""
    sources = list(dict.fromkeys(number.source for number in numbers))
    if len(sources) == 1:
        names = [f"{number.method} ({_short(number.value)})" for number in numbers]
        return f"{' and '.join(names)}, {sources[0]}"
    return " and ".join(f"{n.method} ({_short(n.value)}, {n.source})" for n in numbers)


def _short(value: float) -> str:
    """Three decimals, or four where they are given, without a leading zero: .866, .8195, 1.027."""
    return f"{value:.4f}".removesuffix("0").removeprefix("0")
