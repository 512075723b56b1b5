"""Numbers and tables as text: one form of a number, one form of a table, everywhere."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown from cells of text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(no_html, line))} |" for line in lines)


def no_html(text: str) -> str:
    """Text in Markdown that is never read as HTML, which a notebook would run."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def plain(value: Any) -> Any:
    """The value as JSON can hold it: numpy gone, what is not finite None (browsers refuse NaN),
    keys text."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def json_text(value: Any, **how: Any) -> str:
    """JSON of the `plain` value; `how` as of json.dumps."""
    return json.dumps(plain(value), allow_nan=False, **how)


def number(value: float | None, form: str) -> str:
    """A number in a format such as ".0f"; "n/a" where it is None or not finite."""
    return "n/a" if value is None or not isfinite(value) else f"{value:{form}}"


def short(value: float | None, sign: str = "") -> str:
    """Three decimals without a leading zero; "n/a" of NaN, nothing where there is no number (None).

    Args:
        sign: "+" to write it before positive numbers too.
    """
    text = "" if value is None else number(value, f"{sign}.3f")
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text
