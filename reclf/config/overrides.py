"""Settings by dotted path and as JSON: read, replaced, written."""

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from .foreign_files import read_json

T = TypeVar("T")

# Of version 0.1, in the config.json of its runs and checkpoints: settings, options, values.
RENAMED = {
    "twins": "counterfactuals",
    "include_whole": "include_global",
    "whole": "global",
    "tensorboard": "trackers",  # true or false, now a list of names
    "reclf.variants:UniformSRM": "reclf_study.variants:UniformSRM",
}


def to_dict(config: Any) -> dict[str, Any]:
    """The configuration as plain JSON values."""
    return dataclasses.asdict(config)


def from_dict(cls: type[T], values: dict[str, Any], path: str = "") -> T:
    """Build a configuration from `to_dict`'s output; unknown or wrongly typed fields raise.

    Names of version 0.1 (RENAMED) are read as the present ones.
    """
    hints = typing.get_type_hints(cls)
    values = _present_names(values)
    unknown = [name for name in values if name not in hints]
    if unknown:
        raise ValueError(_unknown_setting(cls, unknown[0], path))
    arguments = {
        name: read_as(value, hints[name], f"{path}{name}") for name, value in values.items()
    }
    return cls(**arguments)


def _present_names(values: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        if name == "aggregator_options" and isinstance(value, dict):
            value = _present_names(value)
        if name == "tensorboard":
            value = ["tensorboard"] * read_as(value, bool, "train.tensorboard")
        known = name in ("aggregator", "read_out") and isinstance(value, str)
        found[RENAMED.get(name, name)] = RENAMED.get(value, value) if known else value
    return found


def read_as(value: Any, kind: Any, name: str) -> Any:
    """Read `value` as the type `kind`: "1e-4" is a float, "3" an int; anything lossy is refused.

    Raises:
        TypeError: naming the setting, the expected type and the value.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        if isinstance(value, dict):
            return from_dict(kind, value, f"{name}.")
    for one in typing.get_args(kind) if isinstance(kind, types.UnionType) else ():
        with suppress(TypeError):
            return read_as(value, one, name)
    origin = typing.get_origin(kind)
    if kind is Any or (origin in (dict, list) and isinstance(value, origin)):
        return value
    if kind is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
    elif kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value  # not by way of a float, which would round a large seed
    elif kind in (int, float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if kind is float and math.isfinite(number):
            return number
        if kind is int and number.is_integer():
            return int(number)
    elif kind is str and isinstance(value, str | int | float) and not isinstance(value, bool):
        return value if isinstance(value, str) else str(value)  # which file named it stays
    expected = getattr(kind, "__name__", str(kind))
    example = "[1, 2]" if origin is list else '{"name": 1}'
    has_parts = isinstance(value, str) and kind not in (bool, int, float)
    advice = f"; as text it must be JSON like {example}" if has_parts else ""
    raise TypeError(f"{name} must be {expected}, got {value!r} ({type(value).__name__}){advice}")


Overrides = Mapping[str, Any] | Sequence[tuple[str, Any]]  # pairs may name a path twice


def override(config: T, overrides: Overrides, *, from_text: bool = False) -> T:
    """A copy with settings changed by dotted path, e.g. {"train.learning_rate": 3e-4}.

    A dict merges key by key, at every depth (`merge`), and {"data.options.a": 1} is the same as
    {"data.options": {"a": 1}} and as {"data": {"options": {"a": 1}}}.

    Args:
        from_text: values are text of a command line. Dicts and lists are then JSON, and so are
            entries of a dict, whose type nobody knows, unless they cannot be.

    Raises:
        ValueError: an unknown path (the message lists what is there), or one that is given twice
            with different values.
    """
    changes: dict[str, Any] = {}
    for path, value in overrides.items() if isinstance(overrides, Mapping) else overrides:
        if path == "train.tensorboard":
            ((path, value),) = _present_names({"tensorboard": value}).items()
            path = f"train.{path}"
        kind: Any = type(config)
        parts = path.split(".")
        for depth, part in enumerate(parts):
            if not dataclasses.is_dataclass(kind):  # an entry of a dict, or a part of a number
                if typing.get_origin(kind) is not dict:
                    raise ValueError(f"{path}: {'.'.join(parts[:depth])} has no parts")
                kind = None
                break
            if part not in typing.get_type_hints(kind):
                raise ValueError(_unknown_setting(type(config), path))
            kind = typing.get_type_hints(kind)[part]
        if from_text and isinstance(value, str) and kind not in (str, int, float, bool):
            with suppress(json.JSONDecodeError):  # `read_as` refuses text where it is not wanted
                value = json.loads(value)
        for part in reversed(parts):
            value = {part: value}
        _insert(changes, _without_null(type(config), value))
    return from_dict(type(config), merge(to_dict(config), changes))


def _without_null(cls: Any, changes: dict[str, Any], path: str = "") -> dict[str, Any]:
    """Changes in which None empties a dict setting; a plain setting cannot be None."""
    hints, found = typing.get_type_hints(cls), dict(changes)
    for name, value in changes.items():
        kind = hints.get(name, Any)
        if value is None:
            found[name] = (
                {} if typing.get_origin(kind) is dict else read_as(None, kind, path + name)
            )
        elif isinstance(value, dict) and dataclasses.is_dataclass(kind):
            found[name] = _without_null(kind, value, f"{path}{name}.")
    return found


class _Emptied(dict[str, Any]):
    """A dict of changes that begins with nothing of what was there."""


def _insert(changes: dict[str, Any], added: dict[str, Any], path: str = "") -> None:
    for name, value in added.items():
        there = changes.get(name, value)
        if isinstance(value, dict) and isinstance(there, dict):
            is_emptied = not value or isinstance(there, _Emptied)
            changes[name] = _Emptied() if is_emptied else {}
            for part in (there, value):
                _insert(changes[name], part, f"{path}{name}.")
        elif there is value or (there == value and type(there) is type(value)):
            changes[name] = value
        else:
            raise ValueError(
                f"{path}{name} is given twice, as {there!r} and as {value!r}: give it once"
            )


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `changes`, at every depth.

    None removes a key that has a value there; where it has none, None is the value. An empty dict
    empties what is there, and a transformers configuration of another `model_type` starts afresh.
    """
    kind = base.get("model_type")
    merged = {} if changes.get("model_type", kind) != kind else dict(base)
    for name, value in changes.items():
        there = merged.get(name)
        if isinstance(value, Mapping):
            is_new = isinstance(value, _Emptied) or not value or not isinstance(there, Mapping)
            merged[name] = merge({} if is_new else cast(Mapping[str, Any], there), value)
        elif value is None and there is not None:
            del merged[name]
        else:
            merged[name] = value
    return merged


def _paths(kind: Any, prefix: str = "") -> list[str]:
    names: list[str] = []
    for name, hint in typing.get_type_hints(kind).items():
        is_part = dataclasses.is_dataclass(hint)
        names += _paths(hint, f"{prefix}{name}.") if is_part else [f"{prefix}{name}"]
    return names


def _unknown_setting(cls: Any, path: str, prefix: str = "") -> str:
    """What to say of a path that `cls` does not have: a setting of that name in another place, else
    the nearest of the same group, else the one with the nearest name; and all that there are."""
    kind, known, parts, every = cls, "", path.split("."), _paths(cls)
    valid: list[str] = []
    while parts and dataclasses.is_dataclass(kind):  # as far as names are right, or nearly
        hints = typing.get_type_hints(kind)
        if parts[0] not in hints:
            valid = valid or _paths(kind, known)
        close = difflib.get_close_matches(parts[0], hints, n=1)
        if not close:
            break
        kind, known, parts = hints[close[0]], f"{known}{close[0]}.", parts[1:]
    last = path.rpartition(".")[2]
    names = {name.rpartition(".")[2]: name for name in reversed([*valid, *every])}
    same = [name for name in every if f".{name}".endswith(f".{last}")]
    if same:
        near = difflib.get_close_matches(path, same, n=1, cutoff=0)
    elif not dataclasses.is_dataclass(kind):
        near = [".".join([known[:-1], *parts])]
    else:
        near = [names[name] for name in difflib.get_close_matches(last, names, n=1)]
    hint = f"; did you mean {prefix + near[0]!r}?" if near else "."
    return (
        f"unknown setting {prefix + path!r}{hint} Valid settings: "
        f"{', '.join(prefix + name for name in valid)}"
    )


def load_json(cls: type[T], path: Path, trust_code: bool = False) -> T:
    """Read a configuration from a file that holds its `to_dict` as JSON.

    Args:
        trust_code: what it names may be imported, see `import_strings`.

    Raises:
        ValueError: damaged, or a setting is unknown or wrong; names the file.
    """
    values = read_json(path, trust_code)
    try:
        return from_dict(cls, values)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: {error}") from error
