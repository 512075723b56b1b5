"""The phantom data set: determinism, planted truth, splits, galleries, hospitals, errors."""

import numpy as np
import pytest

from reclf.data.reports import split_words
from reclf.data.study import WORD_TYPES
from reclf.datasets.phantom import Phantom
from reclf_phantom.case import KINDS, SEVERITIES, SIDES, ZONES, Case, Finding, has_zone
from reclf_phantom.image import render


@pytest.fixture(scope="module")
def studies():
    data = Phantom(split="test", image_size=64)
    return [data[i] for i in range(150)]


def same(one, other):
    return (
        np.array_equal(one.image, other.image)
        and one.report == other.report
        and one.words == other.words
        and one.masks.keys() == other.masks.keys()
        and all(np.array_equal(one.masks[k], other.masks[k]) for k in one.masks)
    )


def test_a_study_depends_on_its_index_alone():
    forward, backward = Phantom(image_size=64), Phantom(image_size=64, length=12)
    studies = [forward[i] for i in range(12)]
    for i in reversed(range(12)):
        assert same(studies[i], backward[i])


def test_split_and_seed_change_the_studies():
    first = Phantom(image_size=64)[0]
    for other in (Phantom(image_size=64, seed=1), Phantom(split="val", image_size=64)):
        assert not np.array_equal(other[0].image, first.image)


def test_words_are_the_words_of_the_report(studies):
    for study in studies:
        assert [word.text for word in study.words] == split_words(study.report)


@pytest.mark.parametrize("hospital", ["A", "C"])
def test_report_length(hospital):
    data = Phantom(image_size=32, hospital=hospital)
    lengths = [len(data[i].words) for i in range(300)]
    assert min(lengths) >= 20
    assert max(lengths) <= 80


def test_reports_state_every_fact_of_every_finding(studies):
    for study in studies:
        for n, finding in enumerate(study.meta["case"]["findings"]):
            stated = {word.type for word in study.words if word.finding == n and word.important}
            wanted = {"finding", "severity"} | ({"location"} if finding["side"] else set())
            assert stated == wanted, study.report


def test_important_words_state_findings_and_denied_kinds_do_not(studies):
    for study in studies:
        present = len(study.meta["case"]["findings"])
        for word in study.words:
            assert word.type in WORD_TYPES
            assert -1 <= word.finding < present
            if word.important:
                assert word.finding >= 0
                assert word.type in ("finding", "location", "severity")


def test_labels_masks_and_case_agree(studies):
    for study in studies:
        kinds = [finding["kind"] for finding in study.meta["case"]["findings"]]
        assert set(study.labels) == set(KINDS)
        assert {kind for kind, value in study.labels.items() if value} == set(kinds)
        assert set(study.masks) == set(kinds)
        for kind, mask in zip(kinds, study.meta["instance_masks"], strict=True):
            assert mask.dtype == bool
            assert mask.shape == study.image.shape
            assert mask.any()
            assert np.array_equal(study.masks[kind], mask)


def test_masks_lie_where_side_and_zone_say():
    data = Phantom(image_size=96)
    rows: dict[str, list[float]] = {zone: [] for zone in ZONES}
    for i in range(200):
        case = data.case(i)
        if not case.findings:
            continue
        for finding, mask in zip(case.findings, render(case, 96).masks, strict=True):
            row, column = (axis.mean() for axis in np.nonzero(mask))
            # The patient's left is on the image's right.
            if finding.side == "left":
                assert column > 48, finding
            if finding.side == "right":
                assert column < 48, finding
            if finding.zone:
                rows[finding.zone].append(row)
    upper, mid, lower = (np.array(rows[zone]) for zone in ZONES)
    assert upper.mean() + 10 < mid.mean() < lower.mean() - 10
    assert upper.max() < lower.min()


def test_apex_of_the_heart_is_on_the_left():
    case = Case((Finding("cardiomegaly", None, None, "severe"),), (), seed=3)
    (mask,) = render(case, 128).masks
    assert mask[:, 64:].sum() > 1.3 * mask[:, :64].sum()


def brightness_and_area(kind, severity, seeds=range(12)):
    side = None if kind == "cardiomegaly" else "bilateral" if kind == "edema" else "right"
    zone = "mid" if has_zone(kind) else None
    area = change = 0.0
    for seed in seeds:
        image, (mask,) = render(Case((Finding(kind, side, zone, severity),), (), seed), 96)
        area += mask.sum()
        change += np.abs(image - render(Case((), (), seed), 96).image).sum()
    return area, change


@pytest.mark.parametrize("kind", KINDS)
def test_severity_shows_in_extent_and_in_the_image(kind):
    measured = [brightness_and_area(kind, severity) for severity in SEVERITIES]
    areas, changes = zip(*measured, strict=True)
    assert areas[0] < areas[1] < areas[2]
    assert changes[0] < changes[1] < changes[2]


def test_a_finding_changes_the_image_where_it_lies():
    for seed in range(8):
        case = Case((Finding("nodule", "left", "mid", "severe"),), (), seed)
        image, (mask,) = render(case, 96)
        change = np.abs(image - render(Case((), (), seed), 96).image)
        assert change[mask].mean() > 0.04
        assert change[:, :48].max() == 0  # the other lung


def test_splits_share_no_specification_but_the_normal_one():
    specs = {}
    for split in ("train", "val", "test"):
        for seed in (0, 1):
            data = Phantom(split=split, seed=seed, length=700)
            specs.setdefault(split, set()).update(data.case(i).spec for i in range(700))
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert specs[one] & specs[other] == {"normal"}


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_every_value_appears_in_every_split(split):
    data = Phantom(split=split, length=500)
    findings = [f for i in range(500) for f in data.case(i).findings]
    assert {f.kind for f in findings} == set(KINDS)
    assert {f.side for f in findings} == {*SIDES, None}
    assert {f.zone for f in findings} == {*ZONES, None}
    assert {f.severity for f in findings} == set(SEVERITIES)


def test_gallery_is_distinct_and_can_be_free_of_devices():
    gallery = Phantom(None, "test", 32, devices=False).gallery(60)
    assert len({study.meta["spec"] for study in gallery}) == len(gallery) == 60
    assert not any(study.meta["case"]["devices"] for study in gallery)


def test_hospital_b_changes_the_film_and_not_the_patient(studies):
    other = Phantom(split="test", image_size=64, hospital="B")
    contrast = []
    for i, study in enumerate(studies[:40]):
        shifted = other[i]
        assert shifted.report == study.report
        assert shifted.labels == study.labels
        # Below the diaphragm there is little but noise.
        contrast.append([s.image[54:59, 20:44].std() for s in (study, shifted)])
    here, there = np.mean(contrast, axis=0)
    assert there > 1.1 * here


def test_hospital_c_changes_the_words_and_not_the_film(studies):
    other = Phantom(split="test", image_size=64, hospital="C")
    here, there = set(), set()
    for i, study in enumerate(studies):
        shifted = other[i]
        assert np.array_equal(shifted.image, study.image)
        assert [word.text for word in shifted.words] == split_words(shifted.report)
        here.update(study.report.split(". "))
        there.update(shifted.report.split(". "))
    assert not here & there
    assert {"left", "right"} <= {word.text for word in shifted.words} | set(split_words(str(there)))


@pytest.mark.parametrize("size", [48, 64, 96, 128, 256])
def test_image_sizes(size):
    study = Phantom(image_size=size)[2]
    assert study.image.shape == (size, size)
    assert study.image.dtype == np.float32
    assert study.image.flags.c_contiguous
    assert study.image.min() >= 0
    assert study.image.max() <= 1
    assert study.image.std() > 0.1


def test_fingerprint_follows_the_content():
    assert Phantom().fingerprint == Phantom().fingerprint
    others = [
        Phantom(seed=1),
        Phantom(image_size=96),
        Phantom(hospital="B"),
        Phantom(devices=False),
    ]
    assert len({Phantom().fingerprint, *(data.fingerprint for data in others)}) == 5


def test_length():
    assert len(Phantom()) == 1_000_000
    assert len(Phantom(split="test", length=7)) == 7
    with pytest.raises(IndexError, match="index 7 is outside the 7 studies of split 'test'"):
        Phantom(split="test", length=7)[7]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "somewhere"}, "leave root empty, got 'somewhere'"),
        ({"split": "training"}, "split must be one of train, val, test, got 'training'"),
        ({"hospital": "D"}, "hospital must be one of A, B, C, got 'D'"),
        ({"image_size": 8}, "image_size must be 32 or more, got 8"),
        ({"length": -1}, "length must be 0 or more, got -1"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Phantom(**options)
