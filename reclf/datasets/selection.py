"""Which studies of a data set: the splits of a run, a gallery, those that can be read, reports."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from torch.utils.data import Subset

from reclf.config import RunConfig
from reclf.data.read_ahead import ReadAhead
from reclf.data.study import ImageError, Study
from reclf.runs.in_threads import each

from .problems import WAY_ON, MissingSplit
from .registry import load_dataset, opener

BLANK = 0.02  # standard deviation of the pixels, of 1.0, below which an image shows nothing
DIM = 0.3  # brightest pixel, of 1.0, below which a file uses a part of its range: 14 of 16 bits
CONTRAST = 0.05  # standard deviation, of its brightest pixel, at which a dim image shows something
DICOM = (".dcm", ".DCM", ".dicom")  # which states its range itself
LOOKED_AT = 16  # studies of each split, before a training


def open_split(config: RunConfig, split: str) -> Any:
    """The data set of one split, at the model's image size."""
    data = config.data
    return load_dataset(data.dataset, data.root, split, config.model.image_size, **data.options)


def open_splits(config: RunConfig, report: bool = True) -> dict[str, Any]:
    """The splits that a run learns from, validates on and reports on, each opened once.

    Some studies of each are read. What a training on them would stop at is raised, and what it
    would learn nothing from is warned of: before its first step.

    Args:
        report: whether the split to report on must be there; else it is warned of.
    """
    data = config.data
    settings = {getattr(data, f"{use}_split"): use for use in ("test", "val", "train")}
    names = list(reversed(settings))
    open_one = opener(data.dataset, data.root, names, config.model.image_size, **data.options)
    opened = {}
    for name in names:
        try:
            opened[name] = open_one(name)
        except MissingSplit as error:
            message = f"{error} (setting data.{settings[name]}_split)"
            if report or settings[name] != "test":
                raise MissingSplit(message, error.present) from error
            warnings.warn(f"{message}; the report after the training needs it", stacklevel=2)
            continue
        studies = gallery(opened[name], LOOKED_AT)
        of_looks: dict[str, list[str]] = {}
        for study in studies:
            if look := looks(study):
                of_looks.setdefault(look, []).append(study.study_id)
        for look, ids in of_looks.items():
            warnings.warn(
                f"{len(ids)} of {len(studies)} images of split {name!r} that were looked at "
                f"{_SAID[look]}: {', '.join(ids[:5])}. Look at all of them with "
                "notebooks/data_check.ipynb",
                stacklevel=2,
            )
    if data.val_split == data.train_split:
        warnings.warn(
            f"data.val_split is {data.val_split!r}, as data.train_split: the best checkpoint is "
            "chosen on studies that are trained on",
            stacklevel=2,
        )
    return opened


_SAID = {
    "dim": "use a part of the range of their files, 12 bits of 16, say, and are dark: read each by "
    "its own highest value, with the option own_max (data.options.own_max=true)",
    "blank": "show nothing, their pixels are alike",
}


def looks(study: Study) -> str:
    """What is wrong with how an image looks: "dim" if it would show more with the option `own_max`,
    "blank" if it shows nothing, else ""."""
    image, frame = study.image, study.frame
    brightest = float(image.max())
    path = frame.path if frame is not None and not frame.own_max else ""
    if path and not path.endswith(DICOM) and 0 < brightest < DIM:
        shown = image[image > 0] / brightest  # as `own_max` has it, without the padding
        if np.std(shown) >= CONTRAST:
            return "dim"
    return "blank" if np.std(image) < BLANK else ""


def readable(data: Any, indices: Sequence[int]) -> list[int]:
    """The indices of studies that can be read.

    Under `on_problem = "skip"` the others are left out, with a warning; else nothing is tried here,
    and reading such a study raises `ImageError`.
    """
    if getattr(data, "on_problem", "refuse") != "skip":
        return list(indices)

    def reason(index: int) -> str:
        try:
            data[index]
        except ImageError as error:
            return str(error)
        return ""

    reasons = list(each(reason, indices, "decoding", os.cpu_count() or 1, chunk_size=8))
    if bad := [found for found in reasons if found]:
        more = ", ..." if len(bad) > 5 else ""
        warnings.warn(f"{len(bad)} of {len(indices)} studies left out: {', '.join(bad[:5])}{more}",
                      stacklevel=2)  # fmt: skip
    return [index for index, found in zip(indices, reasons, strict=True) if not found]


def read_studies(data: Any, indices: Sequence[int], workers: int = 0) -> list[Study]:
    """The studies of these indices that can be read, see `readable`; by worker processes, see
    `ReadAhead`."""
    try:
        return list(ReadAhead(Subset(data, readable(data, indices)), workers))
    except ImageError as error:
        raise ImageError(f"{error}. {WAY_ON}") from error


def gallery(dataset: Any, n: int, workers: int = 0) -> list[Study]:
    """Up to n studies: those a data set picks itself (`gallery(n)`), else evenly spaced ones."""
    if hasattr(dataset, "gallery"):
        return dataset.gallery(n)
    n = min(n, len(dataset))
    return read_studies(dataset, [i * len(dataset) // n for i in range(n)], workers)


def first_reports(data: Any, most: int) -> list[str]:
    """The first texts of a split, without reading an image where the data set can do so: from its
    list `reports`, or by `report(index)`."""
    if hasattr(data, "reports"):
        return data.reports[:most]
    report = getattr(data, "report", lambda index: data[index].report)
    return [report(index) for index in range(min(len(data), most))]


class Caption(NamedTuple):
    """What is written of a study."""

    study_id: str
    report: str
    labels: Mapping[str, float]


def captions(data: Any) -> list[Caption]:
    """What is written of all studies, without reading an image where the data set can do so."""
    if isinstance(data, Picked) and (
        hasattr(data.data, "rows") or hasattr(data.data, "all_labels")
    ):
        every = captions(data.data)
        return [every[index] for index in data.indices]
    if hasattr(data, "rows"):
        return [Caption(row.study_id, row.report, row.labels) for row in data.rows]
    if hasattr(data, "all_labels"):
        columns = data.patient_of, data.reports, data.all_labels
        return [Caption(*each) for each in zip(*columns, strict=True)]
    return [Caption(study.study_id, study.report, study.labels) for study in data]


class Picked(Sequence[Study]):
    """Some studies of a data set, read when they are asked for.

    Args:
        data: map-style data set of studies.
        indices: of the studies.
    """

    def __init__(self, data: Any, indices: Sequence[int]):
        self.data, self.indices = data, list(indices)

    @classmethod
    def evenly(cls, data: Any, n: int) -> "Picked":
        """Up to n studies, evenly spaced; all for 0."""
        count = min(n or len(data), len(data))
        return cls(data, [i * len(data) // count for i in range(count)])

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int) -> Study: ...
    @overload
    def __getitem__(self, index: slice) -> "Picked": ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Picked(self.data, self.indices[index])
        return self.data[self.indices[index]]
