"""Settings by dotted path and as JSON: read, replaced, written."""

import dataclasses
import difflib
import json
import typing
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# Of version 0.1, in the config.json of its runs and checkpoints: settings, options, values.
RENAMED = {
    "twins": "counterfactuals",
    "include_whole": "include_global",
    "whole": "global",
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
        raise ValueError(
            _unknown_setting(f"{path}{unknown[0]}", [f"{path}{name}" for name in hints])
        )
    arguments = {
        name: read_as(value, hints[name], f"{path}{name}") for name, value in values.items()
    }
    return cls(**arguments)


def _present_names(values: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in values.items():
        if name == "aggregator_options" and isinstance(value, dict):
            value = _present_names(value)
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
        if kind is float and number == number:
            return number
        if kind is int and number.is_integer():
            return int(number)
    elif kind is str and isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    expected = getattr(kind, "__name__", str(kind))
    example = "[1, 2]" if origin is list else '{"name": 1}'
    has_parts = isinstance(value, str) and kind not in (bool, int, float)
    advice = f"; as text it must be JSON like {example}" if has_parts else ""
    raise TypeError(f"{name} must be {expected}, got {value!r} ({type(value).__name__}){advice}")


def override(config: T, overrides: dict[str, Any], *, from_text: bool = False) -> T:
    """A copy with settings replaced by dotted path, e.g. {"train.learning_rate": 3e-4}.

    Entries of a dict field are reached too ("model.aggregator_options.steps").

    Args:
        from_text: values are text of a command line. Dicts and lists are then JSON, and so are
            entries of a dict, whose type nobody knows, unless they cannot be.

    Raises:
        ValueError: an unknown path; the message lists what is there.
    """
    values = to_dict(config)
    for path, value in overrides.items():
        *parents, last = path.split(".")
        node: Any = values
        kind: Any = type(config)
        for depth, part in enumerate([*parents, last]):
            is_free = not dataclasses.is_dataclass(kind)
            if not is_free and part not in typing.get_type_hints(kind):
                prefix = ".".join(path.split(".")[:depth])
                raise ValueError(_unknown_setting(path, _paths(kind, prefix)))
            if depth < len(parents):
                node = node.setdefault(part, {}) if is_free else node[part]
                kind = dict if is_free else typing.get_type_hints(kind)[part]
                if not isinstance(node, dict):
                    raise ValueError(
                        f"{path}: {'.'.join(path.split('.')[: depth + 1])} has no parts"
                    )
        leaf = None if is_free else typing.get_type_hints(kind)[last]
        if from_text and leaf not in (str, int, float, bool):
            with suppress(json.JSONDecodeError):  # `read_as` refuses text where it is not wanted
                value = json.loads(value)
        node[last] = value
    return from_dict(type(config), values)


def _paths(kind: Any, prefix: str) -> list[str]:
    names: list[str] = []
    for name, hint in typing.get_type_hints(kind).items():
        path = f"{prefix}.{name}" if prefix else name
        names += _paths(hint, path) if dataclasses.is_dataclass(hint) else [path]
    return names


def _unknown_setting(path: str, valid: list[str]) -> str:
    close = difflib.get_close_matches(path, valid, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown setting {path!r}{hint} Valid settings: {', '.join(valid)}"


def save_json(config: Any, path: Path) -> None:
    """Write the configuration so that `load_json` gives an equal object."""
    path.write_text(json.dumps(to_dict(config), indent=2) + "\n", encoding="utf-8")


def load_json(cls: type[T], path: Path) -> T:
    """Read what `save_json` wrote."""
    return from_dict(cls, json.loads(path.read_text(encoding="utf-8")))
