"""Prepared copies of a small data set.

A test module that takes `raw` says `pytest_plugins = ["small_copies"]`.
"""

import numpy as np
import pytest

from reclf.data.study import Study
from reclf.datasets import nih
from reclf.datasets.prepare import prepare

SIZE = 24


@pytest.fixture
def raw(tmp_path):
    return nih.write_tiny(tmp_path / "nih")


def make(root, source, dataset="nih", **settings):
    settings = {"studies_per_shard": 4, "processes": 1, "progress": False, **settings}
    return prepare(root, dataset, source, image_size=settings.pop("image_size", SIZE), **settings)


def same(first: Study, second: Study, bits: int):
    """Equal but for the rounding of the image."""
    np.testing.assert_allclose(first.image, second.image, atol=0.5 / (2**bits - 1) + 1e-6)
    assert second.image.dtype == np.float32
    np.testing.assert_equal(dict(first.labels), dict(second.labels))
    assert list(first.labels) == list(second.labels)
    assert first.masks.keys() == second.masks.keys()
    for name, mask in first.masks.items():
        assert second.masks[name].dtype == bool
        assert np.array_equal(mask, second.masks[name])
    for field in ("study_id", "patient_id", "report", "boxes", "words", "frame"):
        assert getattr(first, field) == getattr(second, field), field
