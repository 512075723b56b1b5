"""What a model saw in one image-report pair, as plain arrays."""

from typing import Any

from .explanation import Explanation, explain, file_name, load_explanations

__all__ = ["Explanation", "OnDemand", "explain", "file_name", "load_explanations"]


def __getattr__(name: str) -> Any:
    if name != "OnDemand":  # it reads data sets, which takes torch; a saved explanation does not
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .on_demand import OnDemand

    return OnDemand
