"""What every data set on disk promises, for each loader that is in the package.

A new loader is found by itself: a module of reclf.datasets with one data set class and write_tiny.
"""

import importlib
import math
import pkgutil
import shlex

import numpy as np
import pytest

from reclf import datasets
from reclf.data.radiographs import Frame
from reclf.data.study import Study
from reclf.datasets.labels import COMPETITION_LABELS
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset

SIZE = 32
SPLITS = ("train", "val", "test")
MODULES = {
    info.name: importlib.import_module(f"reclf.datasets.{info.name}")
    for info in pkgutil.iter_modules(datasets.__path__)
}
LOADERS = [name for name, module in MODULES.items() if hasattr(module, "write_tiny")]


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return {
        name: MODULES[name].write_tiny(tmp_path_factory.mktemp(name) / "tiny") for name in LOADERS
    }


def test_all_loaders_are_found():
    wanted = {"chexpert", "covidx", "mimic_cxr", "ms_cxr", "nih", "open_i", "rsna", "siim", "vindr"}
    assert wanted <= set(LOADERS)


@pytest.mark.parametrize("name", LOADERS)
def test_studies_are_valid_in_every_split(roots, name):
    patients = {}
    for split in SPLITS:
        data = load_dataset(name, roots[name], split, SIZE)
        assert data.split == split
        assert len(data) == len(data.reports) >= 1
        assert isinstance(data.name, str)
        studies = list(data)
        assert len({study.study_id for study in studies}) == len(data)
        patients[split] = {study.patient_id for study in studies}
        for study, report in zip(studies, data.reports, strict=True):
            check_study(study, data.labels)
            assert study.report == report
    assert not patients["train"] & patients["val"]
    assert not patients["train"] & patients["test"]
    assert not patients["val"] & patients["test"]


@pytest.mark.parametrize(
    ("name", "options", "labels"),
    [
        ("mimic_cxr", {}, COMPETITION_LABELS),
        ("chexpert", {}, COMPETITION_LABELS),
        ("chexpert", {"splits": "probe", "blank": "zero"}, COMPETITION_LABELS),
        ("rsna", {}, ["Pneumonia"]),
        ("siim", {}, ["Pneumothorax"]),
        ("covidx", {}, ["normal", "pneumonia", "COVID-19"]),
    ],
)
def test_tiny_copies_of_the_benchmarks_can_be_learned_and_reported_on(roots, name, options, labels):
    for split in SPLITS:
        data = load_dataset(name, roots[name], split, SIZE, **options)
        assert len({row.patient_id for row in data.rows}) >= 3
        for label in labels:
            assert {row.labels[label] for row in data.rows} >= {0, 1}, (split, label)


@pytest.mark.parametrize("name", [*LOADERS, "phantom"])
def test_pairs_are_the_studies_without_the_rest(roots, name):
    data = load_dataset(name, roots.get(name, ""), "train", SIZE)
    indices = [3, 0, 3]
    pairs = data.pairs(indices)
    for index, pair in zip(indices, pairs, strict=True):
        study = data[index]
        assert pair.report == study.report
        image = pair.image
        if image.dtype != np.float32:
            image = image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
        assert np.array_equal(image, study.image)
    with pytest.raises(IndexError):
        data.pairs([len(data)])


def check_study(study, labels):
    assert isinstance(study, Study)
    assert study.image.shape == (SIZE, SIZE)
    assert study.image.dtype == np.float32
    assert 0 <= study.image.min() < study.image.max() <= 1
    assert tuple(study.labels) == labels
    assert all(math.isnan(value) or value in (0, 1) for value in study.labels.values())
    for mask in study.masks.values():
        assert mask.dtype == bool
        assert mask.shape == study.image.shape
    for box in study.boxes:
        assert min(box.x, box.y) >= 0
        assert min(box.width, box.height) > 0
        assert max(box.x + box.width, box.y + box.height) <= SIZE
    assert isinstance(study.frame, Frame)
    assert study.frame.size == SIZE


@pytest.mark.parametrize("name", LOADERS)
def test_the_fingerprint_follows_the_content(roots, name, tmp_path):
    def fingerprint(root=roots[name], split="train", size=SIZE, **options):
        return load_dataset(name, root, split, size, **options).fingerprint

    again = MODULES[name].write_tiny(tmp_path / "elsewhere")
    assert fingerprint() == fingerprint() == fingerprint(again)
    assert len(fingerprint()) == 16
    assert fingerprint() != fingerprint(split="test")
    if name != "prepared":  # which has one size and one fit
        assert fingerprint() != fingerprint(size=SIZE + 1)
        assert fingerprint() != fingerprint(fit="stretch")


@pytest.mark.parametrize("name", LOADERS)
def test_patients_are_left_out_of_what_is_learned_from(roots, name):
    if name == "prepared":  # leaves out whom the data set it was made of leaves out
        return
    before = {split: load_dataset(name, roots[name], split, SIZE) for split in SPLITS}
    gone = [data[0].patient_id for data in before.values()]
    for split, data in before.items():
        after = load_dataset(name, roots[name], split, SIZE, exclude_patients=gone)
        stays = {s: p for s, p in data.patient_of.items() if split == "test" or p not in gone}
        assert list(after.patient_of.items()) == list(stays.items())


@pytest.mark.parametrize("name", LOADERS)
def test_wrong_options_and_splits_are_refused_by_name(roots, name, tmp_path):
    with pytest.raises(ValueError, match=rf"{name}.* no option 'on_problm'; .*'on_problem'"):
        load_dataset(name, roots[name], "train", SIZE, on_problm="skip")
    with pytest.raises(ValueError, match=r"no split 'holdout'; it has .*'train'"):
        load_dataset(name, roots[name], "holdout", SIZE)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"(?s)missing .*empty.*write_tiny") as error:
        load_dataset(name, tmp_path / "empty", "train", SIZE)
    # The command at the end, as a shell reads it, makes a folder that can be opened.
    python, option, code = shlex.split(str(error.value)[str(error.value).rindex("python -c") :])
    assert (python, option) == ("python", "-c")
    exec(code.replace("FOLDER", str(tmp_path / "made")), {})
    assert len(load_dataset(name, tmp_path / "made", "train", SIZE))


def _damages(path):
    """What a copy that was cut, or another file under its name, may be."""
    content = path.read_bytes()
    yield b"\x89PNG\r\n\x1a\n\0\0\xff"
    if path.suffix in (".gz", ".json"):
        yield content[: len(content) // 2]
    if path.suffix == ".csv":
        yield content.split(b"\n")[0] + b"\n"  # no rows
        yield content + b'"\xe9"\n'


@pytest.mark.parametrize("name", LOADERS)
def test_a_damaged_table_is_named(tmp_path, name):
    root = MODULES[name].write_tiny(tmp_path / "tiny")
    tables = [path for path in root.rglob("*") if path.suffix in (".csv", ".gz", ".json", ".txt")]
    # Not single reports, the source of a copy, and labels that are read on request.
    unread = ("/files/", "/raw/", "negbio")
    for path in [path for path in tables if not any(part in str(path) for part in unread)]:
        content = path.read_bytes()
        for damage in _damages(path):
            path.write_bytes(damage)
            with pytest.raises(DataProblems) as caught:
                [load_dataset(name, root, split, SIZE) for split in SPLITS]
            named = str(caught.value)
            assert path.name in named or path.parent.name in named, path
        path.write_bytes(content)
