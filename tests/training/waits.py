"""What makes a computation wait for its device, counted on a machine that has none.

    with waits() as found: a step on the "meta" device --> found, a line for each

Torch's meta device has shapes and no values. Whatever a GPU must finish its work for is an error
here, since the value is not there to be read. What a GPU only waits for in passing is seen as torch
is called: a copy from the CPU that blocks, an index that is a list or lies on the CPU.
"""

import traceback
from contextlib import contextmanager

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

INDEXED = (Tensor.__getitem__, Tensor.__setitem__)
COPIES = ("aten::_to_copy", "aten::copy_")
WITH_INDICES = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")


@contextmanager
def waits():
    """Within, the list that it gives collects operations that a GPU waits for."""
    found: list[str] = []
    with _Lists(found), _Dispatched(found):
        yield found


class _Lists(TorchFunctionMode):
    """Torch makes a tensor of a list on the device before anything is dispatched."""

    def __init__(self, found: list[str]):
        super().__init__()
        self.found = found

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in INDEXED:
            parts = args[1] if isinstance(args[1], tuple) else (args[1],)
            if args[0].is_meta and any(isinstance(part, list) for part in parts):
                self.found.append(f"a list as an index, {_line()}")
        return function(*args, **kwargs or {})


class _Dispatched(TorchDispatchMode):
    def __init__(self, found: list[str]):
        super().__init__()
        self.found = found

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name
        leaves = tree_leaves((args, kwargs))
        devices = {leaf.device.type for leaf in leaves if isinstance(leaf, Tensor)}
        if "device" in kwargs:
            devices.add(str(kwargs["device"]))
        if {"cpu", "meta"} <= devices:
            blocks = name in COPIES and not _in_passing(*args[2:], **kwargs)
            if blocks or name in WITH_INDICES:
                self.found.append(f"{name}, {_line()}")
        return function(*args, **kwargs)


def _in_passing(non_blocking: bool = False, **others: object) -> bool:
    return non_blocking


def _line() -> str:
    """The innermost line of the package that led here, or of the test."""
    frames = [f for f in traceback.extract_stack() if "site-packages" not in f.filename]
    frames = [f for f in frames if f.filename != __file__]
    own = [f for f in frames if "/reclf/" in f.filename] or frames
    return f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}"
