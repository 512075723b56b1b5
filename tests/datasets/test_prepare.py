"""A prepared copy holds the same studies as its source."""

import json
import math
import pickle
import shlex
from dataclasses import replace

import datasets as arrow
import numpy as np
import pytest
from accelerate.state import AcceleratorState
from small_copies import SIZE, make, same

from reclf.datasets import mimic_cxr, ms_cxr, nih, rsna, siim, vindr
from reclf.datasets.arrow_schema import pack, unpack
from reclf.datasets.data_check import check_data
from reclf.datasets.registry import load_dataset
from reclf.pretrain import pretrain
from reclf.runs.run import Run
from reclf.training.presets import make_config

pytest_plugins = ["small_copies"]


@pytest.mark.parametrize(
    ("module", "bits"),
    [(nih, 8), (rsna, 8), (siim, 8), (ms_cxr, 8), (mimic_cxr, 8), (vindr, 16)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_copy_equals_the_raw_data_set(tmp_path, module, bits):
    name = module.__name__.rsplit(".", 1)[1]
    source = module.write_tiny(tmp_path / "raw")
    make(tmp_path / "copy", source, name)
    for split in ("train", "val", "test"):
        original = load_dataset(name, source, split, SIZE)
        copy = load_dataset("prepared", tmp_path / "copy", split, SIZE)
        assert len(copy) == len(original)
        assert copy.labels == original.labels
        assert copy.reports == original.reports
        np.testing.assert_equal(copy.all_labels, [dict(row.labels) for row in original.rows])
        for index in (0, -1):
            same(original[index], copy[index], bits)
            assert copy[index].meta == dict(original[index].meta)
        assert len(list(copy)) == len(copy)
    rows = load_dataset("prepared", tmp_path / "copy", "train", SIZE)._rows
    assert set(rows["bits"]) == {bits}


def test_the_phantom_with_its_words_and_arrays(tmp_path):
    make(tmp_path, "", "phantom", image_size=32, length=5, splits=("train",))
    original = load_dataset("phantom", "", "train", 32)[3]
    study = load_dataset("prepared", tmp_path, "train", 32)[3]
    same(original, study, 16)
    assert study.words == original.words
    assert len(load_dataset("prepared", tmp_path, "train", 32)) == 5
    for mine, theirs in zip(
        study.meta["instance_masks"], original.meta["instance_masks"], strict=True
    ):
        assert np.array_equal(mine, theirs)


@pytest.fixture
def own_precision():
    """Accelerate keeps the precision of the first training of a process for all."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_training_reads_either_form(tmp_path, own_precision):
    small = {"model.image_size": 64, "train.max_steps": 2, "train.val_studies": 8,
             "train.batch_size": 6, "train.device": "cpu", "train.precision": "no",
             "data.workers": 0}  # fmt: skip
    options = {"length": 24}
    make(tmp_path / "copy", "", "phantom", image_size=64, options=options, splits=("train", "val"))
    losses = []
    for name, data in (
        ("raw", {"data.options": options, "data.counterfactuals": {}}),
        ("copy", {"data.dataset": "prepared", "data.root": str(tmp_path / "copy")}),
    ):
        run = Run(tmp_path / name / "run", make_config("phantom_small", **small, **data))
        pretrain(run, progress_bar=False)
        losses.append([line["loss"] for line in run.history() if "loss" in line])
    assert losses[0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    words = shlex.split(check_data(tmp_path / "copy", progress=False).advice[-1])
    assert words[words.index("dataset") + 1] == "prepared"
    settings = json.loads(words[words.index("overrides") + 1])
    assert settings == {"model.image_size": 64, "train.batch_size": 24}
    preset = make_config("table_small").data.options  # its options fit a copy too
    load_dataset("prepared", tmp_path / "copy", "train", 64, **preset)


def test_bits(raw, tmp_path):
    study = load_dataset("nih", raw, "train", SIZE)[0]
    for bits in (8, 16):
        row = pack(study, bits)
        assert len(row["image"]) == SIZE * SIZE * bits // 8
        same(study, unpack(row, SIZE), bits)
    make(tmp_path / "copy", raw, bits="16")
    assert set(load_dataset("prepared", tmp_path / "copy", "train", SIZE)._rows["bits"]) == {16}
    with pytest.raises(ValueError, match="bits must be 'auto', '8' or '16', got '12'"):
        make(tmp_path / "other", raw, bits="12")


def test_pairs_of_many_shards_and_depths_and_in_another_process(raw, tmp_path):
    make(tmp_path / "a", "", "phantom", image_size=33, length=7, splits=("train",), bits="8")
    make(tmp_path / "b", "", "phantom", image_size=33, length=7, splits=("train",))
    data, deep = (load_dataset("prepared", tmp_path / name, "train", 33) for name in "ab")
    parts = [data._rows, deep._rows.select(range(1, 6))]  # an odd start, and odd numbers of bytes
    data._rows = arrow.concatenate_datasets([*parts, data._rows])
    order = [18, 0, 7, 6, 11, 12, 3]
    pairs = data.pairs(order)
    assert [pair.image.dtype.itemsize for pair in pairs] == [1, 1, 2, 1, 2, 1, 1]
    for pair, study in zip(pairs, (data[n] for n in order), strict=True):
        top = np.float32(np.iinfo(pair.image.dtype).max)
        assert np.array_equal(pair.image.astype(np.float32) / top, study.image)
        assert pair.report == study.report
    assert np.array_equal(data.pairs([-1])[0].image, pairs[0].image)
    sent = pickle.dumps(data)
    assert "_cells" in vars(data)
    assert "_cells" not in vars(pickle.loads(sent))
    assert np.array_equal(pickle.loads(sent).pairs([7])[0].image, pairs[2].image)


def test_what_meta_may_hold(raw):
    study = load_dataset("nih", raw, "train", SIZE)[0]
    meta = {"n": np.float32(0.5), "list": [1, math.nan], "array": np.arange(6).reshape(2, 3)}
    back = unpack(pack(replace(study, meta=meta), 8), SIZE).meta
    np.testing.assert_equal(back, meta)
    with pytest.raises(TypeError, match=r"Study\.meta holds a set, which a prepared copy cannot"):
        pack(replace(study, meta={"views": {"PA"}}), 8)
