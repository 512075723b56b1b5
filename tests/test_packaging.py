"""One list of packages, one list of pins, an environment that delegates to both, and the wheel."""

import ast
import os
import re
import sys
import sysconfig
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires, version
from pathlib import Path

import pytest
import yaml
from commands import run_command, run_python
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import reclf

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
# Dependencies that no file imports: programs, and plugins.
NOT_IMPORTED = {
    "jupyterlab",
    "ipywidgets",  # anywidget's widgets are made of it
    "papermill",
    "pylibjpeg",  # decoders that pydicom finds by itself
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "tensorboard",  # which accelerate imports when a run asks for it
}
# What comes with Python or with a CUDA build of torch, and is pinned by neither.
NOT_PINNED = re.compile("pip|setuptools|triton|cuda-.*|nvidia-.*")


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
    assert pip == ["-c constraints.txt", "-e ."]
    others = [item for item in environment["dependencies"] if isinstance(item, str)]
    assert {item.split("=")[0] for item in others} == {"python", "pip", "git", "make"}
    python = next(item for item in others if item.startswith("python")).split("=")[1]
    assert Requirement(f"python{project()['requires-python']}").specifier.contains(python)


def test_what_is_installed_is_what_is_pinned():
    pinned = pins()
    for name in CARD:
        assert version(name).split("+")[0] == pinned[canonicalize_name(name)]


def test_exactly_what_is_needed_is_pinned():
    pinned = {name: version for name, version in pins().items() if name != "overrides"}
    if sys.version_info < (3, 12):
        pinned["overrides"] = pins()["overrides"]  # jupyter-events needs it there only
    needed = needs([*project()["dependencies"], *project()["optional-dependencies"]["dev"]])
    assert {name: at for name, at in needed.items() if not NOT_PINNED.fullmatch(name)} == pinned


def needs(requirements):
    """name -> installed version of requirements with all that they require in turn."""
    found, open_ = {}, [(Requirement(text), "") for text in requirements]
    done = set()
    while open_:
        requirement, extra = open_.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            found[name] = version(name).split("+")[0]
        except PackageNotFoundError:
            pytest.fail(f"{name} is needed and not installed: make install-dev")
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in done:
                done.add((name, wanted))
                open_ += [(Requirement(text), wanted) for text in requires(name) or ()]
    return found


def test_what_is_imported_is_named_and_what_is_named_is_imported():
    named = {canonicalize_name(Requirement(text).name) for text in project()["dependencies"]}
    homes = packages_distributions()
    imported = set()
    for folder in ("reclf", "phantom", "widgets", "study", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            imported |= modules(path.read_text(encoding="utf-8"))
    imported -= sys.stdlib_module_names
    imported -= {"reclf", *(f"reclf_{x}" for x in ("phantom", "widgets", "study", "benchmarks"))}
    packages = {name: {canonicalize_name(home) for home in homes[name]} for name in imported}
    assert not {name: homes for name, homes in packages.items() if not homes & named}
    assert named - set().union(*packages.values()) <= NOT_IMPORTED


def modules(source):
    """The first parts of what a file imports, its own package left out."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_training_installs_no_test_tools():
    tools = {"pytest", "mypy", "ruff", "playwright", "pydicom-data", "torchmetrics"}
    tools |= {"axe-playwright-python"}
    assert not tools & needs(project()["dependencies"]).keys()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = run_command(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT]
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def tracked(*patterns):
    return set(run_command(["git", "ls-files", *patterns], cwd=ROOT).stdout.split())


def packaged_notebooks():
    """Those that need no checkout, with their README."""
    notebooks = tracked(":(glob)notebooks/*.ipynb", "notebooks/README.md")
    return notebooks - {"notebooks/paper_table.ipynb"}


@pytest.mark.slow
def test_the_wheel_holds_its_packages_their_data_and_the_notebooks(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = tracked("reclf", "phantom/reclf_phantom", "widgets/reclf_widgets")
    packages = {x.removeprefix("widgets/").removeprefix("phantom/") for x in sources}
    notebooks = {f"reclf/{x}" for x in packaged_notebooks()}
    metadata = f"reclf-{project()['version']}.dist-info/"
    assert packages
    assert notebooks
    assert {x for x in names if not x.startswith(metadata)} == packages | notebooks
    for data in (
        "datasets/phantom/words.json",
        "data/lexicons/chest.json",
        "tasks/prompts/nih.json",
    ):
        assert f"reclf/{data}" in names
    assert any(x.startswith("reclf_widgets/") and x.endswith(".js") for x in names)


@pytest.mark.slow
def test_who_installs_the_wheel_has_the_packages_and_gets_the_notebooks(wheel, tmp_path):
    """In an environment of its own that borrows what the packages need, and not this checkout."""
    for step in (
        ["-m", "venv", "--without-pip", tmp_path / "venv"],
        ["-m", "pip", "--python", tmp_path / "venv", "install", "-q", "--no-deps", wheel],
    ):
        done = run_command([sys.executable, *step])
        assert done.returncode == 0, done.stderr
    (tmp_path / "empty").mkdir()
    # A .pth file that leads to a checkout is only read in an environment's own site-packages.
    borrowed = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}

    def python(*arguments):
        command = [tmp_path / "venv/bin/python", *arguments]
        done = run_command(command, cwd=tmp_path / "empty", env=borrowed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    code = (
        "import reclf, reclf_widgets, reclf.pretrain, importlib.util\n"
        "print(reclf.__file__, reclf_widgets.__file__, reclf.__version__)\n"
        "print(importlib.util.find_spec('reclf_study'))"
    )
    first, second = python("-c", code).splitlines()
    assert first.count(str(tmp_path / "venv")) == 2
    assert first.split()[-1] == project()["version"]
    assert second == "None"
    assert "cd mine" in python("-m", "reclf.copy_notebooks", "mine")
    copied = {f"notebooks/{path.name}" for path in (tmp_path / "empty/mine").iterdir()}
    assert copied == packaged_notebooks()


def test_the_range_of_python_is_what_the_classifiers_name():
    named = re.findall(r":: Python :: (3\.\d+)", "\n".join(project()["classifiers"]))
    allowed = Requirement(f"python{project()['requires-python']}").specifier
    assert named == [f"3.{minor}" for minor in range(20) if f"3.{minor}" in allowed]


def test_one_version():
    assert project()["version"] == reclf.__version__
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first.group(1) == reclf.__version__


def test_no_file_names_a_machine_or_a_registry():
    machine = r"(/root/|/home/[a-z]|/work/[a-z]|file:///|pypi\.org/simple)"
    done = run_command(["git", "grep", "-nIE", machine], cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("tests/test_packag")]
    assert not lines


@pytest.mark.parametrize(("given", "used"), [({}, "1000"), ({"GOMP_SPINCOUNT": "5"}, "5")])
def test_waiting_threads_spin_briefly_unless_told_otherwise(given, used):
    code = "import reclf, os, sys; print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    mine = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    assert run_python(code, env={**mine, **given}).split() == [used, "False"]
