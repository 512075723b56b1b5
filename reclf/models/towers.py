"""Ready towers: pretrained ones, of a folder, a Python package or the hub, and untrained ones.

TowerConfig --find_tower--> files --transformers--> module --freeze?--> tower
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoBackbone, AutoConfig, AutoModel, PreTrainedModel
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING

from reclf.config import TowerConfig, check

from .efficientnet_lite import EfficientNetLiteConfig, load_efficientnet_lite
from .function_tower import FunctionTower, FunctionTowerConfig
from .tower_source import find_tower, lite_weights, without_code


def build_tower(
    tower: TowerConfig,
    role: str,
    region_stage: int = 0,
    function: Callable[[bool], nn.Module] | None = None,
) -> PreTrainedModel | FunctionTower:
    """Load a pretrained tower, or build an untrained one.

    Args:
        tower: what to load or build.
        role: "image" or "text".
        region_stage: stage whose map gives the regions (image backbones only).
        function: of a function tower, handed over.

    Raises:
        OSError: see `find_tower`; or the weights are not whole.
        ValueError: a folder or repository whose model is code of its own.
    """
    if tower.config.get("model_type") == FunctionTowerConfig.model_type:
        settings = FunctionTowerConfig(**tower.config)
        function_tower = FunctionTower(settings, pretrained=False, function=function)
        return function_tower.requires_grad_(not tower.freeze)
    name, source = find_tower(tower, role) if tower.name else ("", {})
    weights = lite_weights(Path(name)) if name else None
    if weights is not None:
        config: Any = EfficientNetLiteConfig()
    elif name:
        config = without_code(AutoConfig.from_pretrained, name, "a model", **source)
    else:
        values = dict(tower.config)
        config = AutoConfig.for_model(values.pop("model_type"), **values)
    is_backbone = role == "image" and type(config) in MODEL_FOR_BACKBONE_MAPPING
    if is_backbone:
        stages = len(config.stage_names) - 1
        check(region_stage <= stages, "model.region_stage", region_stage, f"be 1 to {stages}")
        wanted = {f"stage{region_stage}", f"stage{stages}"}
        config.out_features = [stage for stage in config.stage_names if stage in wanted]
    if weights is not None:
        model = load_efficientnet_lite(weights, config)
    elif name:
        # Not AutoBackbone.from_pretrained: it asks the hub about every name, folders included.
        cls: Any = MODEL_FOR_BACKBONE_MAPPING[type(config)] if is_backbone else AutoModel
        # Weights in half precision are read as float32, which the rest of the model is in.
        model, found = cls.from_pretrained(
            name, config=config, dtype=torch.float32, output_loading_info=True,
            trust_remote_code=False, **source,
        )  # fmt: skip
        # A pooler is not read. Anything else would start untrained, and nobody would know.
        if missing := sorted(n for n in found["missing_keys"] if not n.startswith("pooler.")):
            raise OSError(
                f"the {role} tower {tower.name!r} lacks {len(missing)} weights of its "
                f"{config.model_type}, such as {', '.join(missing[:3])}"
            )
    else:
        auto = AutoBackbone if is_backbone else AutoModel
        model = auto.from_config(config, trust_remote_code=False)
    if tower.freeze:
        model.requires_grad_(False)
    return model
