"""A folder of ten studies with one kind of damage, and what is right to do about it.

    Case.write(Folder) -> manifest.csv and images -> outcome.judge: right, or in which way wrong

Ten images of 64 x 64 pixels, p0 to p9, seven studies for training, two for validation, one test.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 64
SPLITS = {n: "train" if n < 7 else "val" if n < 9 else "test" for n in range(10)}
REPORTS = {n: f"Left effusion number {n}. No nodule." for n in range(10)}


def pixels(number: int) -> np.ndarray:
    """uint8 (64, 64): a slope from one corner, brighter for every number; no two are alike."""
    y, x = np.mgrid[:SIZE, :SIZE]
    return (10 + 14 * number + x // 2 + y).astype(np.uint8)


def encoded(image: np.ndarray, form: str = "PNG", mode: str | None = None, **options: Any) -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    picture = Image.fromarray(image)
    (picture.convert(mode) if mode else picture).save(buffer, form, **options)
    return buffer.getvalue()


_FILES = {n: encoded(pixels(n)) for n in range(10)}


class Folder:
    """The folder of a case: its rows can be changed until the manifest is written."""

    def __init__(self, root: Path):
        self.root = root
        self.rows: list[dict[str, Any]] = [
            {"image": f"images/{n}.png", "report": REPORTS[n], "patient_id": f"p{n}"}
            | {"split": SPLITS[n]}
            for n in range(10)
        ]
        self.written = False
        for n, content in _FILES.items():
            self.file(f"images/{n}.png", content)

    def file(self, name: str, content: bytes | str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def put(self, number: int, **cells: Any) -> None:
        self.rows[number] |= cells

    def column(self, name: str, values: list[Any]) -> None:
        for row, value in zip(self.rows, values, strict=True):
            row[name] = value

    def drop(self, name: str) -> None:
        for row in self.rows:
            del row[name]

    def image(self, number: int, name: str, content: bytes | str) -> None:
        """Give a study another image file."""
        self.file(name, content)
        self.put(number, image=name)

    def text(self, separator: str = ",", end: str = "\n") -> str:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self.rows[0], delimiter=separator, lineterminator=end)
        writer.writeheader()
        writer.writerows(self.rows)
        return buffer.getvalue()

    def manifest(self, content: bytes | str, name: str = "manifest.csv") -> None:
        """Write the manifest as these bytes; without a call, the rows are written at the end."""
        self.file(name, content)
        self.written = True

    def save(self) -> None:
        if not self.written:
            self.manifest(self.text())


@dataclass(frozen=True)
class Right:
    """One answer that is right.

    Attributes:
        how: "read": all ten studies with their values. "refused": an error with the words, whatever
            the options. "left out": an error with the words under on_problem="refuse"; under
            "skip" the studies are left out and counted, and the others read. "told": read, and
            named by the data check.
        words: patterns that the message has.
        studies: numbers of those left out.
        values: what differs from the ten plain studies: attribute -> number -> value, e.g.
            {"report": {0: "None"}}; "labels", "masks" (name -> pixels), "boxes" ((label, x, y,
            width, height), ...) and "pixels" (64, 64) are compared where they are given.
    """

    how: str
    words: tuple[str, ...] = ()
    studies: tuple[int, ...] = ()
    values: dict[str, dict[int, Any]] = field(default_factory=dict)


def read(**values: dict[int, Any]) -> Right:
    return Right("read", values=values)


def refused(*words: str) -> Right:
    return Right("refused", words)


def left_out(studies: int | tuple[int, ...], *words: str, **values: dict[int, Any]) -> Right:
    numbers = (studies,) if isinstance(studies, int) else studies
    return Right("left out", words, numbers, values)


def told(*words: str, **values: dict[int, Any]) -> Right:
    return Right("told", words, values=values)


@dataclass(frozen=True)
class Case:
    """One kind of damage; any of the answers in `right` is right."""

    name: str
    write: Callable[[Folder], None]
    right: tuple[Right, ...]
    options: dict[str, Any] = field(default_factory=dict)


def case(name: str, write: Callable[[Folder], Any], *right: Right, **options: Any) -> Case:
    return Case(name, write, right, options)
