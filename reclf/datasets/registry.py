"""Data sets by name.

    "nih" -> module of this package -> its one data set class -> load_dataset(...) calls it

A module is imported when its data set is asked for, and nothing here imports code of the loaders:
a run needs the libraries of its own data set only.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from reclf import datasets
from reclf.config.import_strings import import_object

from .option_types import check_option_types


def load_dataset(
    spec: str, root: str | Path = "", split: str = "train", image_size: int = 224, **options: Any
) -> Any:
    """Make a data set by name.

    Args:
        spec: a module of this package ("phantom", "table", "mimic_cxr"), or "module:Class" for one
            of your own ("__main__:MyStudies" for a class of the notebook).
        root: folder of the data set; a relative one starts at the current directory.
        options: further arguments of the class.

    Raises:
        ValueError: unknown data set, or unknown option; both lists the valid ones.
    """
    made_by = find_dataset(spec, options)
    return made_by(root=root, split=split, image_size=image_size, **options)


def opener(
    spec: str, root: str | Path, splits: Sequence[str], image_size: int = 224, /, **options: Any
) -> Callable[[str], Any]:
    """A function from a split to its data set, as `load_dataset` makes it. Tables are read once,
    where the class has an `opener` as `base.Loader` does.

    Args:
        splits: those that will be asked for.
    """
    made_by = find_dataset(spec, options)
    if hasattr(made_by, "opener"):
        return made_by.opener(root, splits, image_size, **options)
    return lambda split: made_by(root=root, split=split, image_size=image_size, **options)


def has_option(spec: str, name: str) -> bool:
    """Whether a data set takes an option of this name."""
    parameters = inspect.signature(_find_class(spec)).parameters.values()
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def find_dataset(spec: str, options: Mapping[str, Any]) -> Any:
    """The class of a data set; `ValueError` where there is none, or it lacks one of the options, or
    one is of another kind."""
    made_by = _find_class(spec)
    if ":" in spec:
        _check_class(made_by, spec)
    parameters = inspect.signature(made_by).parameters
    valid = [name for name in parameters if name not in ("root", "split", "image_size")]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in options:
            if name not in valid:
                near = get_close_matches(name, parameters, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise ValueError(
                    f"data set {spec!r} has no option {name!r}{hint} Its options: "
                    f"{', '.join(valid) or 'none'}"
                )
    check_option_types(spec, parameters, options)
    return made_by


def module_names() -> list[str]:
    """The modules of this package, helpers included."""
    return [info.name for info in pkgutil.iter_modules(datasets.__path__)]


def import_module(name: str) -> ModuleType:
    return importlib.import_module(f"{datasets.__name__}.{name}")


def _find_class(spec: str) -> Callable[..., Any]:
    if ":" in spec:
        return import_object(spec, "data.dataset")
    names = module_names()
    found = _class_of(spec) if spec in names else None
    if found is None:
        valid = [name for name in names if _class_of(name)]
        raise ValueError(
            f"unknown data set {spec!r}; known: {', '.join(valid)}, or your own as 'module:Class'"
        )
    return found


def _check_class(found: Any, spec: str) -> None:
    """Refuse what cannot open a split: it must take what `load_dataset` passes."""
    try:
        parameters = [*inspect.signature(found).parameters.values()]
    except (TypeError, ValueError):  # nothing that can be called, or a built-in function
        parameters = []
    lacking = {"root", "split", "image_size"} - {p.name for p in parameters}
    if lacking and all(p.kind is not p.VAR_KEYWORD for p in parameters):
        raise ValueError(
            f"data.dataset: {spec!r} is no data set: it takes no {', '.join(sorted(lacking))}"
        )


def _class_of(name: str) -> type | None:
    """The one data set class that a module of this package defines, None for a helper module."""
    module = import_module(name)
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and item.__module__.startswith(module.__name__)
        and hasattr(item, "__getitem__")
        and not inspect.isabstract(item)  # base.Loader
        # what `load_dataset` passes
        and {"root", "split", "image_size"} <= inspect.signature(item).parameters.keys()
    ]
    return classes[0] if len(classes) == 1 else None
