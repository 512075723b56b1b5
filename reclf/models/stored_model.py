"""A model as a folder in the Hugging Face shape, strict: every weight must be there and fit.

    RECLF <--> config.json, model.safetensors, image_tower/, text_tower/, tokenizer/

transformers' own machinery re-initializes foreign towers and accepts missing keys.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from reclf.config import ModelConfig, TowerConfig, from_dict

from .encoders import build_tower


def write_model(model: Any, folder: Path) -> None:
    """Write a RECLF model; see `RECLF.save_pretrained`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(model.config), indent=2) + "\n")
    model.image_encoder.tower.config.save_pretrained(folder / "image_tower")
    model.text_encoder.tower.config.save_pretrained(folder / "text_tower")
    if model.tokenizer is not None:
        model.tokenizer.save_pretrained(folder / "tokenizer")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def read_parts(folder: Path) -> tuple[ModelConfig, Any, nn.Module, nn.Module]:
    """Settings, tokenizer or None, and both towers, whose weights are still to be loaded.

    Raises:
        FileNotFoundError: the folder is not a checkpoint; names the missing file.
    """
    from transformers import AutoTokenizer

    for name in ("config.json", "model.safetensors", "image_tower", "text_tower"):
        if not (folder / name).exists():
            raise FileNotFoundError(
                f"{folder} is not a RECLF checkpoint: {name} is missing. A run keeps its "
                "checkpoints in <run>/checkpoints/best and <run>/checkpoints/last."
            )
    config = from_dict(ModelConfig, json.loads((folder / "config.json").read_text()))
    towers: dict[str, nn.Module] = {}
    for role in ("image", "text"):
        values = json.loads((folder / f"{role}_tower" / "config.json").read_text())
        freeze = getattr(config, f"{role}_tower").freeze
        tower = TowerConfig(config=values, freeze=freeze)
        towers[role] = build_tower(tower, role, config.region_stage)
    tokenizer = None
    if (folder / "tokenizer").exists():
        tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    return config, tokenizer, towers["image"], towers["text"]


def load_weights(model: nn.Module, folder: Path) -> None:
    """Load the weights of a folder.

    Raises:
        ValueError: weights and configuration do not fit; names the keys.
    """
    weights, expected = load_file(folder / "model.safetensors"), model.state_dict()
    problems = [f"missing {key}" for key in expected.keys() - weights.keys()]
    problems += [f"unexpected {key}" for key in weights.keys() - expected.keys()]
    problems += [
        f"{key} is {tuple(weights[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in expected.keys() & weights.keys()
        if expected[key].shape != weights[key].shape
    ]
    if problems:
        raise ValueError(
            f"{folder}/model.safetensors does not fit its config.json: "
            f"{len(problems)} problems, first {sorted(problems)[:5]}"
        )
    model.load_state_dict(weights)
