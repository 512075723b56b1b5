"""An explanation knows its film: where the file is, how the image was cut out of it, a preview."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from reclf.config.foreign_files import DamagedFile
from reclf.data.radiographs import ImageError, read_film, read_image
from reclf.data.study import Study
from reclf.data.tokenization import train_tokenizer
from reclf.datasets import prepare
from reclf.datasets.prepared import Prepared
from reclf.datasets.table import Table
from reclf.explain import Explanation, explain
from reclf.models.reclf import RECLF

SHAPE = 700, 560  # of the files; each is one of two scenes
REPORT = "Small left effusion."
REPORTS = REPORT, "No nodule."


def scene(number, shape=SHAPE):
    rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
    return (127 + 120 * np.sin(9 * rows + number) * np.cos(7 * columns * (1 + number))).astype("u1")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    lines = ["image,report,patient_id,split"]
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"images/{number}.png"), scene(number))
        lines.append(f"images/{number}.png,{REPORTS[number]},p{number},train")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def model(tiny):
    tokenizer = train_tokenizer(["small left effusion", "no nodule"] * 5, 40)
    torch.manual_seed(1)
    return RECLF(tiny("resnet", aggregator="reclf", max_tokens=24), tokenizer)


@pytest.fixture
def explained(folder, model):
    return explain(model, Table(folder, image_size=64)[0])


def test_a_film_is_named_and_has_a_preview_at_more_than_the_models_pixels(folder, explained):
    assert explained.image.shape == (64, 64)
    assert explained.frame.path == str(folder / "images" / "0.png")
    assert (explained.frame.height, explained.frame.width) == SHAPE
    assert explained.preview.dtype == np.uint8
    assert explained.preview.shape == (512, 410)
    expected = cv2.resize(scene(0), (410, 512), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(explained.preview, expected, atol=4)


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_the_image_lies_in_the_film_where_the_frame_says(folder, model, fit):
    study = Table(folder, image_size=64, fit=fit)[0]
    one = explain(model, study)
    again = one.frame.from_original(one.preview.astype(np.float32) / 255)
    np.testing.assert_allclose(again, one.image, atol=0.03)
    pixels = read_film(one.frame, one.image, 2048)
    np.testing.assert_array_equal(pixels, np.rint(255 * read_image(one.frame.path)))


def test_it_is_saved_and_loaded(explained, tmp_path):
    explained.save(tmp_path / "e.npz")
    again = Explanation.load(tmp_path / "e.npz")
    np.testing.assert_array_equal(again.preview, explained.preview)
    assert vars(again.frame) == vars(explained.frame)


def test_files_of_earlier_versions_open(explained, tmp_path):
    replace(explained, frame=None, preview=None).save(tmp_path / "old.npz")
    with np.load(tmp_path / "old.npz") as file:  # what version 0.5.1 wrote
        assert set(file.files) == {"header", "image", "attention", "cosines", "graph", "importance"}
        assert not {"frame", "preview"} & set(json.loads(str(file["header"])))
    old = Explanation.load(tmp_path / "old.npz")
    assert old.frame is old.preview is None


@pytest.mark.parametrize(
    "change",
    [
        {"height": -1},
        {"scale": [1e9, 1]},
        {"scale": 7},
        {"offset": [1e9, 0]},
        {"offset": ["a", 0]},
        {"path": 7},
        {"unknown": 7},
        "no frame",
    ],
)
def test_a_damaged_frame_is_named(explained, tmp_path, change):
    explained.save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as file:
        arrays = dict(file)
    frame = json.loads(str(arrays["frame"]))
    arrays["frame"] = np.array(json.dumps(frame | change if isinstance(change, dict) else change))
    np.savez(tmp_path / "damaged.npz", **arrays)
    with pytest.raises(DamagedFile, match=r"damaged\.npz"):
        Explanation.load(tmp_path / "damaged.npz")


def test_an_edited_or_drawn_image_has_no_preview(folder, model):
    study = Table(folder, image_size=64)[0]
    for image in (study.image[:, ::-1].copy(), 1 - study.image):
        assert explain(model, replace(study, image=image)).preview is None
    drawn = Study("drawn", "p", study.image, REPORT)
    assert explain(model, drawn).frame is explain(model, drawn).preview is None


def test_a_file_that_was_replaced_is_not_taken_for_the_film(folder, explained):
    cv2.imwrite(explained.frame.path, scene(1))
    with pytest.raises(ImageError, match=r"0\.png is not the film of this image"):
        read_film(explained.frame, explained.image, 512)
    (folder / "images" / "0.png").unlink()
    with pytest.raises(ImageError, match="there is no such file"):
        read_film(explained.frame, explained.image, 512)


def test_a_prepared_copy_keeps_where_its_films_came_from(folder, model, tmp_path):
    prepare.prepare(tmp_path / "copy", "table", folder, image_size=64, splits=["train"],
                    processes=1, progress=False)  # fmt: skip
    one = explain(model, Prepared(tmp_path / "copy", image_size=64)[0])
    assert one.frame.path == str(folder / "images" / "0.png")
    assert one.preview.shape == (512, 410)


def test_real_films_of_a_table_fill_it_in(open_i, model):
    study = Table(open_i, image_size=96)[0]
    one = explain(model, study)
    assert one.preview.shape == (256, 256)  # all of it
    np.testing.assert_array_equal(one.preview, np.rint(255 * read_image(one.frame.path)))
