"""Every odd manifest gives what is right for it, see `odd_manifests.case`."""

import pytest
from odd_manifests import CASES
from odd_manifests.outcome import judge

# Not right yet: name -> the way in which it is wrong.
NOT_YET = {
    "image_png_rows_missing": "silent wrong",
    "image_jpeg_zeros_in_the_middle": "silent wrong",
    "box_label_missing": "silent wrong",
}


def marked(one):
    wrong = NOT_YET.get(one.name)
    marks = [pytest.mark.xfail(reason=wrong, strict=True)] if wrong else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.mark.parametrize("one", [marked(one) for one in CASES])
def test_an_odd_manifest(one, tmp_path):
    assert judge(one, tmp_path) == ("right", "")


def test_every_case_has_a_name_of_its_own():
    names = [one.name for one in CASES]
    assert len(names) == len(set(names)) > 500
    assert set(names) >= NOT_YET.keys()
