"""Patients left out of training: every loader, every form of a list, and the command that writes
one."""

import json

import pytest

from reclf.datasets import mimic_cxr, ms_cxr, siim
from reclf.datasets.patients import main, patients_of
from reclf.datasets.problems import DataProblems
from reclf.datasets.registry import load_dataset

SIZE = 16
LEFT_OUT = {"10000001", "14000005", "14000010", "14000015"}  # two of train, one of val, of test


@pytest.fixture
def root(tmp_path):
    return mimic_cxr.write_tiny(tmp_path / "mimic")


def patients(root, split, **options):
    return set(load_dataset("mimic_cxr", root, split, SIZE, **options).patient_of.values())


@pytest.mark.parametrize("form", ["list", "lines.txt", "table.csv", "other.csv.gz", "5x200.json"])
def test_every_form_of_a_list_leaves_the_same_patients_out(root, form):
    given, path = sorted(LEFT_OUT), root / form
    if form == "lines.txt":
        path.write_text("\n".join(given) + "\n\n")
    elif form == "table.csv":
        path.write_text("dicom_id,subject_id\n" + "".join(f"x,{one}\n" for one in given))
    elif form == "other.csv.gz":
        import gzip

        path.write_bytes(gzip.compress(b"Patient ID\n" + "\n".join(given).encode()))
    elif form == "5x200.json":
        empty = mimic_cxr.make_5x200(root, form, per_class=0)
        path.write_text(json.dumps({**empty, "patients": given}))
    for split, gone in (("train", 2), ("val", 1), ("test", 0)):
        before = patients(root, split)
        after = patients(root, split, exclude_patients=given if form == "list" else form)
        assert before - after <= LEFT_OUT
        assert len(before) - len(after) == gone


def test_a_list_that_leaves_nobody_out_is_refused(root):
    message = r"none of the 2 patients \(p10000001, p12000005\) is one of MIMIC-CXR in .*\(10000001"
    with pytest.raises(ValueError, match=message):
        patients(root, "train", exclude_patients=["p10000001", "p12000005"])
    (root / "no_column.csv").write_text("image\n3.png\n")
    with pytest.raises(DataProblems, match=r"without patients \(1\).*\n.*patient_id; .* are image"):
        patients(root, "train", exclude_patients="no_column.csv")
    with pytest.raises(DataProblems, match=r"missing file \(1\): .*nobody\.txt.*\n.*relative to"):
        patients(root, "train", exclude_patients="nobody.txt")


def test_the_command_writes_what_a_training_must_not_see(root, tmp_path, capsys):
    phrases, file = ms_cxr.write_tiny(tmp_path / "phrases"), tmp_path / "mimic/phrases.txt"
    main(["ms_cxr", str(phrases), str(file), "--options", json.dumps({"mimic_root": str(phrases)})])
    assert file.read_text().split() == [f"1{number:07d}" for number in range(9)]
    assert "9 patients of ms_cxr in" in capsys.readouterr().out
    gone = patients(root, "train") - patients(root, "train", exclude_patients="phrases.txt")
    assert gone == {"10000001", "10000002"}
    with pytest.raises(SystemExit):
        main(["ms_cxr", str(tmp_path), str(file)])
    assert "MS_CXR_Local_Alignment" in capsys.readouterr().err


def test_patients_of_a_data_set_without_a_test_split(tmp_path):
    root = siim.write_tiny(tmp_path)
    all_of_it = patients_of("siim", root)
    assert len(all_of_it) == 24
    lines = "".join(f"{image},{'train' if n else 'fold2'}\n" for n, image in enumerate(all_of_it))
    (root / "split.csv").write_text("image,split\n" + lines)
    assert patients_of("siim", root, split_file="split.csv") == all_of_it
