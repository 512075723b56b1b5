"""Settings as data: dataclasses that refuse nonsense, dotted paths, import strings."""

from .overrides import Overrides, from_dict, load_json, merge, override, read_as, to_dict
from .settings import (
    ATTENTIONS,
    DEVICES,
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
    "DEVICES",
    "WORD_SOURCES",
    "DataConfig",
    "ModelConfig",
    "Overrides",
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
    "to_dict",
]
