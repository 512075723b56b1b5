"""What every notebook does first: read its parameters strictly, and find its folders.

papermill only warns about a misspelt `-p` name, and passes YAML's 1e-4 as text. `read_parameters`
compares what was injected with what the parameters cell declares, reads every value as its declared
type, and lists all that is wrong in one error.
"""

import ast
import difflib
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reclf.config import check, check_choice, read_as

INJECTED = "# Parameters"  # first line of the cell that papermill puts behind the parameters cell
# Front ends that talk to the kernel leave one of these; papermill and nbconvert leave none.
FRONT_ENDS = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG", "VOILA_BASE_URL")
_TYPES = {"str": str, "int": int, "float": float, "bool": bool, "dict": dict, "list": list}


class Parameters(SimpleNamespace):
    """The values by name, and which of them papermill was given."""

    __slots__ = ("given",)  # no parameter itself


def read_parameters(history: Sequence[str], namespace: Mapping[str, Any]) -> Parameters:
    """The notebook's parameters, checked.

    Args:
        history: IPython's `In`, the sources of the cells run so far. The parameters cell is the
            last one that holds only annotated assignments, `name: type = value  # help`.
        namespace: the notebook's `globals()`.

    Returns:
        The values by name, as the declared types.

    Raises:
        ValueError: unknown names, or values of the wrong type; lists each, and the valid names.
    """
    declared: dict[str, str] = {}
    injected: list[str] = []
    for source in history:
        annotations = _annotations(source)
        if annotations:
            declared, injected = annotations, []
        elif source.startswith(INJECTED):
            injected = _assigned(source)
    if not declared:
        raise ValueError("no parameters cell was run: run the first code cell, then this one")
    problems = []
    for name in injected:
        if name not in declared:
            close = difflib.get_close_matches(name, declared, n=1)
            problems.append(f"unknown parameter {name!r}" + (f" ({close[0]}?)" if close else ""))
    values: dict[str, Any] = {}
    for name, kind in declared.items():
        try:
            values[name] = _read(namespace[name], kind, name)
        except (TypeError, ValueError) as error:
            problems.append(str(error))
    if problems:
        valid = ", ".join(f"{name}: {kind}" for name, kind in declared.items())
        raise ValueError(f"{'; '.join(problems)}. Parameters of this notebook: {valid}")
    found = Parameters(**values)
    found.given = frozenset(injected)
    return found


def check_parameters(p: SimpleNamespace, **rules: Iterable[str] | float) -> None:
    """Refuse values that the notebook would only fail on later, all in one error.

    Args:
        p: of `read_parameters`.
        rules: by name: the choices, or the least number. A list must have some of the choices.

    Raises:
        ValueError: each name with its rule and its value.
    """
    problems = []
    for name, rule in rules.items():
        value = getattr(p, name)
        try:
            if not isinstance(rule, Iterable):
                is_number = isinstance(value, int | float)
                check(is_number and value >= rule, name, value, f"be at least {rule:g}")
            elif isinstance(value, list):
                choices = list(rule)
                is_known = bool(value) and all(entry in choices for entry in value)
                check(is_known, name, value, f"be some of {choices}")
            else:
                check_choice(name, value, tuple(rule))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))


def is_live() -> bool:
    """Whether someone can click: True in JupyterLab and other front ends with a session, False
    under papermill and nbconvert. RECLF_STATIC=1 or 0 says so where it cannot be told."""
    if forced := os.environ.get("RECLF_STATIC"):
        return forced == "0"
    return "marimo" in sys.modules or any(name in os.environ for name in FRONT_ENDS)


def home() -> Path:
    """Folder that relative paths of a notebook start at: the current one.

    JupyterLab starts kernels in the notebook's folder and papermill in its own; in this project's
    notebooks/ the folder above is meant, and in notebooks/study/ the one above that.
    """
    here = Path.cwd()
    notebooks = here.parent if here.name == "study" else here
    in_notebooks = notebooks.name == "notebooks" and (notebooks.parent / "environment.yml").exists()
    return notebooks.parent if in_notebooks else here


def resolve(path: str) -> Path:
    """An absolute path; relative ones start at `home()`."""
    return home() / Path(path).expanduser()


def _read(value: Any, kind: str, name: str) -> Any:
    if kind in ("dict", "list") and isinstance(value, str):
        try:  # `-p overrides '{"train.seed": 1}'` arrives as text
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{name} must be {kind} or its JSON, got {value!r}") from error
    expected = _TYPES[kind]
    if kind in ("dict", "list"):
        if not isinstance(value, expected):
            raise TypeError(f"{name} must be {kind}, got {value!r} ({type(value).__name__})")
        return value
    return read_as(value, expected, name)


def _annotations(source: str) -> dict[str, str]:
    """name -> type of a cell of annotated assignments only; empty for any other cell."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:  # a cell with IPython magic
        return {}
    found: dict[str, str] = {}
    for statement in statements:
        if not (isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)):
            return {}
        found[statement.target.id] = ast.unparse(statement.annotation)
    return found


def _assigned(source: str) -> list[str]:
    return [
        target.id
        for statement in ast.parse(source).body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    ]
