"""The records of a training, read from metrics.jsonl while it grows.

    metrics.jsonl, one JSON object a line -> MetricsLog -> records

Needs no torch, so that a widget can read along.
"""

import json
from pathlib import Path
from typing import Any


class MetricsLog:
    """What was logged so far; `read` takes in what came since.

    Args:
        path: of the file; it need not be there yet.
    """

    def __init__(self, path: Path):
        self.path = path
        self.records: list[dict[str, Any]] = []
        self._place = 0  # bytes that were read
        self._file: int | None = None

    def read(self) -> list[dict[str, Any]]:
        """All records, from the start where the file was replaced (a resumed run does that)."""
        if not self.path.exists():
            self.records, self._place, self._file = [], 0, None
            return self.records
        with self.path.open("rb") as file:
            status = self.path.stat()
            if status.st_ino != self._file or status.st_size < self._place:
                self.records, self._place, self._file = [], 0, status.st_ino
            file.seek(self._place)
            added = file.read()
        # A line that is being written, or that a kill cut short, has no end.
        whole = added[: added.rfind(b"\n") + 1]
        self.records += [json.loads(line) for line in whole.splitlines()]
        self._place += len(whole)
        return self.records
