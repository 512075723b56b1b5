"""What data sets on disk share: options, rows, their problems, and reading with a cache.

    tables --Loader.read_rows--> list of Row -> check_rows -> FileStudies[index] -> Study

A loader (`table.py`, `mimic_cxr.py`) turns its tables into rows and nothing else; whatever goes
wrong is found here, once, before anything trains on a shortened table. A row is cheap: no pixel is
read before a study is asked for.
"""

import hashlib
import inspect
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from inspect import Parameter
from pathlib import Path
from typing import Any

import numpy as np

from reclf.data.radiographs import (
    FITS,
    Frame,
    ImageError,
    frame_of,
    image_size,
    read_fitted,
    read_mask,
)
from reclf.data.reports import clean, split_words
from reclf.data.study import Box, Pair, Study

from .boxes import box_problems, boxes_in_square
from .masks import FilledBoxes, RunLengths
from .problems import DataProblems, describe, refuse_missing_split
from .splits import split_name


@dataclass(frozen=True)
class Row:
    """What the tables say of one study, before any pixel is read. Boxes: as in the table.

    A mask is a file, or numbers of the table that draw it.
    """

    study_id: str
    patient_id: str
    split: str
    image: Path
    report: str = ""
    labels: Mapping[str, float] = field(default_factory=dict)
    masks: Mapping[str, Path | RunLengths | FilledBoxes] = field(default_factory=dict)
    boxes: tuple[Box, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def check_rows(
    rows: Sequence[Row],
    split: str,
    *,
    reports: bool = True,
    headers: bool = True,
    square: tuple[int, str] = (224, "pad"),
) -> tuple[list[Row], dict[str, list[str]]]:
    """Find what would go wrong, in seconds for thousands of images.

    Args:
        rows: of all splits; the files are looked at for `split` only.
        reports: whether a report without words is a problem.
        headers: open every image and read its header; else only see that the file is there.
        square: size and fit of the square that boxes must not leave.

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
    # Left out of every split: neither side can be known to be the right one.
    leaks = {patient: sorted(found) for patient, found in splits_of.items() if len(found) > 1}
    bad.update(index for index, row in enumerate(rows) if row.patient_id in leaks)
    if leaks:
        examples = [f"{patient} ({' and '.join(found)})" for patient, found in leaks.items()]
        problems["patient in two splits"] = examples

    wanted = [index for index, row in enumerate(rows) if row.split == split]
    with ThreadPoolExecutor(min(16, 2 * (os.cpu_count() or 1))) as pool:
        found_files = list(pool.map(lambda n: _file_problems(rows[n], headers, square), wanted))
    for index, found_here in zip(wanted, found_files, strict=True):
        for kind, example in found_here:
            note(kind, index, example)
        if reports and not split_words(clean(rows[index].report)):
            note("empty report", index, rows[index].study_id)
    return [rows[index] for index in wanted if index not in bad], problems


def _file_problems(row: Row, headers: bool, square: tuple[int, str]) -> list[tuple[str, str]]:
    found, frame = [], None
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
                frame = frame_of(height, width, *square)
    return found + box_problems(row.boxes, row.image, frame)


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """The options that every data set of files has; each loader may have other defaults.

    Attributes:
        fit: "pad", "crop" or "stretch", see `radiographs.read_fitted`.
        own_max: see `radiographs.read_image`.
        cache: "memory" keeps every image after its first reading, as float16 at `image_size` (32
            kB each at 128 pixels; each worker process has its own); None reads every time.
        on_problem: "refuse" raises `DataProblems`; "skip" leaves the rows out, with a warning.
        headers: open every image and read its header beforehand, minutes for a large release; off,
            only the presence of files is checked.
    """

    fit: str = "pad"
    own_max: bool = False
    cache: str | None = None
    on_problem: str = "refuse"
    headers: bool = True

    def __post_init__(self) -> None:
        for option, value, allowed in [
            ("fit", self.fit, FITS),
            ("cache", self.cache, ("memory", None)),
            ("on_problem", self.on_problem, ("refuse", "skip")),
        ]:
            if value not in allowed:
                raise ValueError(f"{option} must be one of {allowed}, got {value!r}")


class FileStudies:
    """Studies whose images are files.

    Args:
        name: of the data set, for messages and run folders.
        split: the one wanted.
        rows: of all splits.
        image_size: side of the square images, in pixels.
        options: how images are read, and what is done about problems.
        reports: whether a report without words is a problem.

    Attributes:
        labels: names of the labels.
        fingerprint: 16 hexadecimal digits that change with the reports, labels, names of files
            and everything else that a study holds, but not with where the folder lies. Pixels
            are not read for it.
        problems: what was left out under on_problem="skip".
        split_counts: split -> rows, the ones with problems included.
        view_counts: view -> images of the release, those left out included, where it is known.
        report_notes: what is to be known about the reading of reports -> studies with their text;
            no problem, and no study is left out for it.
    """

    view_counts: Mapping[str, int] = {}
    report_notes: Mapping[str, Sequence[str]] = {}

    def __init__(
        self,
        name: str,
        split: str,
        rows: Sequence[Row],
        image_size: int,
        options: LoaderOptions,
        *,
        reports: bool = True,
    ):
        self.split_counts = refuse_missing_split(name, split, (row.split for row in rows))
        square = image_size, options.fit
        self.rows, self.problems = check_rows(
            rows, split, reports=reports, headers=options.headers, square=square
        )
        if self.problems and options.on_problem == "refuse":
            advice = 'Correct these, or leave the rows out with the option on_problem="skip".'
            raise DataProblems(name, self.problems, advice)
        if not self.rows:
            raise DataProblems(name, self.problems, f"No study of split {split!r} is left.")
        if self.problems:
            total = self.split_counts[split]
            warnings.warn(
                f"{name}, split {split!r}: {total - len(self.rows)} of {total} studies left out.\n"
                + describe(self.problems),
                stacklevel=3,
            )
        self.name, self.split = name, split
        self.labels = tuple(self.rows[0].labels)
        self.image_size, self.fit, self.own_max = image_size, options.fit, options.own_max
        self._cache: dict[int, tuple[np.ndarray, Frame]] | None = {} if options.cache else None
        how = (split, image_size, options.fit, options.own_max)
        self.fingerprint = _fingerprint(self.rows, how)

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
        boxes = boxes_in_square(row.boxes, row.image, frame)
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


class Loader(FileStudies, ABC):
    """A data set on disk, as a module of this package reads it: `read_rows` is all that it writes.

    The keyword-only parameters of `read_rows` are the data set's own options. With the shared ones
    they are the signature of the class, from which `load_dataset` and help() read them.

    Args:
        root: folder of the data set.
        split: "train", "val" or "test"; "validate", "valid" and "dev" are "val".
        image_size: side of the square images, in pixels.
        options: own ones, and those of `LoaderOptions`.

    Attributes:
        title: of the data set, for its name in messages.
        defaults: of the shared options.
        with_reports: whether a study should have a report.
    """

    title = "data set"
    defaults = LoaderOptions()
    with_reports = True

    def __init__(
        self, root: str | Path, split: str = "train", image_size: int = 224, **options: Any
    ):
        shared = {name: options.pop(name) for name in vars(self.defaults) if name in options}
        chosen = replace(self.defaults, **shared)
        root, self.split = Path(root), split_name(split)
        self.name = f"{self.title} in {root}"
        rows = list(self.read_rows(root, **options))
        super().__init__(self.name, self.split, rows, image_size, chosen, reports=self.with_reports)

    @abstractmethod
    def read_rows(self, root: Path, *args: Any, **options: Any) -> Iterable[Row]:
        """The rows of all splits, in the order of the tables. `self.split` is the one wanted, for
        a data set that can save the work for the others."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # without self
        if parameters and parameters[-1].kind is Parameter.VAR_KEYWORD:  # **options
            own = inspect.signature(cls.read_rows).parameters.values()
            shared = inspect.signature(LoaderOptions).parameters.values()
            parameters[-1:] = [p for p in own if p.kind is Parameter.KEYWORD_ONLY]
            parameters += [p.replace(default=getattr(cls.defaults, p.name)) for p in shared]
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]


def _fingerprint(rows: Sequence[Row], options: tuple) -> str:
    digest = hashlib.blake2b(repr(options).encode(), digest_size=8)
    for row in rows:
        parts = [("image", row.image), *row.masks.items()]
        files = [(name, part.name if isinstance(part, Path) else part) for name, part in parts]
        content = (row.study_id, row.patient_id, row.report, dict(row.labels), files, row.boxes)
        digest.update(repr(content).encode())
    return digest.hexdigest()
