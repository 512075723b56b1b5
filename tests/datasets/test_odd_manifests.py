"""Every odd manifest gives what is right for it, see `odd_manifests.case`."""

import pytest
from odd_manifests import CASES
from odd_manifests.outcome import judge

# Not right, and why that is left so.
LEFT_WRONG = {
    "image_png_rows_missing": "Pillow, as libpng, takes rows that are not there for black",
    "image_jpeg_zeros_in_the_middle": "libjpeg goes on behind the damage and Pillow does not tell",
}


def marked(one):
    wrong = LEFT_WRONG.get(one.name)
    marks = [pytest.mark.xfail(reason=wrong, strict=True)] if wrong else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.mark.parametrize("one", [marked(one) for one in CASES])
def test_an_odd_manifest(one, tmp_path):
    assert judge(one, tmp_path) == ("right", "")


def test_every_case_has_a_name_of_its_own():
    names = [one.name for one in CASES]
    assert len(names) == len(set(names)) > 500
    assert set(names) >= LEFT_WRONG.keys()
