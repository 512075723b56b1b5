"""Numbers and tables as text: one form of a number, one form of a table, everywhere."""

from collections.abc import Iterable, Sequence


def markdown(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a table in Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def short(value: float | None, sign: str = "") -> str:
    """Three decimals without a leading zero; nothing where there is no number.

    Args:
        sign: "+" to write it before positive numbers too.
    """
    if value is None:
        return ""
    text = f"{value:{sign}.3f}"
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text
