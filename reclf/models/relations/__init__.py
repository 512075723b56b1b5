"""Aggregators: what folds the local-matchings of an image-report pair into one score."""

import dataclasses
import inspect
from difflib import get_close_matches
from typing import Any

from reclf.config.import_strings import import_object

from .base import Aggregator, Pairs, Related
from .combined import RelationEnhanced
from .importance import IRM
from .options import SRMOptions
from .pooling import GlobalOnly, Gloria, MaxPooling, MeanPooling
from .semantic import SRM

__all__ = [
    "AGGREGATORS",
    "Aggregator",
    "Pairs",
    "Related",
    "SRMOptions",
    "find_aggregator",
    "make_aggregator",
    "options_for",
    "options_of",
]

AGGREGATORS: dict[str, type[Aggregator]] = {
    "reclf": RelationEnhanced,
    "srm": SRM,
    "irm": IRM,
    "mean": MeanPooling,
    "max": MaxPooling,
    "gloria": Gloria,
    "global": GlobalOnly,
}


def make_aggregator(
    name: str,
    dim: int,
    options: dict[str, Any],
    given: type[Aggregator] | None = None,
    word_dim: int = 0,
) -> Aggregator:
    """Build an aggregator by its name in AGGREGATORS or by "module:Class".

    Args:
        given: the class, handed over: then none is imported.
        word_dim: D, handed on to a class that has an argument of this name.

    Raises:
        ValueError: unknown name or option; the message lists the names, or says which option, or
            why the class is not imported; or attributes that exclude each other.
        TypeError: the class is no Aggregator.
    """
    cls = find_aggregator(name, given)
    if "word_dim" in inspect.signature(cls).parameters:
        options = {**options, "word_dim": word_dim}
    try:
        aggregator = cls(dim, **options)
    except TypeError as error:
        raise ValueError(
            f"model.aggregator_options do not fit {name!r}: {_unknown(cls, options) or error}"
        ) from error
    if aggregator.cosines_only and aggregator.reads_overlap:
        raise ValueError(
            f"{name!r} has cosines_only and reads_overlap: what reads the overlap of words reads "
            "more than their cosines; set one of the two to False"
        )
    return aggregator


def options_of(name: str) -> set[str]:
    """Arguments that an aggregator takes beyond the matching dimension.

    Raises:
        ValueError: unknown name, or a class that cannot be imported.
        TypeError: the class is no Aggregator.
    """
    return _options_of(find_aggregator(name))


def _options_of(aggregator: type[Aggregator]) -> set[str]:
    taken: set[str] = set()
    for cls in (c for c in aggregator.__mro__ if "__init__" in vars(c)):
        parameters = inspect.signature(cls).parameters.values()
        taken |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if fields := vars(cls).get("options_type"):
            taken |= {field.name for field in dataclasses.fields(fields)}
        if all(p.kind != p.VAR_KEYWORD for p in parameters):
            break  # nothing is passed on to a parent
    return taken - {"dim", "word_dim"}


def options_for(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Those of another aggregator's options that this one takes too."""
    taken = options_of(name)
    return {key: value for key, value in options.items() if key in taken}


def _unknown(cls: type[Aggregator], options: dict[str, Any]) -> str:
    """What is wrong with the first option that an aggregator does not take; empty if none is."""
    valid = sorted(_options_of(cls))
    for option in options:
        if option not in valid:
            near = get_close_matches(option, valid, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            return f"no option {option!r}{hint} Its options: {', '.join(valid) or 'none'}"
    return ""


def find_aggregator(name: str, given: Any = None) -> type[Aggregator]:
    """The class of a name, or the one handed over for it; raises as `make_aggregator`."""
    if name not in AGGREGATORS and ":" not in name:
        raise ValueError(
            f"model.aggregator must be one of {', '.join(AGGREGATORS)} "
            f'or "module:Class", got {name!r}'
        )
    found = AGGREGATORS.get(name, given)
    if found is None:
        found = import_object(name, "model.aggregator")
    if not (isinstance(found, type) and issubclass(found, Aggregator)):
        base = f"{Aggregator.__module__}.{Aggregator.__name__}"
        raise TypeError(f"{name if given is None else given!r} must be a subclass of {base}")
    if given not in (None, found):
        raise ValueError(f"model.aggregator is {name!r}, and {given.__name__} was handed over")
    return found
