import inspect
import subprocess
import sys

import pytest

from reclf.datasets.base import Loader, LoaderOptions, Row
from reclf.datasets.nih import Nih
from reclf.datasets.registry import load_dataset
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
