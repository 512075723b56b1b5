"""Numbers and tables as text: one form of a number, one form of a table, everywhere."""

from collections.abc import Iterable, Sequence
from math import isfinite, isnan
from typing import Any


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown from cells of text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def known(value: Any) -> Any:
    """A value for JSON, in which browsers refuse NaN: what is not finite, at any depth, is None."""
    if isinstance(value, dict):
        return {name: known(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [known(inner) for inner in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def short(value: float | None, sign: str = "") -> str:
    """Three decimals without a leading zero; nothing where there is no number (None, NaN).

    Args:
        sign: "+" to write it before positive numbers too.
    """
    if value is None or isnan(value):
        return ""
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text
