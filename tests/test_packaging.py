"""One list of packages, one list of pins, and an environment that delegates to both."""

import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from commands import run_command, run_python
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
CARD = (
    "torch",
    "transformers",
    "jupyterlab",
    "ipywidgets",
    "matplotlib",
    "plotly",
    "papermill",
    "captum",
)


def pins():
    lines = (ROOT / "constraints.txt").read_text().split()
    return {canonicalize_name(name): version for name, version in (x.split("==") for x in lines)}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_every_dependency_is_pinned():
    names = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]
    pinned = pins()
    for requirement in map(Requirement, names):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name])


def test_the_card_is_reached():
    named = {canonicalize_name(Requirement(text).name) for text in project()["dependencies"]}
    assert named.issuperset(CARD)


def test_environment_yml_delegates():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    pip = next(item["pip"] for item in environment["dependencies"] if isinstance(item, dict))
    assert pip == ["-c constraints.txt", "-e .[dev]"]
    others = [item for item in environment["dependencies"] if isinstance(item, str)]
    assert {item.split("=")[0] for item in others} == {"python", "pip", "git", "make"}
    python = next(item for item in others if item.startswith("python")).split("=")[1]
    assert Requirement(f"python{project()['requires-python']}").specifier.contains(python)


def test_what_is_installed_is_what_is_pinned():
    from importlib.metadata import version

    pinned = pins()
    for name in CARD:
        assert version(name).split("+")[0] == pinned[canonicalize_name(name)]


@pytest.mark.slow
def test_the_wheel_holds_both_packages_and_their_data(tmp_path):
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT]
    built = run_command(pip)
    assert built.returncode == 0, built.stderr
    import zipfile

    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    listing = run_command(["git", "ls-files", "reclf", "widgets/reclf_widgets"], cwd=ROOT)
    tracked = listing.stdout.split()
    assert tracked
    missing = {name.removeprefix("widgets/") for name in tracked} - names
    assert not missing


def test_no_file_names_a_machine_or_a_registry():
    machine = r"(/root/|/home/[a-z]|/work/[a-z]|file:///|pypi\.org/simple)"
    done = run_command(["git", "grep", "-nIE", machine], cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("tests/test_packag")]
    assert not lines


def test_importing_reclf_is_light():
    code = "import reclf, sys; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = run_python(code)
    heavy = ("torch", "IPython", "ipywidgets", "matplotlib", "plotly", "captum", "monai")
    assert not [name for name in heavy if f"'{name}'" in loaded]
