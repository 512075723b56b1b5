"""COVIDx on tiny copies of two versions: lists without headers, spaces in names, class order."""

import pytest

from reclf.datasets.covidx import Covidx, write_tiny
from reclf.datasets.problems import DataProblems

SIZE = 16


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path)


def test_version_9a(root):
    data = {split: Covidx(root, split, SIZE) for split in ("train", "val", "test")}
    assert len(data["train"]) + len(data["val"]) == 30
    assert len(data["val"]) == 6  # two images each of three patients
    assert len({study.patient_id for study in data["val"]}) == 3
    assert len(data["test"]) == 6
    study = data["test"][1]
    assert study.study_id == "test/test-1 view 1 (2).png"  # spaces and all
    assert study.patient_id == "test0"
    assert study.labels == {"normal": 0, "pneumonia": 1, "COVID-19": 0}
    assert study.meta == {"class": "pneumonia", "source": "tiny"}
    assert data["test"].labels == ("normal", "pneumonia", "COVID-19")


def test_version_cxr4(tmp_path):
    root = write_tiny(tmp_path, version="CXR-4")
    sizes = {s: len(Covidx(root, s, SIZE, version="CXR-4")) for s in ("train", "val", "test")}
    assert sizes == {"train": 30, "val": 6, "test": 6}
    labels = [study.labels for study in Covidx(root, "test", SIZE, version="CXR-4")]
    assert labels == [{"COVID-19": n % 2} for n in range(6)]
    assert "negative" in (root / "val.txt").read_text().splitlines()[0]  # no header is eaten


def test_the_wrong_version_is_refused(root):
    with pytest.raises(DataProblems) as caught:
        Covidx(root, "train", SIZE, version="CXR-4")
    message = str(caught.value)
    assert "COVIDx CXR-4 cannot be used" in message
    assert "missing train.txt" in message
    assert "missing val (1)" in message
    assert "kaggle.com/datasets/andyczhao/covidx-cxr2" in message
    with pytest.raises(ValueError, match="version must be one of 9A, CXR-3, CXR-4, got '6'"):
        Covidx(root, "train", SIZE, version="6")


def test_headers_and_repeated_lines(root):
    path = root / "test_COVIDx9A.txt"
    lines = path.read_text()
    path.write_text("patient filename class source\n" + lines)
    with pytest.raises(DataProblems, match=r"without a known class \(1\): 'patient filename.*'"):
        Covidx(root, "test", SIZE)
    path.write_text(lines + lines.splitlines()[0] + "\n")
    with pytest.raises(DataProblems, match=r"duplicate study \(1\): test/test-0-view\.png"):
        Covidx(root, "test", SIZE)
    with pytest.warns(UserWarning, match="1 of 7 studies left out"):
        assert len(Covidx(root, "test", SIZE, on_problem="skip")) == 6


def test_lines_without_a_source(root):
    path = root / "test_COVIDx9A.txt"
    path.write_text(path.read_text().replace(" tiny", ""))
    study = Covidx(root, "test", SIZE)[0]
    assert study.meta == {"class": "normal", "source": ""}
