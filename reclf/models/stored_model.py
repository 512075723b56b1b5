"""A model as a folder in the Hugging Face shape, strict: every weight must be there and fit.

    RECLF <--> config.json, model.safetensors, image_tower/, text_tower/, tokenizer/

transformers' own machinery re-initializes foreign towers and accepts missing keys.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CONFIG_MAPPING
from transformers.initialization import no_init_weights

from reclf.config import ModelConfig, TowerConfig, load_json, to_dict
from reclf.config.foreign_files import read_json
from reclf.runs.checksums import TRAINER, check_files, write_checksums
from reclf.runs.files import named, remove_left_overs, replace_folder, sync, temporary_name
from reclf.stats.tables import json_text

from .foreign_model import bounded, check_numbers, check_shapes, read_shapes
from .foreign_tokenizer import read_tokenizer
from .function_tower import FunctionTowerConfig, find_function
from .relations import AGGREGATORS, Aggregator, find_aggregator
from .towers import build_tower

WEIGHTS = "model.safetensors"


def save_model(model: Any, folder: Path) -> None:
    """Write a model with checksums; see `save_into`."""

    def write(fresh: Path) -> None:
        write_model(model, fresh)
        write_checksums(fresh)

    save_into(folder, write)


def save_image_tower(model: Any, folder: Path) -> None:
    """Write the image tower alone, as transformers does; see `save_into`."""

    def write(fresh: Path) -> None:
        with _native(fresh / WEIGHTS):
            model.image_encoder.tower.save_pretrained(fresh)

    save_into(folder, write)


def save_into(folder: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a folder with WEIGHTS, so that `folder` holds all of it, or what it held
    before; its other files stay."""
    remove_left_overs(folder)
    if folder.exists() and not (folder / WEIGHTS).exists():  # somebody's folder: move into it
        fresh = temporary_name(folder / WEIGHTS)
        replace_folder(fresh, write)
        with named(folder):
            for path in sorted(fresh.iterdir(), key=lambda path: path.name == WEIGHTS):
                if path.is_dir():
                    shutil.rmtree(folder / path.name, ignore_errors=True)
                path.replace(folder / path.name)
            fresh.rmdir()
            sync(folder)
        return

    def write_and_keep(fresh: Path) -> None:
        write(fresh)
        for path in folder.iterdir() if folder.exists() else ():
            if not (fresh / path.name).exists():
                copy = shutil.copytree if path.is_dir() else shutil.copy2
                copy(path, fresh / path.name)

    replace_folder(folder, write_and_keep)


def write_model(model: Any, folder: Path) -> None:
    """Write a model into a folder, file by file; see `save_model`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json_text(asdict(model.config), indent=2) + "\n")
    model.image_encoder.tower.config.save_pretrained(folder / "image_tower")
    model.text_encoder.tower.config.save_pretrained(folder / "text_tower")
    if model.tokenizer is not None:
        with _native(folder / "tokenizer"):
            model.tokenizer.save_pretrained(folder / "tokenizer")
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    with _native(folder / WEIGHTS):
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    # safetensors lets nobody else read it, whatever the umask says.
    shutil.copymode(folder / "config.json", folder / WEIGHTS)


@contextmanager
def _native(path: Path) -> Iterator[None]:
    """Errors of the disk as Python has them, from libraries in Rust that put them into words."""
    try:
        yield
    except Exception as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def read_model(
    folder: Path,
    build: Callable[..., Any],
    trust_code: bool = False,
    aggregator: type[Aggregator] | None = None,
    image_tower: Callable[[bool], nn.Module] | None = None,
) -> Any:
    """A model with the weights of a folder, which somebody else may have written.

    Args:
        build: RECLF, of its settings and parts.
        trust_code, aggregator, image_tower: see `RECLF.from_pretrained`.

    Raises:
        FileNotFoundError: the folder is not a checkpoint; names the missing file.
        DamagedFile: a file is not what was written.
        ValueError: it names code, or weights and configuration do not fit.
    """
    check_files(folder, leave=(TRAINER,))
    for name in ("config.json", "model.safetensors", "image_tower", "text_tower"):
        if not (folder / name).exists():
            raise FileNotFoundError(
                f"{folder} is not a RECLF checkpoint: {name} is missing. A run keeps its "
                "checkpoints in <run>/checkpoints/best and <run>/checkpoints/last."
            )
    config = load_json(ModelConfig, folder / "config.json", trust_code)
    own_aggregator = find_aggregator(config.aggregator, aggregator)
    own_code = own_aggregator not in AGGREGATORS.values()
    towers: dict[str, TowerConfig] = {}
    for role in ("image", "text"):
        path = folder / f"{role}_tower" / "config.json"
        values = read_json(path, trust_code)
        kind = values.get("model_type")
        if role == "image" and kind == FunctionTowerConfig.model_type:
            image_tower, own_code = find_function(values.get("function", ""), image_tower), True
        elif kind not in CONFIG_MAPPING:
            raise ValueError(
                f"{path}: model_type {kind!r} is none of transformers {transformers.__version__}, "
                "and code beside it is never run"
            )
        towers[role] = TowerConfig(config=values, freeze=getattr(config, f"{role}_tower").freeze)
    shapes = read_shapes(folder / "model.safetensors")
    check_numbers(to_dict(config), folder / "config.json", shapes)
    for role, tower in towers.items():
        check_numbers(tower.config, folder / f"{role}_tower" / "config.json", shapes)
    tokenizer = None
    if (folder / "tokenizer").exists():
        tokenizer = read_tokenizer(
            folder / "tokenizer", max(map(max, filter(None, shapes.values())))
        )

    def make() -> Any:
        image = build_tower(towers["image"], "image", config.region_stage, image_tower)
        text = build_tower(towers["text"], "text")
        return build(config, tokenizer, image, text, own_aggregator)

    with bounded(shapes, folder):
        if not own_code:  # which need not know the meta device
            with torch.device("meta"), no_init_weights():
                check_shapes(make(), shapes, folder)
        model = make()
    check_shapes(model, shapes, folder)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model
