"""The steps since the last record: their numbers, and a look at what they left in the model.

    losses, gradient norms, weights, buffers, optimizer moments -> all finite? -> log, best, last

One number that is not finite, once it is saved, spoils a run for ever: so nothing is written before
this look.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

Key = TypeVar("Key")
SHOWN = 3  # names in an error; of the others it has the number


class Window:
    """What the steps since the last record have given.

    Args:
        studies_of: the studies of a step, counted from 1, in words.
    """

    def __init__(
        self, model: nn.Module, optimizer: Optimizer, accelerator: Accelerator,
        studies_of: Callable[[int], str],
    ):  # fmt: skip
        self.model, self.optimizer, self.accelerator = model, optimizer, accelerator
        self.studies_of = studies_of
        self._numbers: list[dict[str, Tensor]] = []
        self._looked = -1  # at the model after this step

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, numbers: dict[str, Tensor]) -> None:
        """Losses of a step, and its gradient norm unless fp16's scaler skipped it."""
        self._numbers.append(numbers)

    def means(self) -> dict[str, float]:
        """Of every number over the steps that have it; and begin a new window."""
        known: dict[str, list[Tensor]] = {}
        for numbers in self._numbers:
            for name, value in numbers.items():
                known.setdefault(name, []).append(value.float())
        means = torch.stack([torch.stack(values).mean() for values in known.values()])
        self._numbers = []
        return dict(zip(known, means.tolist(), strict=True))

    def look(self, step: int) -> None:
        """Refuse what is not finite after a step, on all processes alike.

        Where all is well it costs one synchronization of the device.

        Raises:
            FloatingPointError: names the first step that shows it, if one does, with its studies,
                and the weights, buffers and moments.
        """
        if self._looked == step:
            return
        first = step - len(self) + 1
        steps = {(k, n): v for k, w in enumerate(self._numbers, first) for n, v in w.items()}
        state = state_tensors(self.model, self.optimizer)
        # The norm is fast, and finite only where all are; it overflows for some that are finite.
        norm = get_total_norm([*steps.values(), *state.values()]).reshape(1)
        if not self.accelerator.gather(norm).isfinite().all():
            early, spoiled = self._not_finite(steps), self._not_finite(state)
            if early or spoiled:
                self._refuse(first, step, early, spoiled)
        self._looked = step

    def _not_finite(self, tensors: Mapping[Key, Tensor]) -> list[Key]:
        if not tensors:
            return []
        bad = torch.stack([~tensor.isfinite().all() for tensor in tensors.values()]).float()
        bad = self.accelerator.gather(bad[None]).sum(0) > 0
        return [name for name, is_bad in zip(tensors, bad.tolist(), strict=True) if is_bad]

    def _refuse(
        self, first: int, step: int, early: list[tuple[int, str]], spoiled: list[str]
    ) -> None:
        after = f"after step {step}, not finite: {some(spoiled)}" if spoiled else ""
        if early:
            bad, name = early[0]
            raise FloatingPointError(
                f"{name} of step {bad} is not finite ({self.studies_of(bad)})"
                + (f"; {after}" if after else "")
            )
        if not self._numbers:
            raise FloatingPointError(
                f"before step {step + 1}, not finite: {some(spoiled)}. The training would start "
                "from them"
            )
        raise FloatingPointError(
            f"{after}. One of the steps {first} to {step} did it, by a finite loss and gradient"
        )


def state_tensors(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """What a checkpoint holds, by name: weights, buffers and the optimizer's moments."""
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters()}
    found = {f"weight {name}": parameter.detach() for parameter, name in names.items()}
    found |= {f"buffer {name}": b for name, b in model.named_buffers() if b.is_floating_point()}
    for parameter, moments in optimizer.state.items():
        for kind, value in moments.items():
            if isinstance(value, Tensor) and kind != "step":
                found[f"optimizer moment {kind} of {names[parameter]}"] = value
    return found


def some(names: Sequence[str]) -> str:
    """The first ones, and how many there are."""
    more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
