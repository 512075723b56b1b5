import inspect
import re
import subprocess
import sys

import pytest

from reclf.datasets.base import Loader, LoaderOptions, Row
from reclf.datasets.nih import Nih
from reclf.datasets.option_types import check_option_types
from reclf.datasets.registry import find_dataset, load_dataset
from reclf.datasets.tiny import draw_chest, write_image


class Folder(Loader):
    """A data set as a user would write one."""

    title = "the folder"
    defaults = LoaderOptions(fit="crop")
    with_reports = False

    def read_rows(self, root, *, ending="png", cases=()):
        for path in sorted(root.glob(f"*.{ending}")):
            if not cases or path.stem in cases:
                yield Row(path.stem, path.stem, "train", path)


def test_the_signature_has_own_and_shared_options():
    parameters = inspect.signature(Folder).parameters
    assert list(parameters) == [
        "root", "split", "image_size", "ending", "cases",
        "fit", "own_max", "cache", "on_problem", "headers", "exclude_patients",
    ]  # fmt: skip
    assert parameters["fit"].default == "crop"
    assert parameters["headers"].default is True
    assert inspect.signature(Nih).parameters["headers"].default is False


def test_a_class_of_your_own_by_its_import_string(tmp_path):
    for number in range(3):
        write_image(tmp_path / f"{number}.png", draw_chest(number))
    spec = f"{__name__}:Folder"
    data = load_dataset(spec, tmp_path, "training", 32, cases=["0", "2"])
    assert [study.study_id for study in data] == ["0", "2"]
    assert (data.name, data.split, data.fit) == (f"the folder in {tmp_path}", "train", "crop")
    assert load_dataset(spec, tmp_path, fit="pad").fit == "pad"
    with pytest.raises(
        ValueError, match=r"no option 'endng'; did you mean 'ending'\? .* exclude_patients$"
    ):
        load_dataset(spec, tmp_path, endng="jpg")
    with pytest.raises(TypeError, match="endng"):
        Folder(tmp_path, endng="jpg")
    with pytest.raises(ValueError, match=r"fit must be one of .* got 'squash'"):
        Folder(tmp_path, fit="squash")


def test_a_subclass_may_take_more_arguments():
    class Sized(Folder):
        def __init__(self, root, split="train", image_size=64, *, most=9, **options):
            super().__init__(root, split, image_size, **options)

    class Fixed(Folder):
        def __init__(self, root, split, image_size):
            super().__init__(root, split, image_size, ending="jpg")

    assert list(inspect.signature(Sized).parameters)[2:5] == ["image_size", "most", "ending"]
    assert inspect.signature(Sized).parameters["image_size"].default == 64
    assert list(inspect.signature(Fixed).parameters) == ["root", "split", "image_size"]


def test_a_data_set_imports_no_code_of_the_others():
    program = (
        "import sys\n"
        "from reclf import load_dataset\n"
        "load_dataset('phantom', '', 'test', 64)[0]\n"
        "print([name for name in ('reclf.datasets.base', 'reclf.datasets.nih', 'pydicom', 'pandas')"
        " if name in sys.modules])"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "given", "rule"),
    [
        (
            "table",
            {"own_max": "False"},
            "own_max of data set 'table' must be true or false, got 'F",
        ),
        ("table", {"headers": "off"}, "must be true or false, got 'off'"),
        ("table", {"own_max": 1}, "must be true or false, got 1"),
        ("table", {"report_column": ["a", "b"]}, r"must be a text or null, got ['a', 'b']"),
        ("table", {"label_columns": 5}, "must be a text or a list of texts or null, got 5"),
        ("table", {"manifest": 5}, "must be a text, got 5"),
        ("table", {"label_separator": None}, "must be a text, got None"),
        ("table", {"exclude_patients": 1000}, "must be a list of texts or a text, got 1000"),
        (
            "table",
            {"mask_columns": "lung"},
            "a list of texts, got 'lung'; for a list of one, write",
        ),
        ("table", {"mask_columns": [["a"]]}, "must be a list of texts, got [['a']]"),
        ("mimic_cxr", {"uncertain": 0}, "must be a text or a mapping, got 0"),
        ("mimic_cxr", {"views": "PA"}, "must be a list of texts, got 'PA'; for a list of one, w"),
        ("nih", {"boxes": "no"}, "must be true or false, got 'no'"),
        ("siim", {"stage": "1"}, "must be a whole number, got '1'"),
        ("siim", {"stage": True}, "must be a whole number, got True"),
    ],
)
def test_an_option_of_another_kind_is_refused(name, given, rule):
    with pytest.raises(ValueError, match=re.escape(rule)):
        find_dataset(name, given)


def test_options_of_their_kinds_are_taken(tmp_path):
    for name, given in [
        ("table", {"own_max": True, "label_columns": ("a",), "box_columns": None}),
        ("table", {"manifest": tmp_path / "a.csv", "exclude_patients": ["1", 2], "fit": "crop"}),
        ("mimic_cxr", {"reports_root": tmp_path, "uncertain": {"Edema": "one"}, "labels": None}),
        ("phantom", {"seed": 3, "hospital": "B"}),
    ]:
        find_dataset(name, given)


def test_options_of_kinds_that_are_not_known_are_taken_as_they_are():
    def made(window: tuple[float, float] = (0, 1), boxes: list[list[str]] = ()): ...

    parameters = inspect.signature(made).parameters
    check_option_types("own", parameters, {"window": [0.1, 0.9], "boxes": [["a"]]})
