"""Somebody else's image encoder as a run folder, so that its numbers stand beside those of a run.

    checkpoint, transformers folder or "module:function" --> FOLDER, a run of state "imported"
    papermill notebooks/linear_probe.ipynb out.ipynb -p run FOLDER -p dataset nih -p data_root DATA

    python -m reclf.import_encoder SOURCE FOLDER --image-mean 0.5 --image-std 0.5

Linear probe, fine-tuning and segmentation read the image encoder alone; tasks that read reports
refuse such a folder. There are no projections and no text tower to speak of: those of the stored
model are small and untrained.
"""

import argparse
import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from reclf.config import DataConfig, ModelConfig, RunConfig, TowerConfig
from reclf.config.foreign_files import DamagedFile, read_json
from reclf.runs.files import write_atomically
from reclf.runs.run import IMPORTED, Run

NO_TEXT = {
    "model_type": "bert", "vocab_size": 8, "hidden_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 1, "intermediate_size": 8, "max_position_embeddings": 8,
}  # fmt: skip


def import_encoder(
    source: str,
    folder: str | Path,
    image_size: int = 224,
    image_mean: float | None = None,
    image_std: float | None = None,
    prefix: str | None = None,
) -> Run:
    """Make a run folder from an image encoder.

    Args:
        source: a file of weights by torchvision's ResNet names (safetensors, or a pickle that
            torch's weights-only reader takes), a folder of transformers, or "module:function", see
            `reclf.models.function_tower`.
        folder: new.
        image_size: side of the square images that it gets, in pixels.
        image_mean, image_std: of pixels in [0, 1], with which it was trained; None takes those of
            the folder's preprocessor_config.json (the mean of its channels), else the settings'
            defaults.
        prefix: see `find_resnet`.

    Raises:
        ValueError: the source or its weights do not fit, or the folder holds something.
        OSError: a folder of transformers that lacks files.
    """
    import torch  # and what needs it, here and below: a help text does not wait

    from reclf.models.baselines import new_model

    folder = Path(folder).expanduser()
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty: name a new folder")
    tower, found = _read(source, image_size, prefix)
    known = found.pop("normalization", {})
    asked = {"image_mean": image_mean, "image_std": image_std}
    settings: dict[str, Any] = {k: known.get(k) if v is None else v for k, v in asked.items()}
    config = ModelConfig(
        image_tower=TowerConfig(config=tower.config.to_dict()),
        text_tower=TowerConfig(config=NO_TEXT),
        image_size=image_size,
        aggregator="global",
    )
    config = replace(config, **{k: v for k, v in settings.items() if v is not None})
    model = new_model(config, None, seed=0).eval()
    model.image_encoder.tower.load_state_dict(tower.state_dict())
    with torch.no_grad():
        grid = model.encode_images(torch.zeros(1, 1, image_size, image_size)).grid
    run = Run(folder, RunConfig(config, DataConfig(dataset="")))  # which it was not trained on here
    run.write_checkpoint("best", model.save_pretrained)
    run.write_environment(seed=0)
    details = {
        "source": source, **found, "channels": model.image_encoder.channels, "grid": list(grid),
        "image_size": image_size, "image_mean": config.image_mean, "image_std": config.image_std,
    }  # fmt: skip
    run.set_status(IMPORTED, **details)
    lines = [f"# {run.folder.name}", "", "An imported image encoder, not trained here.", ""]
    lines += [f"- {name}: {value}" for name, value in details.items()]
    text = "\n".join([*lines, "", "Research only, not for diagnosis.", ""])
    write_atomically(run.folder / "README.md", lambda path: path.write_text(text))
    return run


def _read(source: str, image_size: int, prefix: str | None) -> tuple[Any, dict[str, Any]]:
    """The encoder, and what to say of it: kind, sha256, matched, and more."""
    from reclf.models.function_tower import FunctionTower, FunctionTowerConfig
    from reclf.models.torchvision_resnet import find_resnet
    from reclf.models.tower_source import WEIGHTS
    from reclf.models.towers import build_tower

    path = Path(source).expanduser()
    if path.is_dir():
        tower = build_tower(TowerConfig(name=str(path)), "image", ModelConfig.region_stage)
        (weights, *_) = (path / name for name in WEIGHTS if (path / name).exists())
        count, known = len(tower.state_dict()), _normalization(path)
        return tower, {
            "kind": f"transformers, {tower.config.model_type}", "sha256": _sha256(weights),
            "matched": count, "normalization": known,
        }  # fmt: skip
    if path.is_file():
        try:
            resnet = find_resnet(_load_file(path), prefix)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        depths, kind = resnet.tower.config.depths, resnet.tower.config.layer_type
        return resnet.tower, {
            "kind": f"ResNet, {kind} blocks {depths}", "sha256": _sha256(path),
            "prefix": resnet.prefix, "matched": resnet.matched,
            "left_out": list(resnet.left_out),
        }  # fmt: skip
    if ":" not in source:
        raise ValueError(
            f"{source}: no such file or folder. A model of the hub is fetched with "
            f'`hf download {source} --local-dir FOLDER`; code of your own is "module:function"'
        )
    tower = FunctionTower(FunctionTowerConfig(source), True, image_size)
    file = getattr(sys.modules[source.partition(":")[0]], "__file__", None)  # a cell has none
    return tower, {
        "kind": f"module of {source}", "sha256": file and _sha256(Path(file)),
        "matched": len(tower.state_dict()),
    }  # fmt: skip


def _load_file(path: Path) -> dict[str, Any]:
    """A checkpoint as mappings of tensors; no code of it is run."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from reclf.models.foreign_model import read_pickle

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = read_pickle(path)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"cannot be read as tensors alone ({why}). If you trust the file, write its weights "
            'once where it came from: torch.save(torch.load(FILE, weights_only=False)["state_dict"]'
            ", NEW)"
        ) from error
    if not isinstance(found, dict):
        raise ValueError(f"holds a {type(found).__name__}, not weights by name")
    return found


def _normalization(folder: Path) -> dict[str, float]:
    path = folder / "preprocessor_config.json"
    values = read_json(path) if path.exists() else {}
    names = [name for name in ("image_mean", "image_std") if values.get(name)]
    try:
        return {name: sum(values[name]) / len(values[name]) for name in names}
    except TypeError as error:
        raise DamagedFile(path, f"{names} must be lists of numbers") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m reclf.import_encoder",
        description="Make a run folder from an image encoder, for linear_probe and segmentation.",
    )
    parser.add_argument("source", help='file of weights, transformers folder, "module:function"')
    parser.add_argument("folder", help="new folder")
    parser.add_argument("--image-size", type=int, default=224, help="pixels, default 224")
    parser.add_argument("--image-mean", type=float, help="of pixels in [0, 1], as it was trained")
    parser.add_argument("--image-std", type=float, help="the same")
    parser.add_argument("--prefix", help="of the names in the file, where it has several encoders")
    given = parser.parse_args(arguments)
    try:
        run = import_encoder(**vars(given))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    for name, value in run.status.items():
        print(f"{name}: {value}")
    if given.image_mean is None or given.image_std is None:
        print(
            "Images are normalized by image_mean and image_std as printed. If it was trained with "
            "others, import it again with --image-mean and --image-std."
        )


if __name__ == "__main__":
    main()
