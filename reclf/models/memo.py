"""What a frozen tower made of an input, kept: a second sight of a study costs no tower.

    inputs --hash of each--> what was kept, or the tower on this one alone --> outputs

Each input goes through the tower by itself, the first time and never again, so that what is read
does not depend on the batch that it was first in: a run that goes on with an empty memo sees the
same. Outputs are kept in float16, in memory, as long as there is room.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

import torch
from torch import Tensor, nn

Outputs = tuple[Tensor, ...]


class Memo:
    """Outputs of a frozen tower by the content of its inputs.

    Args:
        limit: bytes that may be kept; what no longer fits is computed each time.
    """

    def __init__(self, limit: int):
        self.limit, self.size = limit, 0
        self.kept: dict[bytes, Outputs] = {}
        self._lock = Lock()  # on a CPU several threads encode

    @torch.no_grad()
    def __call__(self, run: Callable[[Tensor], Outputs], inputs: list[Tensor]) -> list[Outputs]:
        """Outputs of each input, without the axis of the batch, on the device of the inputs.

        Args:
            run: the tower, on a batch of one, (1, ...).
            inputs: of one study each; sizes may differ.
        """
        found = []
        for one in inputs:
            key = hashlib.blake2b(one.cpu().contiguous().numpy().tobytes(), digest_size=16).digest()
            outputs = self.kept.get(key)
            if outputs is None:
                made = run(one[None])
                # A map that is given twice, as regions and as the last one, is kept once.
                halves = {id(part): part[0].to(torch.float16).cpu() for part in made}
                outputs = tuple(halves[id(part)] for part in made)
                self._keep(key, outputs, sum(half.nbytes for half in halves.values()))
            found.append(tuple(part.to(one.device, torch.float32) for part in outputs))
        return found

    def _keep(self, key: bytes, outputs: Outputs, size: int) -> None:
        with self._lock:
            if key not in self.kept and self.size + size <= self.limit:
                self.kept[key] = outputs
                self.size += size


_shared: dict[tuple[object, ...], Memo] | None = None


@contextmanager
def shared_memos() -> Iterator[None]:
    """Within, trainings one after the other share what equal frozen towers made of a study."""
    global _shared
    before, _shared = _shared, {}
    try:
        yield
    finally:
        _shared = before


def memo_of(tower: nn.Module, limit: int, *settings: object) -> Memo:
    """A memo for a frozen tower: within `shared_memos`, that of an equal tower with equal settings.

    Args:
        tower: equal if of one class with equal weights and statistics.
        limit: see `Memo`.
        settings: whatever else changes what is made.
    """
    if _shared is None:
        return Memo(limit)
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return _shared.setdefault((type(tower), digest.digest(), limit, *settings), Memo(limit))
