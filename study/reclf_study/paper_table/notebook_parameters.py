"""The parameters of a task: defaults and types are those of its notebook, and nowhere else.

notebooks/zero_shot.ipynb, {"pooling": "one"} -> every parameter, checked as papermill's are
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from reclf.runs.notebook import INJECTED, Parameters, read_parameters

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
TASKS = ("zero_shot", "linear_probe", "segmentation", "retrieval", "grounding")


def task_parameters(task: str, given: Mapping[str, Any]) -> Parameters:
    """All parameters of a task.

    Args:
        task: one of TASKS.
        given: those that differ from the notebook's defaults.

    Raises:
        ValueError: unknown names, or values of the wrong type; lists the valid ones.
    """
    source = _parameters_cell(task)
    defaults: dict[str, Any] = {}
    exec(source, {"__builtins__": {"str": str, "int": int, "float": float, "bool": bool,
                                   "dict": dict, "list": list}}, defaults)  # fmt: skip
    if wrong := [name for name in given if not str(name).isidentifier()]:
        raise ValueError(f"{task}: {wrong[0]!r} is no name of a parameter")
    injected = "\n".join([INJECTED, *(f"{name} = {value!r}" for name, value in given.items())])
    try:
        return read_parameters([source, injected], {**defaults, **given})
    except ValueError as error:
        raise ValueError(f"{task}: {error}") from error


@cache
def _parameters_cell(task: str) -> str:
    notebook = nbformat.read(NOTEBOOKS / f"{task}.ipynb", as_version=4)
    return next(
        cell.source for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())
    )
