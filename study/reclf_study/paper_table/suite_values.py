"""What a suite file holds, checked part by part: mappings, and names that are known."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any


def part(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A part of a suite that may be left out."""
    return mapping(values.get(name) or {}, name)


def mapping(value: Any, what: str) -> dict[str, Any]:
    """The value, if it is a mapping; `ValueError` names what must be one."""
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be a mapping of names to values, got {value!r}")
    return value


def check_known(names: Iterable[Any], known: Iterable[Any], what: str) -> None:
    """Refuse names that are not known, with the nearest one."""
    valid = list(map(str, known))
    for name in names:
        if name not in valid:
            near = get_close_matches(str(name), valid, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ValueError(f"{what} has no {name!r}{hint}; known: {', '.join(valid) or 'none'}")
