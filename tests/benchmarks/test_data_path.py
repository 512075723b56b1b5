"""The benchmark of reading: its decoders agree, its parts are positive, its ratio is theirs."""

import cv2
import numpy as np
import pytest
import torch

from reclf.data.radiographs import fit, read_fitted, read_image
from reclf_benchmarks.data_path import LARGE, data_path, read_by_opencv, read_by_pillow, write_files

SIZE = 64


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"), shrink=4)


def test_all_files_show_the_same_film(files):
    # Stretched, for their proportions differ.
    film, _ = fit(read_image(files["png16_2500x2048"]), SIZE, "stretch")
    assert film.std() > 0.1
    for name, path in files.items():
        image, _ = read_fitted(path, SIZE, "stretch")
        assert np.abs(image - film).mean() < 0.01, name


def test_the_references_read_the_same_image(files):
    ours, _ = read_fitted(files[LARGE], SIZE)
    whole = read_by_pillow(files[LARGE], SIZE)
    np.testing.assert_array_equal(whole, fit(read_image(files[LARGE]), SIZE)[0])
    assert np.abs(ours - whole).mean() < 0.008
    # 625 is no multiple of 8: its last row of pixels moves all others by up to 0.1 at an edge
    assert np.abs(read_by_opencv(files[LARGE], SIZE) - whole).mean() < 0.02


def test_its_numbers(files):
    threads = cv2.getNumThreads(), torch.get_num_threads()
    result = data_path(0.005, size=SIZE, gpu=100.0, shrink=4, prepared_images=33)
    assert (cv2.getNumThreads(), torch.get_num_threads()) == threads
    kinds = [*files, f"{LARGE}_by_opencv", f"{LARGE}_by_pillow", "prepared"]
    assert len(result) == 2 + 3 * len(kinds)
    for name in kinds:
        speed = result[f"{name}_per_second"]
        assert speed > 0
        assert result[f"{name}_spread"] >= 0
        needed = 100 / speed + 100 / result["reports_per_second"]
        assert result[f"{name}_cores"] == pytest.approx(needed)
    best = max(speed for name, speed in result.items() if name.startswith(LARGE) and "_per" in name)
    assert result["prepared_data"] == pytest.approx(result["prepared_per_second"] / best)
    assert result["prepared_data"] > 1
