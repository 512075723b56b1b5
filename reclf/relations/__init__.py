"""Aggregators: what folds the local-matchings of an image-report pair into one score."""

from typing import Any

from ..config import locate
from .base import Aggregator, Pairs, Related
from .combined import RelationEnhanced
from .importance import IRM
from .pooling import GlobalOnly, Gloria, MaxPooling, MeanPooling
from .semantic import SRM

__all__ = ["AGGREGATORS", "Aggregator", "Pairs", "Related", "make_aggregator"]

AGGREGATORS: dict[str, type[Aggregator]] = {
    "reclf": RelationEnhanced,
    "srm": SRM,
    "irm": IRM,
    "mean": MeanPooling,
    "max": MaxPooling,
    "gloria": Gloria,
    "global": GlobalOnly,
}


def make_aggregator(name: str, dim: int, options: dict[str, Any]) -> Aggregator:
    """Build an aggregator by its name in AGGREGATORS or by "module:Class".

    Raises:
        ValueError: unknown name or option; the message lists the names or says which option.
    """
    if name not in AGGREGATORS and ":" not in name:
        raise ValueError(
            f"model.aggregator must be one of {', '.join(AGGREGATORS)} "
            f'or "module:Class", got {name!r}'
        )
    cls = AGGREGATORS[name] if name in AGGREGATORS else locate(name, Aggregator)
    try:
        return cls(dim, **options)
    except TypeError as error:
        raise ValueError(f"model.aggregator_options do not fit {name!r}: {error}") from error
