"""Open-I on a tiny copy: archive, folder and wheel; views; MeSH terms; sections."""

import gzip
import math
import zipfile

import pandas as pd
import pytest

from reclf.datasets.open_i import OpenI, mesh_labels, read_reports, write_tiny
from reclf.datasets.problems import DataProblems

SIZE = 16


@pytest.fixture
def root(tmp_path):
    return write_tiny(tmp_path / "open_i")


@pytest.fixture
def wheel(tmp_path):
    """What matters of torchxrayvision's wheel."""
    packed = write_tiny(tmp_path / "packed", archive=True)
    with zipfile.ZipFile(tmp_path / "torchxrayvision-1.0-py3-none-any.whl", "w") as archive:
        for name in ("NLMCXR_reports.tgz", "nlmcxr_tsne_pa.csv.gz"):
            archive.write(packed / name, f"torchxrayvision/data/{name}")
    return tmp_path / "torchxrayvision-1.0-py3-none-any.whl"


def test_reports(root):
    reports = read_reports(root / "ecgen-radiology")
    assert [report.number for report in reports] == [str(n) for n in range(1, 25)]
    third = reports[1]
    assert third.sections == {
        "comparison": "None.",
        "indication": "XXXX-year-old with cough",
        "findings": "Mild cardiomegaly & basal opacity.",
    }
    assert third.major == ("Cardiomegaly/mild", "Opacity/lung/base")
    assert third.images == ("CXR2_IM-0001-1001", "CXR2_IM-0001-2001")


def test_folder_archive_and_wheel_are_the_same(root, wheel, tmp_path):
    given = OpenI(root, "train", SIZE)
    packed = tmp_path / "packed"
    assert not (packed / "ecgen-radiology").exists()
    assert OpenI(packed, "train", SIZE).fingerprint == given.fingerprint
    (root / "nlmcxr_tsne_pa.csv.gz").unlink()
    assert OpenI(root, "train", SIZE, reports=wheel).fingerprint == given.fingerprint
    archive = packed / "NLMCXR_reports.tgz"
    assert read_reports(archive) == read_reports(root / "ecgen-radiology") == read_reports(wheel)


def test_views(root):
    sizes = {view: len(OpenI(root, "train", SIZE, views=view)) for view in ("first", "frontal")}
    assert sizes == {"first": 18, "frontal": 18}
    assert len(OpenI(root, "train", SIZE, views="all")) == 36
    path = root / "nlmcxr_tsne_pa.csv.gz"
    table = pd.read_csv(path)
    table[1:].to_csv(path, index=False)  # nobody looked at the first image
    assert len(OpenI(root, "train", SIZE)) == 17
    path.unlink()
    with pytest.raises(DataProblems, match=r'missing nlmcxr_tsne_pa(?s:.)*views="first"'):
        OpenI(root, "train", SIZE)
    assert len(OpenI(root, "train", SIZE, views="first")) == 18
    with pytest.raises(ValueError, match="views must be 'frontal', 'first' or 'all', got 'PA'"):
        OpenI(root, "train", SIZE, views="PA")


def test_a_study(root):
    study = OpenI(root, "train", SIZE)[0]
    assert study.study_id == "CXR1_IM-0001-1001"
    assert study.patient_id == "1"
    assert study.report == "Small left pleural effusion, XXXX."
    assert study.meta["mesh"] == ["Pleural Effusion/left/small"]
    assert study.meta["indication"] == "XXXX-year-old with cough"
    assert study.labels["Pleural Effusion"] == 1
    assert study.labels["No Finding"] == 0
    with pytest.warns(UserWarning, match="empty report"):
        only = OpenI(root, "train", SIZE, sections=["impression"], on_problem="skip")
    assert all(study.report for study in only)


def test_mesh_labels():
    labels = mesh_labels(["Opacity/lung/base", "Cardiomegaly/mild", "Shoulder/right"])
    assert [name for name, value in labels.items() if value] == ["Cardiomegaly", "Lung Opacity"]
    assert mesh_labels(["normal"])["No Finding"] == 1
    for unknown in ([], ["No Indexing"]):
        assert all(math.isnan(value) for value in mesh_labels(unknown).values())


def test_what_is_missing_or_damaged(root, tmp_path):
    (root / "NLMCXR_png").rename(root / "pictures")
    with pytest.raises(DataProblems, match=r"missing NLMCXR_png or CXR\*\.png(?s:.)*openi\.nlm"):
        OpenI(root, "train", SIZE)
    (root / "pictures").rename(root / "NLMCXR_png")
    (root / "ecgen-radiology/3.xml").write_text("<eCitation>")
    with pytest.raises(
        DataProblems, match=r"unreadable report \(1\): 3\.xml: no element found|3\.x"
    ):
        OpenI(root, "train", SIZE)
    bomb = '<!DOCTYPE a [<!ENTITY b "bbb">]><eCitation><uId id="&b;"/></eCitation>'
    (root / "ecgen-radiology/3.xml").write_text(bomb)
    with pytest.raises(DataProblems, match=r"unreadable report \(1\): 3\.xml: EntitiesForbidden"):
        OpenI(root, "train", SIZE)
    with pytest.raises(DataProblems, match=r"missing reports \(1\): .*nothing\.tgz"):
        OpenI(root, "train", SIZE, reports="nothing.tgz")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other/data.txt", "")
    with pytest.raises(DataProblems, match=r"missing nlmcxr_tsne_pa\.csv\.gz .*not in the wheel"):
        OpenI(root, "train", SIZE, reports=tmp_path / "other.whl")


def test_images_beside_the_reports(root):
    for path in (root / "NLMCXR_png").iterdir():
        path.rename(root / path.name)
    (root / "NLMCXR_png").rmdir()
    assert len(OpenI(root, "train", SIZE)) == 18
    (root / "CXR1_IM-0001-1001.png").unlink()
    with pytest.raises(DataProblems, match=r"missing image \(1\): .*CXR1_IM-0001-1001\.png"):
        OpenI(root, "train", SIZE)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Name -> content of the archive and the table of views."""
    folder = write_tiny(tmp_path_factory.mktemp("parts"), archive=True)
    names = "NLMCXR_reports.tgz", "nlmcxr_tsne_pa.csv.gz"
    return {name: (folder / name).read_bytes() for name in names}


def _cut(share):
    return lambda content: content[: int(len(content) * share)]


def _flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes(b ^ 0xFF for b in content[middle : middle + 40]) + content[-40:]


def _without_its_end(content):
    return content.rstrip(b"\0")[:-8]


def _another_file(content):
    return b"<html>Sorry</html>"


DAMAGES = [*map(_cut, (0, 0.001, 0.3, 0.7)), _without_its_end, _flip, _another_file]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["tgz", "tar", "wheel", "archive in a wheel", "views in a wheel"])
def test_a_damaged_archive_is_named_with_the_remedy(tmp_path, parts, kind, damage):
    (tmp_path / "NLMCXR_png").mkdir()
    archive, views = parts
    (tmp_path / views).write_bytes(parts[views])
    path = tmp_path / ("packed.whl" if "wheel" in kind else archive)
    if "wheel" in kind:
        broken = {"archive in a wheel": archive, "views in a wheel": views}.get(kind)
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in parts.items():
                packed.writestr(f"x/{name}", damage(content) if name == broken else content)
        if not broken:
            path.write_bytes(damage(path.read_bytes()))
    else:  # a browser may have undone the gzip
        content = parts[archive]
        path.write_bytes(damage(gzip.decompress(content) if kind == "tar" else content))
    with pytest.raises(DataProblems) as caught:
        OpenI(tmp_path, "train", SIZE, reports=path)
    message = str(caught.value)
    assert str(path) in message
    assert "again" in message


def test_an_archive_that_a_browser_unpacked(tmp_path, parts):
    (tmp_path / "a.tgz").write_bytes(parts["NLMCXR_reports.tgz"])
    (tmp_path / "b.tgz").write_bytes(gzip.decompress(parts["NLMCXR_reports.tgz"]))
    assert read_reports(tmp_path / "a.tgz") == read_reports(tmp_path / "b.tgz")


HEAD, BODY = '<?xml version="1.0" encoding="{}"?>', '<eCitation><uId id="CXR3"/></eCitation>'


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not xml",
        BODY[:-9].encode(),
        b"\x89PNG\r\n\x1a\n\0\0",
        HEAD.format("utf-8").encode() + BODY.replace("3", "\xe9").encode("latin-1"),
        (HEAD.format("klingon") + BODY).encode(),
        (HEAD.format("big5") + BODY).encode(),
        BODY.replace("CXR3", "three").encode(),
        BODY.replace("id", "name").encode(),
        b"<eCitation/>",
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "/etc/passwd">]><a>&b;</a>',
    ],
)
def test_a_damaged_report_is_named(tmp_path, text):
    (tmp_path / "2.xml").write_text(BODY.replace("3", "2"))
    (tmp_path / "3.xml").write_bytes(text)
    (tmp_path / "._4.xml").write_bytes(b"what macOS adds")
    with pytest.raises(DataProblems, match=r"unreadable report \(1\): 3\.xml: (?s:.)* again"):
        read_reports(tmp_path)


def test_a_folder_without_reports(tmp_path):
    with pytest.raises(DataProblems, match=rf"no \.xml file \(1\): {tmp_path}"):
        read_reports(tmp_path)
