"""What a user names by an import string: a class of one's own, also from a notebook cell.

Here alone is decided what is imported: what the caller names, and never what a file names.
"""

import importlib
from typing import Any

from .foreign_files import NamedByFile

# Code of this project, which its own runs name.
SHIPPED = ("reclf_study.variants:UniformSRM",)
# How to name it oneself, by what it is.
WAYS = {
    "model.aggregator": "hand the class over (RECLF.from_pretrained(FOLDER, aggregator=MyClass)), "
    'or of a run that goes on name it again (-p overrides \'{{"model.aggregator": "{0}"}}\', or '
    "--set model.aggregator={0})",
    "data.dataset": "name it yourself (-p dataset {0}, or --set data.dataset={0})",
    "image tower": "hand the function over "
    "(RECLF.from_pretrained(FOLDER, image_tower=my_function))",
}


def import_object(spec: str, what: str) -> Any:
    """What "module:Name" names.

    Args:
        spec: an import string; "__main__:Name" is what a cell of the notebook defined.
        what: names the setting in errors, e.g. "model.aggregator".

    Raises:
        ValueError: not of that form, or it cannot be imported; the message says why. Or a file
            names it, and nobody said that it may: then nothing is imported.
    """
    if isinstance(spec, NamedByFile) and spec not in SHIPPED:
        way = WAYS[what].format(spec)
        raise ValueError(
            f"{spec.file} names code to run, {what} {str(spec)!r}, and a file that somebody else "
            "may have written is not trusted with that: nothing was imported. Read that code; then "
            f"{way}, or trust the file (trust_code=True, -p trust_code true, or --trust-code)"
        )
    module_name, _, name = spec.partition(":")
    if not (module_name and name):
        raise ValueError(f'{what}: an import string must look like "module:Name", got {spec!r}')
    try:
        return getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, TypeError) as error:  # TypeError: a relative name
        hint = "; define it in a cell that runs before" if module_name == "__main__" else ""
        raise ValueError(f"{what}: cannot import {spec!r}: {error}{hint}") from error
