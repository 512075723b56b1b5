"""Which device, and which precision, a name means here."""

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


def choose_precision(precision: str, on_cpu: bool) -> str:
    """What "auto" means here: bf16 on a device with instructions for it, else float32.

    Without them a CPU converts back and forth, and is several times slower (LOG.md, 2026-11-24).

    Raises:
        ValueError: fp16 on a CPU.
    """
    if precision == "fp16" and on_cpu:
        raise ValueError('train.precision "fp16" needs a GPU; use "no" or "bf16"')
    if precision != "auto":
        return precision
    if not on_cpu:
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16") else "no"
