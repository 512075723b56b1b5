"""Which device a name means here."""

import torch

from reclf.config import DEVICES, check_choice


def choose_device(device: str, name: str = "device") -> str:
    """ "cpu" or "cuda"; "auto" is "cuda" where torch sees a GPU.

    Args:
        name: of the setting, for errors.

    Raises:
        ValueError: unknown, or "cuda" where torch sees no GPU.
    """
    check_choice(name, device, DEVICES)
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError(f'{name} is "cuda" but torch sees no GPU; use "auto" or "cpu"')
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
