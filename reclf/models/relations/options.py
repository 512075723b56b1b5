"""The options of SRM, shared by every module that has SRM steps.

model.aggregator_options (flat, from the configuration) -> SRMOptions -> SRM, RelationEnhanced
"""

import math
from dataclasses import dataclass

READ_OUTS = ("global", "token")


@dataclass(frozen=True)
class SRMOptions:
    """How SRM passes messages between the words of a report; the defaults are SGRAF's.

    Raises:
        ValueError: a value that is not allowed; names the option and the value.
    """

    steps: int = 3
    """K, message-passing steps with weights of their own, at least 1."""

    scaled: bool = False
    """Divide the edge scores by sqrt(S) before the softmax."""

    residual: bool = False
    """Add the message to the node instead of replacing the node by it (ours)."""

    read_out: str = "global"
    """Initial value of node 0: "global", the global matching (SGRAF), or "token", a learned vector
    (ours). The global matching alone can solve the contrast, and then no word is read (LOG.md,
    2026-11-24); a token knows only what it attends to."""

    nearness: float = 0.0
    """At the start of training, what an edge between two words loses for each word in between
    (ours); 0 leaves the term out. A matching hardly says which "left" belongs to which finding, and
    uniform edges teach nothing (LOG.md, 2026-11-25)."""

    boundary: float = 0.0
    """The same for each end of a sentence in between (ours)."""

    overlap: float = 0.0
    """At the start of training, what an edge gains where two words look at the same regions, times
    their `Pairs.overlap` (ours); 0 leaves the term out. The message also receives the expected
    overlap of a word with the words that it attends to: whether "left" and its "effusion" are at
    one place is a property of the image that no single matching has (LOG.md, 2026-11-28)."""

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps!r}")
        if self.read_out not in READ_OUTS:
            raise ValueError(f"read_out must be one of {READ_OUTS}, got {self.read_out!r}")
        for name in ("scaled", "residual"):
            if not isinstance(value := getattr(self, name), bool):
                raise ValueError(f"{name} must be true or false, got {value!r}")
        for name in ("nearness", "boundary", "overlap"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {value!r}")

    def check_word_edges(self) -> None:
        """Refuse options of edges between words where the only step updates node 0."""
        for name in ("nearness", "boundary", "overlap"):
            if (value := getattr(self, name)) and self.steps < 2:
                raise ValueError(
                    f"{name} {value} has no effect with steps={self.steps}: the only step updates "
                    "node 0, which is equally near to all words; use steps of 2 or more, or "
                    f"{name} 0"
                )


SGRAF = SRMOptions()
