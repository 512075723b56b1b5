"""Settings as data: dataclasses that refuse nonsense, dotted paths, import strings."""

from .overrides import from_dict, load_json, merge, override, read_as, save_json, to_dict
from .settings import (
    ATTENTIONS,
    WORD_SOURCES,
    DataConfig,
    ModelConfig,
    RunConfig,
    TowerConfig,
    TrainConfig,
    check,
    check_choice,
)

__all__ = [
    "ATTENTIONS",
    "WORD_SOURCES",
    "DataConfig",
    "ModelConfig",
    "RunConfig",
    "TowerConfig",
    "TrainConfig",
    "check",
    "check_choice",
    "from_dict",
    "load_json",
    "merge",
    "override",
    "read_as",
    "save_json",
    "to_dict",
]
