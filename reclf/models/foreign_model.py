"""A checkpoint that somebody else may have written: looked at before anything is built of it.

    model.safetensors --read_shapes--> name -> shape, from its header alone
    configurations --check_numbers--> no number that such weights cannot explain
    build on the meta device, under `bounded`, --check_shapes--> names and shapes of the weights

So a configuration of 10^6 layers or 10^9 channels is refused by name, and takes no memory.
"""

import io
import math
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from reclf.config.foreign_files import DamagedFile, check_size

Shapes = Mapping[str, tuple[int, ...]]
MOST_HEADER = 2**24  # bytes; a model of 10,000 tensors has a tenth
MOST_NUMBER = 2**20  # of a configuration, where no dimension of the weights is larger
MOST_PICKLE = 2**22  # bytes of a pickle beside its tensors, and
MOST_OPERATIONS = 2**19  # of it; 3,000 tensors with two moments have a third
# What the pickle of tensors calls. Of the rest that torch allows, some make memory of a number.
CALLED = re.compile(
    r"collections (OrderedDict|Counter)|builtins (set|complex)|torch (Size|device|bool|\w+\d|"
    r"\w+Storage)|torch\._utils _rebuild_(tensor_v2|parameter)|torch\.nn\.parameter Parameter"
)
# What makes transformers fetch weights or kernels, or load another library, to build a model.
FETCHES = ("quantization_config", "backbone", "use_pretrained_backbone", "use_timm_backbone")


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the weights in a file, of which the header alone is read.

    Raises:
        DamagedFile: it is no such file, or is not whole; names it.
    """
    check_size(path, 2**50)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MOST_HEADER:
        raise DamagedFile(path, f"a header of {length:,} bytes")
    try:
        with safe_open(path, "pt") as weights:
            names = weights.keys()
            return {name: tuple(weights.get_slice(name).get_shape()) for name in names}
    except SafetensorError as error:
        raise DamagedFile(path, str(error)) from error


def read_pickle(path: Path, most: int = 2**50) -> Any:
    """Tensors and plain values that `torch.save` wrote, no larger than the file itself.

    Raises:
        ValueError: larger than `most` bytes, compressed, or a pickle of anything else; and whatever
            torch raises.
    """
    check_size(path, most)
    with path.open("rb") as file:
        if file.read(2) == b"PK":
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if sum(m.file_size for m in members) > path.stat().st_size:
                    raise ValueError("it has more bytes than its file, which torch.save never does")
                names = [m.filename for m in members if m.filename.lower().endswith(".pkl")]
                if len(names) != 1 or archive.getinfo(names[0]).file_size > MOST_PICKLE:
                    raise ValueError(
                        f"not one pickle of at most {MOST_PICKLE:,} bytes: {names[:3]}"
                    )
                content, count = archive.read(names[0]), 1
        else:  # as torch before 1.6 wrote: three numbers and settings, values, names of storages
            file.seek(0)
            content, count = file.read(MOST_PICKLE), 5
    pickles = io.BytesIO(content)
    steps = chain.from_iterable(pickletools.genops(pickles) for _ in range(count))
    for number, (step, called, _) in enumerate(steps):
        if step.name == "GLOBAL" and not CALLED.fullmatch(str(called)):
            raise ValueError(f"it calls {called!r}, which no tensor needs")
        if number > MOST_OPERATIONS:
            raise ValueError(f"its pickle has more than {MOST_OPERATIONS:,} steps")
    return torch.load(path, map_location="cpu", weights_only=True)


def check_numbers(values: Mapping[str, Any], path: Path, shapes: Shapes) -> None:
    """Refuse numbers of a configuration that no weights of these shapes can have, and what would
    fetch more than the configuration says.

    Raises:
        ValueError: names file, key and value.
    """
    most = max(MOST_NUMBER, *(max(shape, default=0) for shape in shapes.values()))

    def check(value: Any, key: str) -> None:
        if isinstance(value, Mapping):
            for name, item in value.items():
                check(item, f"{key}.{name}" if key else name)
        elif isinstance(value, list):
            if len(value) > 2 * len(shapes) + 64:  # stages, say
                raise ValueError(
                    f"{path}: {key} has {len(value)} entries, and the weights are {len(shapes)}"
                )
            for item in value:
                check(item, key)
            check(sum(item for item in value if isinstance(item, int)), key)
        elif isinstance(value, int) and abs(value) > most:
            raise ValueError(
                f"{path}: {key} is {value}, and no dimension of the weights beside it is above "
                f"{most}"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path}: {key} is {value}")

    check(values, "")
    attention = [str(value) for key, value in values.items() if "attn_implementation" in key]
    fetched = [key for key in FETCHES if values.get(key)]
    fetched += ["attn_implementation" for value in attention if not value.isidentifier()]
    if fetched:
        raise ValueError(f"{path}: {fetched[0]} would load more than this folder, and is refused")


@contextmanager
def bounded(shapes: Shapes, path: Path) -> Iterator[None]:
    """While it lasts, a model cannot become larger than the weights of a file are.

    Raises:
        ValueError: it would have more parameters, or larger ones; or cannot be built at all.
    """
    # Poolers of towers are built and not kept.
    most, largest = (
        2 * len(shapes) + 64,
        2**16 + 4 * max(map(math.prod, shapes.values()), default=0),
    )
    made: list[str] = []

    def look(module: nn.Module, name: str, parameter: Tensor | None) -> None:
        made.append(name)
        if len(made) > most:
            raise _TooLarge(f"more than {most} parameters, and the weights are {len(shapes)}")
        if parameter is not None and parameter.numel() > largest:
            shape = tuple(parameter.shape)
            raise _TooLarge(
                f"{type(module).__name__}.{name} of shape {shape}; the weights have none"
            )

    handle = register_module_parameter_registration_hook(look)
    try:
        yield
    except _TooLarge as error:
        raise ValueError(f"{path} does not fit its weights: it asks for {error}") from None
    except Exception as error:  # of torch, transformers or an aggregator, of any kind
        raise ValueError(f"{path} cannot be built: {type(error).__name__}: {error}") from error
    finally:
        handle.remove()


class _TooLarge(Exception):
    """Raised inside of a library that builds a model."""


def check_shapes(model: nn.Module, shapes: Shapes, folder: Path) -> None:
    """Refuse weights that are not those of the model, before they are read; names the keys."""
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    problems = [f"missing {key}" for key in expected.keys() - shapes.keys()]
    problems += [f"unexpected {key}" for key in shapes.keys() - expected.keys()]
    problems += [
        f"{key} is {shapes[key]}, expected {expected[key]}"
        for key in expected.keys() & shapes.keys()
        if expected[key] != shapes[key]
    ]
    if problems:
        raise ValueError(
            f"{folder}/model.safetensors does not fit its config.json: "
            f"{len(problems)} problems, first {sorted(problems)[:5]}"
        )
