"""MIMIC-CXR on a tiny copy of its layout."""

import math

import numpy as np
import pandas as pd
import pytest

from reclf.datasets.data_check import check_data
from reclf.datasets.labels import COMPETITION_LABELS
from reclf.datasets.mimic_cxr import LABELS, MimicCxr, make_5x200, write_tiny
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset

SIZE = 24


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path / "mimic")


def test_official_split_frontal_views(root):
    sizes = {split: len(MimicCxr(root, split, SIZE)) for split in ("train", "val", "test")}
    assert sizes == {"train": 16, "val": 7, "test": 7}
    assert len(MimicCxr(root, "validate", SIZE)) == 7
    assert len(MimicCxr(root, "train", SIZE, views=["PA"])) == 14
    assert len(MimicCxr(root, "train", SIZE, views=["PA", "AP", "LATERAL"])) == 32
    with pytest.raises(
        ValueError, match=r"no image has a ViewPosition of LL; .* has AP, LATERAL, PA"
    ):
        MimicCxr(root, "train", SIZE, views=["LL"])

    with pytest.raises(ValueError, match=r"no image has a ViewPosition of PP; .* has AP, LATERAL"):
        MimicCxr(root, "train", SIZE, views=["AP", "PP"])


def test_a_section_that_no_heading_opens_is_refused(root):
    with pytest.raises(ValueError, match="no heading of these reports opens 'impresion'; known: a"):
        MimicCxr(root, "train", SIZE, sections=["findings", "impresion"], on_problem="skip")
    with pytest.raises(ValueError, match=r"option sections .* must be a list of texts, got 'findi"):
        load_dataset("mimic_cxr", root, "train", SIZE, sections="findings")
    MimicCxr(root, "train", SIZE, sections=["findings", "technique"], on_problem="skip")


def test_a_report_file_in_another_encoding_is_refused_by_its_name(root):
    path = sorted(root.glob("files/p*/p*/s*.txt"))[0]
    path.write_bytes("BEFUND: Mäßiger Erguß links.".encode("latin-1"))
    with pytest.raises(DataProblems, match=rf"report file that is no UTF-8 .*{path.name}") as found:
        MimicCxr(root, "train", SIZE)
    assert "iconv -f latin1" in str(found.value)
    assert list(check_data(root).problems) == ["report file that is no UTF-8"]
    path.write_text("BEFUND: Mäßiger Erguß links.", encoding="utf-8")
    assert MimicCxr(root, "train", SIZE)[0].report == "Mäßiger Erguß links."


def test_a_gallery_that_is_named_and_not_there(root):
    with pytest.raises((ValueError, OSError), match=r"other\.json"):
        MimicCxr(root, "train", SIZE, gallery="other.json")


def test_a_study(root):
    study = MimicCxr(root, "train", SIZE)[0]
    assert study.patient_id == "10000001"
    assert study.meta == {"study_id": "s50000000", "ViewPosition": "PA"}
    assert study.report == "Moderate left pleural effusion. No pneumothorax. Left effusion."
    assert study.image.shape == (SIZE, SIZE)
    assert study.image.dtype == np.float32
    assert 0.1 < study.image.mean() < 0.9
    assert study.frame.height == 122
    assert study.frame.width == 98
    assert tuple(study.labels) == LABELS


def test_labels_keep_what_is_not_known(root):
    def labels(number, **options):
        return MimicCxr(root, "train", SIZE, **options)[number].labels

    assert labels(0)["Pleural Effusion"] == 1
    assert labels(0)["Pneumothorax"] == 0
    assert math.isnan(labels(0)["Edema"])
    assert math.isnan(labels(3)["Pneumonia"])  # -1
    assert labels(3, uncertain="zero")["Pneumonia"] == 0
    assert labels(3, uncertain="one")["Pneumonia"] == 1
    some = {"Edema": "one"}
    assert labels(4, uncertain=some)["Edema"] == 1
    assert math.isnan(labels(3, uncertain=some)["Pneumonia"])
    assert labels(0, labels="negbio")["Pleural Effusion"] == 1
    assert labels(0, labels=None) == {}


def test_sections_of_the_report(root):
    def report(number, **options):
        return MimicCxr(root, "train", SIZE, **options)[number].report

    assert report(0, sections=["impression", "findings"]).startswith("Left effusion. Moderate")
    assert report(0, how="longest").startswith("Moderate")
    assert report(4) == "Cardiomegaly. Mild edema."  # neither heading: the last paragraph
    with pytest.warns(UserWarning, match=r"empty report \(1\): 00000005-pa"):  # findings alone
        assert report(0, sections=["impression"], on_problem="skip") == "Left effusion."


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("sectioned", [False, True])
def test_every_form_of_the_layout_gives_the_same(root, tmp_path, gz, sectioned):
    other = write_tiny(tmp_path / "other", gz=gz, sectioned=sectioned)
    assert len(list(other.glob("*.csv.gz"))) == (4 if gz else 0)
    assert len(list(other.glob("files/*/*/*.txt"))) == (0 if sectioned else 30)
    for split in ("train", "val", "test"):
        given = load_dataset("mimic_cxr", other, split, SIZE)
        assert given.reports == MimicCxr(root, split, SIZE).reports
        assert given.fingerprint == MimicCxr(root, split, SIZE).fingerprint


def test_reports_in_a_folder_of_their_own(root, tmp_path):
    sectioned = write_tiny(tmp_path / "other", sectioned=True) / "mimic_cxr_sectioned.csv"
    (tmp_path / "reports").mkdir()
    sectioned.rename(tmp_path / "reports" / sectioned.name)
    with pytest.raises(DataProblems, match=r"missing reports .*\[option reports_root\]"):
        MimicCxr(tmp_path / "other", "val", SIZE)
    table = MimicCxr(tmp_path / "other", "val", SIZE, reports_root=tmp_path / "reports")
    assert table.reports == MimicCxr(root, "val", SIZE).reports


def test_missing_parts_are_named_in_one_error(root):
    for name in ("metadata", "chexpert"):
        (root / f"mimic-cxr-2.0.0-{name}.csv").unlink()
    for path in root.glob("files/*/*/*.txt"):
        path.unlink()
    with pytest.raises(DataProblems) as caught:
        MimicCxr(root, "train", SIZE)
    message = str(caught.value)
    assert f"missing mimic-cxr-2.0.0-metadata.csv (or .csv.gz) (1): not in {root}" in message
    assert "mimic-cxr-2.0.0-chexpert.csv" in message
    assert "mimic-cxr-2.0.0-split" not in message
    assert "missing reports" in message
    assert "https://physionet.org/content/mimic-cxr-jpg/" in message
    assert "https://physionet.org/content/mimic-cxr/" in message
    assert "write_tiny" in message


def test_missing_files_and_reports_are_listed_or_left_out(root):
    next(root.glob("files/p10/p10000001/s50000000/*-pa.jpg")).unlink()
    (root / "files/p10/p10000002/s50000002.txt").write_text("FINDINGS: ___\n")
    with pytest.raises(DataProblems, match=r"missing image \(1\): .*00000000-pa\.jpg") as caught:
        MimicCxr(root, "train", SIZE)
    assert caught.value.problems["empty report"] == ["00000002-pa"]
    with pytest.warns(UserWarning, match="2 of 16 studies left out"):
        assert len(MimicCxr(root, "train", SIZE, on_problem="skip")) == 14


def test_a_gallery_of_five_classes_has_reports_and_leaves_training(root):
    before = MimicCxr(root, "train", SIZE)
    (root / "files/p14/p14000000/s50000010.txt").write_text("FINDINGS: ___\n")  # Atelectasis
    gallery = make_5x200(root, per_class=1)
    # of Cardiomegaly, the study whose edema is uncertain is not in it
    assert gallery["pool"] == {
        "Atelectasis": 2,
        "Cardiomegaly": 2,
        "Consolidation": 2,
        "Edema": 2,
        "Pleural Effusion": 4,
    }
    assert make_5x200(root, per_class=1) == gallery
    with pytest.raises(ValueError, match="2 images with Atelectasis as the only finding"):
        make_5x200(root, "other.json", per_class=3)
    images = MimicCxr(root, "5x200", SIZE)
    assert {max(s.labels, key=s.labels.get) for s in images} == set(COMPETITION_LABELS)
    assert all(study.report for study in images)
    train = MimicCxr(root, "train", SIZE, on_problem="skip")
    assert train.gallery_hash == images.gallery_hash == gallery["hash"]
    assert not set(train.patient_of.values()) & set(gallery["patients"])
    whole = MimicCxr(root, "train", SIZE, gallery="", on_problem="skip")
    assert len(whole) == len(before) - 1  # without a report
    assert set(whole.patient_of.values()) - set(train.patient_of.values()) == {*gallery["patients"]}
    (root / "mimic_5x200.json").unlink()
    with pytest.raises(DataProblems, match=r"mimic_5x200\.json(?s:.)*mimic_cxr\.make_5x200\("):
        MimicCxr(root, "5x200", SIZE)


def test_tables_of_two_releases(root):
    path = root / "mimic-cxr-2.0.0-split.csv"
    pd.read_csv(path, dtype=str).iloc[1:].to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"metadata without a split \(1\): 00000000-pa"):
        MimicCxr(root, "train", SIZE)
    pd.read_csv(path, dtype=str).rename(columns={"split": "Split"}).to_csv(path, index=False)
    with pytest.raises(DataProblems, match=r"'split' \(did you mean 'Split'\?\)"):
        MimicCxr(root, "train", SIZE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "radgraph"}, "labels must be 'chexpert', 'negbio' or None, got 'radgraph'"),
        ({"uncertain": "half"}, "uncertain must be 'nan', 'zero' or 'one', got 'half'"),
        ({"uncertain": {"Oedema": "one"}}, "no label 'Oedema'; the labels are Atelectasis"),
        ({"sections": ["finding"]}, r"'finding' \(did you mean 'findings'\?\)"),
    ],
)
def test_wrong_options(tmp_path, options, message):
    root = write_tiny(tmp_path, sectioned=True)
    with pytest.raises(ValueError, match=message):
        MimicCxr(root, "train", SIZE, **options)


def test_text_that_is_in_no_section_that_is_read_is_told(root):
    path = root / "files/p10/p10000001/s50000000.txt"
    path.write_text("WET READ: Fine.\nFINDINGS:\nLUNGS: Clear.\nBEVINDING: Helder.")
    data = MimicCxr(root, "train", SIZE)
    assert data[0].report == "LUNGS: Clear. BEVINDING: Helder."
    other = "no section of the report: other text is taken"
    assert data.report_notes == {
        "section 'wet_read' is not read": ["s50000000: Fine."],
        other: ["s50000004: Cardiomegaly. Mild edema."],
    }
    own = MimicCxr(root, "train", SIZE, headings={"impression": ["bevinding"]})
    assert own[0].report == "LUNGS: Clear. Helder."
    tables = check_data(root, "mimic_cxr", progress=False).tables()
    assert set(tables["Reading of reports"]["what"]) == {"section 'wet_read' is not read", other}
