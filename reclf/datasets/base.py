"""What data sets on disk share: options, rows, their problems, and reading with a cache.

    tables --Loader.read_rows--> list of Row -> check_rows -> FileStudies[index] -> Study

A loader (`table.py`, `mimic_cxr.py`) turns its tables into rows and nothing else.
"""

import inspect
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from inspect import Parameter
from pathlib import Path
from typing import Any

import numpy as np

from reclf.data.radiographs import FITS, Frame, ImageError, read_fitted, read_mask
from reclf.data.study import Pair, Study

from .boxes import boxes_in_square
from .file_checks import differing_sizes, where_else
from .masks import FilledBoxes, RunLengths
from .patients import REPORTED, read_patients, refuse_strangers
from .problems import SKIP, DataProblems, describe, refuse_missing_split
from .rows import Conflicts, check_rows, find_conflicts, fingerprint, uncollected
from .rows import Row as Row
from .splits import split_name


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """The options that every data set of files has; each loader may have other defaults.

    Attributes:
        fit: "pad", "crop" or "stretch", see `radiographs.read_fitted`.
        own_max: see `radiographs.read_image`.
        cache: "memory" keeps every image after its first reading, as float16 at `image_size` (32
            kB each at 128 pixels; each worker process has its own); None reads every time.
        on_problem: "refuse" raises `DataProblems`; "skip" leaves the rows out, with a warning, and
            so do training and tasks with a file that only decoding shows to be damaged.
        headers: read the first and last bytes of every file beforehand, a minute for a large
            release on a local disk; off, only the presence of files is checked.
        exclude_patients: left out of every split but test and 5x200, on which is only reported: a
            list of ids, or a file relative to the root, see `patients.read_patients`.
    """

    fit: str = "pad"
    own_max: bool = False
    cache: str | None = None
    on_problem: str = "refuse"
    headers: bool = True
    exclude_patients: Sequence[str] | str = ()

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
        conflicts: of the rows, where they are known.

    Attributes:
        labels: names of the labels.
        on_problem: as in the options.
        problems: what was left out under on_problem="skip".
        split_counts: split -> rows, the ones with problems included.
        absent: split that not every release has -> what to do without it.
        view_counts: view -> images of the release, those left out included, where it is known.
        report_notes: what is to be known about the reading of reports -> studies with their text;
            no problem, and no study is left out for it.
    """

    absent: Mapping[str, str] = {}
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
        conflicts: Conflicts | None = None,
    ):
        present = (row.split for row in rows)
        self.split_counts = refuse_missing_split(name, split, present, self.absent.get(split, ""))
        square = image_size, options.fit
        self.rows, self.problems = check_rows(
            rows,
            split,
            name,
            reports=reports,
            headers=options.headers,
            square=square,
            conflicts=conflicts,
        )
        if self.problems and options.on_problem == "refuse":
            skip = f'leave the rows out with the option on_problem="skip" {SKIP}'
            near = where_else(self.problems.get("missing image", ()))
            advice = f"Correct these{near}, or {skip}."
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
        texts = [row.report for row in rows if row.report]
        if reports and len(texts) > 1 and all(text == texts[0] for text in texts):
            warnings.warn(
                f"{name}: all {len(texts)} studies have one report, {texts[0][:60]!r}; there is "
                "nothing to match images with",
                stacklevel=3,
            )
        self.name, self.split, self.on_problem = name, split, options.on_problem
        self.labels = tuple(self.rows[0].labels)
        self.image_size, self.fit, self.own_max = image_size, options.fit, options.own_max
        self._cache: dict[int, tuple[np.ndarray, Frame]] | None = {} if options.cache else None

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the reports, labels, names of files and everything
        else that a study holds, but not with where the folder lies. Pixels are not read for it."""
        return fingerprint(self.rows, (self.split, self.image_size, self.fit, self.own_max))

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def reports(self) -> list[str]:
        """All reports, without reading an image: for the tokenizer and for finding duplicates."""
        return [row.report for row in self.rows]

    @property
    def patient_of(self) -> dict[str, str]:
        """Study -> patient, without reading an image."""
        return {row.study_id: row.patient_id for row in self.rows}

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
            frame=replace(frame, path=os.path.abspath(row.image), own_max=self.own_max),
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
    def _mask(path: Path | RunLengths | FilledBoxes, image: Path | str, frame: Frame) -> np.ndarray:
        if not isinstance(path, Path):
            try:
                return frame.from_original(path.draw(frame.height, frame.width))
            except ValueError as error:
                raise ImageError(f"the mask of {image} cannot be drawn: {error}") from error
        mask = read_mask(path)
        if mask.shape != (frame.height, frame.width):
            size = frame.height, frame.width
            raise ImageError(differing_sizes(path, mask.shape[:2], size))
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
        ids_of: name of the data set whose patient ids these are; "" for ids of its own.
        reserved: patients of a gallery, left out like those of `exclude_patients`.
    """

    title = "data set"
    defaults = LoaderOptions()
    with_reports = True
    reserved: Sequence[str] = ()
    ids_of = ""

    def __init__(
        self, root: str | Path, split: str = "train", image_size: int = 224, **options: Any
    ):
        self._read(root, [split], options)
        self._open(split, image_size)

    @classmethod
    def opener(
        cls, root: str | Path, splits: Sequence[str], image_size: int = 224, /, **options: Any
    ) -> Callable[[str], "Loader"]:
        """A function from a split to its studies; the tables are read once for all of them.

        Args:
            splits: those that will be asked for.
        """
        reading = cls.__new__(cls)
        reading._read(root, splits, options)

        def open_split(split: str) -> "Loader":
            data = copy(reading)
            data._open(split, image_size)
            return data

        return open_split

    def _read(self, root: str | Path, splits: Sequence[str], options: dict[str, Any]) -> None:
        shared = {name: options.pop(name) for name in vars(self.defaults) if name in options}
        self._options = replace(self.defaults, **shared)
        self.name, self.wanted = f"{self.title} in {root}", {split_name(s) for s in splits}
        left_out = read_patients(Path(root), self._options.exclude_patients)
        with uncollected():
            rows = list(self.read_rows(Path(root), **options))
            if left_out and not self.wanted <= REPORTED:
                refuse_strangers(self.name, left_out, {row.patient_id for row in rows})
            left_out |= set(self.reserved)
            self._rows = [
                row for row in rows if row.patient_id not in left_out or row.split in REPORTED
            ]
            self._conflicts = find_conflicts(self._rows)

    def _open(self, split: str, image_size: int) -> None:
        rows, conflicts = self._rows, self._conflicts
        del self._rows, self._conflicts  # those of the other splits take memory
        super().__init__(
            self.name,
            split_name(split),
            rows,
            image_size,
            self._options,
            reports=self.with_reports,
            conflicts=conflicts,
        )

    @abstractmethod
    def read_rows(self, root: Path, *args: Any, **options: Any) -> Iterable[Row]:
        """The rows of all splits, in the order of the tables. `self.wanted` holds the splits that
        will be opened, for a data set that can save the work for the others."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # without self
        if parameters and parameters[-1].kind is Parameter.VAR_KEYWORD:  # **options
            own = inspect.signature(cls.read_rows).parameters.values()
            shared = inspect.signature(LoaderOptions).parameters.values()
            parameters[-1:] = [p for p in own if p.kind is Parameter.KEYWORD_ONLY]
            parameters += [p.replace(default=getattr(cls.defaults, p.name)) for p in shared]
        cls.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
