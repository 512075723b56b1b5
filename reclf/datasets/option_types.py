"""Whether the options of a data set are of the kinds that its signature names.

A shell gives text, a notebook JSON: "False" is a text that is not empty, and "labels" a list of six
letters. Read as they are, they would be taken for something else in silence.
"""

import os
import typing
from collections.abc import Iterable, Mapping, Sequence
from inspect import Parameter
from types import NoneType, UnionType
from typing import Any

_NAMES = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    Sequence: "a list of texts",
    Mapping: "a mapping",
    NoneType: "null",
}


def check_option_types(
    spec: str, parameters: Mapping[str, Parameter], options: Mapping[str, Any]
) -> None:
    """Refuse an option whose value is of another kind than its parameter's annotation.

    Args:
        spec: name of the data set, for the error.
        parameters: of its class; those whose annotation is none of the kinds above take anything.

    Raises:
        ValueError: names the option, what it must be, and its value.
    """
    for name, value in options.items():
        parameter = parameters.get(name)
        kinds = _kinds(parameter.annotation) if parameter and value is not parameter.default else ()
        if kinds and not any(_is_one(value, kind) for kind in kinds):
            rule = " or ".join(_NAMES[kind] for kind in kinds)
            lacks_brackets = isinstance(value, str) and Sequence in kinds
            hint = f"; for a list of one, write [{value!r}]" if lacks_brackets else ""
            raise ValueError(
                f"option {name} of data set {spec!r} must be {rule}, got {value!r}{hint}"
            )


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The kinds of an annotation; none where one of its parts is not known."""
    parts = typing.get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    found = []
    for part in parts:
        kind = typing.get_origin(part) or part
        if _is_path(kind):
            continue  # as a text
        if kind in (list, tuple, Sequence):
            if not all(one in (str, int, ...) or _is_path(one) for one in typing.get_args(part)):
                return ()
            kind = Sequence
        found.append(kind)
    return tuple(dict.fromkeys(found)) if all(kind in _NAMES for kind in found) else ()


def _is_path(kind: Any) -> bool:
    return kind is os.PathLike or (isinstance(kind, type) and issubclass(kind, os.PathLike))


def _is_one(value: Any, kind: Any) -> bool:
    is_text = isinstance(value, str | bytes)
    if kind is Sequence:
        some = isinstance(value, Iterable) and not is_text and not isinstance(value, Mapping)
        return some and all(isinstance(one, str | int | os.PathLike) for one in value)
    if kind is str:
        return isinstance(value, str | os.PathLike)
    if kind in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if kind is float else kind)
