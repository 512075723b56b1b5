"""Which studies of a data set: a split of a run's settings, a gallery, the first reports."""

from typing import Any

from reclf.config import RunConfig
from reclf.data.study import Study

from .registry import load_dataset


def open_split(config: RunConfig, split: str) -> Any:
    """The data set of one split, at the model's image size."""
    data = config.data
    return load_dataset(data.dataset, data.root, split, config.model.image_size, **data.options)


def gallery(dataset: Any, n: int) -> list[Study]:
    """Up to n studies: those a data set picks itself (`gallery(n)`), else evenly spaced ones."""
    if hasattr(dataset, "gallery"):
        return dataset.gallery(n)
    n = min(n, len(dataset))
    return [dataset[i * len(dataset) // n] for i in range(n)]


def first_reports(data: Any, most: int) -> list[str]:
    """The first texts of a split, without reading an image where the data set can do so: from its
    list `reports`, or by `report(index)`."""
    if hasattr(data, "reports"):
        return data.reports[:most]
    report = getattr(data, "report", lambda index: data[index].report)
    return [report(index) for index in range(min(len(data), most))]
