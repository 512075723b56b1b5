"""Terms of studies and the overlap of their sets, against sets of Python."""

import math

import numpy as np
import pytest
import torch

from reclf.data.study import Study
from reclf.data.terms import MOST, similarity, term_hashes, terms_of

IMAGE = np.zeros((2, 2), dtype=np.float32)


def study(labels=None, report="", **meta):
    return Study("s", "p", IMAGE, report, labels or {}, meta=meta)


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("labels", study({"Edema": 1, "Mass": 0, "Nodule": math.nan}), {"Edema"}),
        ("labels", study({"Edema": 0, "Mass": math.nan}), set()),  # normal
        ("labels", study({"Edema": math.nan}), None),
        ("labels", study(), None),
        ("mesh", study(mesh="Opacity/lung/left; normal;"), {"Opacity", "Opacity/lung", "Opacity/left", "normal"}),  # noqa: E501
        ("mesh", study(mesh=["Edema"]), {"Edema"}),
        ("mesh", study(mesh=""), None),
        ("mesh", study(mesh="No Indexing"), None),
        ("mesh", study(), None),
        ("text", study(report="No XXXX edema. 1. No mass"), {"no", "edema", "mass"}),
    ],
)  # fmt: skip
def test_terms(kind, given, expected):
    assert terms_of(given, kind) == expected


def test_the_order_of_qualifiers_is_nothing():
    one, other = (terms_of(study(mesh=f"Opacity/{rest}"), "mesh") for rest in ("a/b", "b/a"))
    assert one == other


SETS = ({"a", "b"}, {"b", "c"}, set(), None, {"a", "b", "c"}, set(), {"d"}, None, {"b", "a"})


@pytest.mark.parametrize("rare", [False, True])
def test_overlap_against_sets(rare):
    having = {term: sum(term in (one or ()) for one in SETS) for term in "abcd"}
    weight = {term: math.log(len(SETS) / n) if rare else 1.0 for term, n in having.items()}
    expected = torch.eye(len(SETS))
    for i, one in enumerate(SETS):
        for j, other in enumerate(SETS):
            if i != j and one is not None and other is not None:
                either = sum(weight[term] for term in one | other)
                common = sum(weight[term] for term in one & other)
                expected[i, j] = common / either if either else 1.0
    found = similarity(torch.stack([term_hashes(one) for one in SETS]), rare)
    torch.testing.assert_close(found, expected)
    assert torch.equal(found, found.T)


def test_words_that_all_reports_have_weigh_nothing():
    hashes = torch.stack([term_hashes(one) for one in ("xa", "xb", "x", "x")])
    expected = torch.tensor([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1.0]])
    torch.testing.assert_close(similarity(hashes, rare=True), expected)


def test_more_terms_than_fit():
    many = [str(i) for i in range(MOST + 20)]
    assert term_hashes(many).shape == (MOST,)
    assert torch.equal(term_hashes(many), term_hashes(many[::-1]))
    assert similarity(torch.stack([term_hashes(many), term_hashes(many)])).min() == 1
