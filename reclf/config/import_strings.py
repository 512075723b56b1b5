"""What a user names by an import string: a class of one's own, also from a notebook cell."""

import importlib
from typing import Any


def import_object(spec: str, what: str) -> Any:
    """What "module:Name" names.

    Args:
        spec: an import string; "__main__:Name" is what a cell of the notebook defined.
        what: names the setting in errors, e.g. "model.aggregator".

    Raises:
        ValueError: not of that form, or it cannot be imported; the message says why.
    """
    module_name, _, name = spec.partition(":")
    if not (module_name and name):
        raise ValueError(f'{what}: an import string must look like "module:Name", got {spec!r}')
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, TypeError) as error:  # TypeError: a relative name
        hint = "; define it in a cell that runs before" if module_name == "__main__" else ""
        raise ValueError(f"{what}: cannot import {spec!r}: {error}{hint}") from error
