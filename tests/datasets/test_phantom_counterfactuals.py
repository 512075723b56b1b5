"""Minimal pairs: one fact differs, in the words that state it and where it shows in the image."""

import numpy as np
import pytest

from reclf.datasets.phantom import FACTS, Phantom, counterfactual_pair, counterfactual_pairs
from reclf_phantom.case import split_of

# The types of word in which a fact is stated.
STATED_IN = {
    "binding": {"location"},
    "place": {"location"},
    "side": {"location"},
    "zone": {"location"},
    "kind": {"finding"},
    "severity": {"severity"},
}


def findings(study):
    return study.meta["case"]["findings"]


@pytest.fixture(scope="module", params=["A", "C"])
def data(request):
    return Phantom(split="test", image_size=64, hospital=request.param)


@pytest.mark.parametrize("fact", FACTS)
def test_pairs_differ_in_the_fact_alone(data, fact):
    pairs = list(counterfactual_pairs(data, 12, fact))
    assert len(pairs) == 12
    for study, other in pairs:
        assert study.meta["spec"] != other.meta["spec"]
        assert split_of(other.meta["spec"]) == "test" or other.meta["spec"] == "normal"
        assert study.study_id != other.study_id
        if fact == "presence":
            assert len(findings(other)) == len(findings(study)) - 1
            continue
        both = zip(findings(study), findings(other), strict=True)
        changed = [n for n, (one, other) in enumerate(both) if one != other]
        assert len(changed) == (2 if fact in ("binding", "place") else 1)

        def rest(words, changed=changed):
            return [w for w in words if w.finding not in changed or w.type not in STATED_IN[fact]]

        assert rest(study.words) == rest(other.words), (study.report, other.report)


def test_dropping_a_finding_drops_its_sentence(data):
    for study, other in counterfactual_pairs(data, 12, "presence"):
        sentences = study.report.split(". ")
        kept = [s.rstrip(".") for s in other.report.split(". ")]
        assert [s.rstrip(".") for s in sentences if s.rstrip(".") in kept] == kept


def test_binding_swaps_sides_and_keeps_the_set_of_words(data):
    for study, other in counterfactual_pairs(data, 12, "binding"):
        before, after = findings(study), findings(other)
        swapped = [n for n in range(len(before)) if before[n]["side"] != after[n]["side"]]
        assert [before[n]["side"] for n in swapped] == [after[n]["side"] for n in swapped[::-1]]
        assert {before[n]["side"] for n in swapped} == {"left", "right"}


@pytest.mark.parametrize("fact", ["side", "severity", "kind", "zone"])
def test_image_outside_both_lesions_is_untouched(data, fact):
    for study, other in counterfactual_pairs(data, 8, fact):
        difference = np.abs(study.image - other.image)
        assert difference.max() > 0.02
        top = difference[:4]  # neck and film corners, where no finding reaches
        assert top.max() == 0


def test_side_pairs_mirror_the_mask(data):
    for study, other in counterfactual_pairs(data, 8, "side"):
        (n,) = [i for i, f in enumerate(findings(study)) if f != findings(other)[i]]
        one, other = (s.meta["instance_masks"][n] for s in (study, other))
        assert not (one & other).any()
        assert 0.6 < one.sum() / other.sum() < 1.67


def test_pairs_repeat(data):
    first, again = (list(counterfactual_pairs(data, 2, "binding")) for _ in range(2))
    for (a, b), (c, d) in zip(first, again, strict=True):
        assert a.report == c.report
        assert np.array_equal(b.image, d.image)


def test_one_pair_by_index(data):
    index = next(i for i in range(100) if data.case(i).findings)
    study, other = counterfactual_pair(data, index, "severity")
    assert np.array_equal(study.image, data[index].image)
    assert study.report == data[index].report
    assert other.report != study.report


def test_what_cannot_be_changed_is_said(data):
    normal = next(i for i in range(200) if not data.case(i).findings)
    with pytest.raises(ValueError, match=rf"study {normal} has no side to change \(normal\)"):
        counterfactual_pair(data, normal, "side")
    with pytest.raises(ValueError, match=r"fact must be one of binding, place, .* got 'colour'"):
        counterfactual_pair(data, 0, "colour")
