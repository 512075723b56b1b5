"""The records of a training, read from metrics.jsonl while it grows.

    metrics.jsonl, one JSON object a line -> MetricsLog -> records, null as NaN

Needs no torch, so that a widget can read along.
"""

import json
import warnings
from math import nan
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import check_size


class MetricsLog:
    """What was logged so far; `read` takes in what came since.

    Args:
        path: of the file; it need not be there yet.
    """

    def __init__(self, path: Path):
        self.path = path
        self._start(None)

    def _start(self, file: int | None) -> None:
        self.records: list[dict[str, Any]] = []
        self._place = self._lines = 0  # bytes and lines that were read
        self._file = file

    def read(self) -> list[dict[str, Any]]:
        """All records, from the start where the file was replaced (a resumed run does that).

        A damaged line is left out, and a warning says its number.
        """
        if not self.path.exists():
            self._start(None)
            return self.records
        check_size(self.path, 2**32)
        with self.path.open("rb") as file:
            status = self.path.stat()
            if status.st_ino != self._file or status.st_size < self._place:
                self._start(status.st_ino)
            file.seek(self._place)
            added = file.read()
        # A line that is being written, or that a kill cut short, has no end.
        whole = added[: added.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._lines += 1
            try:
                record = json.loads(line)
                record = {k: nan if v is None else v for k, v in record.items()}
                sum(record.values(), 0.0)  # numbers all
                if record["step"] % 1:
                    raise ValueError("half a step")
                self.records.append(record)
            except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError,
                    RecursionError):  # fmt: skip
                warnings.warn(
                    f"{self.path}, line {self._lines} is damaged, and left out: {line[:40]!r}",
                    stacklevel=2,
                )
        self._place += len(whole)
        return self.records
