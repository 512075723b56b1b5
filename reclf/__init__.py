"""RECLF: relation-enhanced contrastive learning on chest radiographs and their reports.

    from reclf import RECLF, Run, make_config
    from reclf.explain import explain

Names are imported when they are first used, so that `import reclf` takes no time.
"""

import importlib
import os
from typing import Any

# OpenMP's waiting threads spin for long by default: beside another busy process that costs half of
# the speed, and more in small tasks (LOG.md). Read when torch is loaded, which comes after this.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

_HOMES = {
    "Explanation": "explain",
    "RECLF": "models.reclf",
    "Run": "runs.run",
    "Study": "data.study",
    "load_dataset": "datasets.registry",
    "make_config": "training.presets",
}

__all__ = sorted(_HOMES)
__version__ = "0.8.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reclf' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
