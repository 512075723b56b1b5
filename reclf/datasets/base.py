"""What data sets on disk share: rows, their problems, reading with a cache, and finding a data set.

    manifest -> list of Row -> check_rows -> FileStudies[index] -> Study

A loader (`table.py`, `mimic_cxr.py`) turns its tables into rows and nothing else; whatever goes
wrong is found here, once, before anything trains on a shortened table. A row is cheap: no pixel is
read before a study is asked for.
"""

import hashlib
import importlib
import inspect
import os
import pkgutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from reclf import datasets
from reclf.config.import_strings import import_object
from reclf.data.radiographs import FITS, Frame, ImageError, image_size, read_fitted, read_mask
from reclf.data.reports import clean, split_words
from reclf.data.study import Box, Pair, Study

from .masks import FilledBoxes, RunLengths
from .problems import DataProblems, describe, refuse_missing_split

SPLITS = ("train", "val", "test")
_SPLIT_NAMES = {
    "training": "train", "validate": "val", "validation": "val", "valid": "val", "dev": "val",
    "testing": "test",
}  # fmt: skip


def split_name(text: str) -> str:
    """The project's name of a split: "validate", "Valid" and "dev" are "val"."""
    name = text.strip().lower()
    return _SPLIT_NAMES.get(name, name)


def split_of_patient(patient_id: str) -> str:
    """train, val or test (80/10/10) by a hash of the patient: no seed, the same on every machine
    and unchanged for old patients when new ones come."""
    digest = hashlib.blake2b(patient_id.encode(), digest_size=8).digest()
    tenth = int.from_bytes(digest, "big") % 10
    return "train" if tenth < 8 else SPLITS[tenth - 7]


def val_of_patient(patient_id: str) -> str:
    """train or val (90/10) by the same hash, for releases that have a test set and no val."""
    return "val" if split_of_patient(patient_id) == "val" else "train"


@dataclass(frozen=True)
class Row:
    """What the tables say of one study, before any pixel is read. Boxes: pixels of the file.

    A mask is a file, or numbers of the table that draw it.
    """

    study_id: str
    patient_id: str
    split: str
    image: Path
    report: str
    labels: Mapping[str, float] = field(default_factory=dict)
    masks: Mapping[str, Path | RunLengths | FilledBoxes] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def check_rows(
    rows: Sequence[Row], split: str, *, reports: bool = True, headers: bool = True
) -> tuple[list[Row], dict[str, list[str]]]:
    """Find what would go wrong, in seconds for thousands of images.

    Args:
        rows: of all splits; the files are looked at for `split` only.
        reports: whether a report without words is a problem.
        headers: open every image and read its header; else only see that the file is there.

    Returns:
        The rows of `split` without a problem, and kind of problem -> examples.
    """
    problems: dict[str, list[str]] = {}
    bad: set[int] = set()

    def note(kind: str, index: int, example: str) -> None:
        problems.setdefault(kind, []).append(example)
        bad.add(index)

    splits_of: dict[str, set[str]] = {}
    first_of: dict[str, int] = {}
    for index, row in enumerate(rows):
        if row.split:  # "" is in use nowhere
            splits_of.setdefault(row.patient_id, set()).add(row.split)
        if first_of.setdefault(row.study_id, index) != index:
            note("duplicate study", index, row.study_id)
    for index, row in enumerate(rows):
        # Left out of every split: neither side can be known to be the right one.
        if len(splits_of.get(row.patient_id, ())) > 1:
            bad.add(index)
    for patient, found in splits_of.items():
        if len(found) > 1:
            text = f"{patient} ({' and '.join(sorted(found))})"
            problems.setdefault("patient in two splits", []).append(text)

    wanted = [index for index, row in enumerate(rows) if row.split == split]
    with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
        found_files = list(pool.map(lambda index: _file_problems(rows[index], headers), wanted))
    for index, found_here in zip(wanted, found_files, strict=True):
        for kind, example in found_here:
            note(kind, index, example)
        if reports and not split_words(clean(rows[index].report)):
            note("empty report", index, rows[index].study_id)
    return [rows[index] for index in wanted if index not in bad], problems


def _file_problems(row: Row, headers: bool) -> list[tuple[str, str]]:
    found = []
    masks = [("mask", mask) for mask in row.masks.values() if isinstance(mask, Path)]
    for kind, path in [("image", row.image), *masks]:
        if not path.is_file():
            found.append((f"missing {kind}", str(path)))
        elif headers:
            try:
                height, width = image_size(path)
            except ImageError as error:
                found.append((f"unreadable {kind}", str(error).removeprefix("cannot read ")))
                continue
            if kind == "image":
                found += [
                    ("box outside its image", f"{path}, {width} x {height}: {box}")
                    for box in row.boxes
                    if not _is_inside(box, height, width)
                ]
    return found


def _is_inside(box: Box, height: int, width: int) -> bool:
    """One pixel of tolerance: tables are rounded. More means boxes of an image at another size."""
    return (
        min(box.x, box.y) >= -1
        and min(box.width, box.height) > 0
        and box.x + box.width <= width + 1
        and box.y + box.height <= height + 1
    )


class FileStudies:
    """Studies whose images are files; what a loader of a data set on disk inherits.

    Args:
        name: of the data set, for messages and run folders.
        split: the one wanted.
        rows: of all splits.
        image_size: side of the square images, in pixels.
        fit: "pad", "crop" or "stretch", see `imaging.fit`.
        own_max: see `imaging.read_image`.
        cache: "memory" keeps every image after its first reading, as float16 at `image_size` (32
            kB each at 128 pixels; each worker process has its own); None reads every time.
        on_problem: "refuse" raises `DataProblems`; "skip" leaves the rows out, with a warning.
        reports, headers: see `check_rows`.

    Attributes:
        labels: names of the labels.
        fingerprint: 16 hexadecimal digits that change with the reports, labels, names of files
            and everything else that a study holds, but not with where the folder lies. Pixels
            are not read for it.
        problems: what was left out under on_problem="skip".
        split_counts: split -> rows, the ones with problems included.
        view_counts: view -> images of the release, those left out included, where it is known.
    """

    view_counts: Mapping[str, int] = {}

    def __init__(
        self,
        name: str,
        split: str,
        rows: Sequence[Row],
        image_size: int,
        *,
        fit: str = "pad",
        own_max: bool = False,
        cache: str | None = None,
        on_problem: str = "refuse",
        reports: bool = True,
        headers: bool = True,
    ):
        for option, value, allowed in [
            ("fit", fit, FITS),
            ("cache", cache, ("memory", None)),
            ("on_problem", on_problem, ("refuse", "skip")),
        ]:
            if value not in allowed:
                raise ValueError(f"{option} must be one of {allowed}, got {value!r}")
        self.split_counts = refuse_missing_split(name, split, (row.split for row in rows))
        self.rows, self.problems = check_rows(rows, split, reports=reports, headers=headers)
        if self.problems and on_problem == "refuse":
            advice = 'Correct these, or leave the rows out with the option on_problem="skip".'
            raise DataProblems(name, self.problems, advice)
        if not self.rows:
            raise DataProblems(name, self.problems, f"No study of split {split!r} is left.")
        if self.problems:
            total = sum(row.split == split for row in rows)
            warnings.warn(
                f"{name}, split {split!r}: {total - len(self.rows)} of {total} studies left out.\n"
                + describe(self.problems),
                stacklevel=3,
            )
        self.name, self.split = name, split
        self.labels = tuple(self.rows[0].labels)
        self.image_size, self.fit, self.own_max = image_size, fit, own_max
        self._cache: dict[int, tuple[np.ndarray, Frame]] | None = {} if cache else None
        self.fingerprint = _fingerprint(self.rows, (split, image_size, fit, own_max))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def reports(self) -> list[str]:
        """All reports, without reading an image: for the tokenizer and for finding duplicates."""
        return [row.report for row in self.rows]

    def __getitem__(self, index: int) -> Study:
        row = self.rows[index]  # IndexError ends an iteration
        image, frame = self._image(index % len(self))
        masks = {name: self._mask(mask, row.image, frame) for name, mask in row.masks.items()}
        boxes = tuple(moved for box in row.boxes if (moved := frame.from_original(box)))
        return Study(
            study_id=row.study_id,
            patient_id=row.patient_id,
            image=image,
            report=row.report,
            labels=row.labels,
            masks=masks,
            boxes=boxes,
            frame=frame,
            meta=row.meta,
        )

    def pairs(self, indices: Sequence[int]) -> list[Pair]:
        """Images and reports alone: no mask is read."""
        places = [range(len(self))[index] for index in indices]
        return [Pair(self._image(n)[0], self.rows[n].report) for n in places]

    def _image(self, index: int) -> tuple[np.ndarray, Frame]:
        if self._cache is not None and index in self._cache:
            image, frame = self._cache[index]
            return image.astype(np.float32), frame
        path = self.rows[index].image
        image, frame = read_fitted(path, self.image_size, self.fit, own_max=self.own_max)
        if self._cache is not None:
            # Rounded on the first reading too, so that every epoch sees the same image.
            half = image.astype(np.float16)
            self._cache[index] = (half, frame)
            image = half.astype(np.float32)
        return image, frame

    @staticmethod
    def _mask(path: Path | RunLengths | FilledBoxes, image: Path, frame: Frame) -> np.ndarray:
        if not isinstance(path, Path):
            try:
                return frame.from_original(path.draw(frame.height, frame.width))
            except ValueError as error:
                raise ImageError(f"the mask of {image} cannot be drawn: {error}") from error
        mask = read_mask(path)
        if mask.shape != (frame.height, frame.width):
            raise ImageError(
                f"{path} is {mask.shape[0]} x {mask.shape[1]} pixels and its image "
                f"{frame.height} x {frame.width}; a mask must have the pixels of its image"
            )
        return frame.from_original(mask)


def _fingerprint(rows: Sequence[Row], options: tuple) -> str:
    digest = hashlib.blake2b(repr(options).encode(), digest_size=8)
    for row in rows:
        parts = [("image", row.image), *row.masks.items()]
        files = [(name, part.name if isinstance(part, Path) else part) for name, part in parts]
        content = (row.study_id, row.patient_id, row.report, dict(row.labels), files, row.boxes)
        digest.update(repr(content).encode())
    return digest.hexdigest()


def load_dataset(
    spec: str, root: str | Path = "", split: str = "train", image_size: int = 224, **options: Any
) -> Any:
    """Make a data set by name.

    Args:
        spec: a module of this package ("phantom", "table", "mimic_cxr"), or "module:Class" for one
            of your own ("__main__:MyStudies" for a class of the notebook).
        root: folder of the data set; a relative one starts at the current directory.
        options: further arguments of the class.

    Raises:
        ValueError: unknown data set, or unknown option; both lists the valid ones.
    """
    made_by = _find_class(spec)
    parameters = inspect.signature(made_by).parameters
    valid = [name for name in parameters if name not in ("root", "split", "image_size")]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for name in options:
            if name not in valid:
                near = get_close_matches(name, parameters, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise ValueError(
                    f"data set {spec!r} has no option {name!r}{hint} Its options: "
                    f"{', '.join(valid) or 'none'}"
                )
    return made_by(root=root, split=split, image_size=image_size, **options)


def _find_class(spec: str) -> Callable[..., Any]:
    if ":" in spec:
        return import_object(spec, "data.dataset")
    names = [info.name for info in pkgutil.iter_modules(datasets.__path__)]
    found = _class_of(spec) if spec in names else None
    if found is None:
        valid = [name for name in names if _class_of(name)]
        raise ValueError(
            f"unknown data set {spec!r}; known: {', '.join(valid)}, or your own as 'module:Class'"
        )
    return found


def _class_of(name: str) -> type | None:
    """The one data set class that a module of this package defines, None for a helper module."""
    module = importlib.import_module(f"{datasets.__name__}.{name}")
    classes = [
        item
        for item in vars(module).values()
        if isinstance(item, type)
        and item.__module__.startswith(module.__name__)
        and hasattr(item, "__getitem__")
        # what `load_dataset` passes; FileStudies, which needs rows, is no data set by itself
        and {"root", "split", "image_size"} <= inspect.signature(item).parameters.keys()
    ]
    return classes[0] if len(classes) == 1 else None
