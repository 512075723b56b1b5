"""The rooms of the project: imports go down, nothing goes in a circle, and the core stays small."""

from itertools import pairwise
from pathlib import Path

import pytest
from commands import run_python
from import_graph import (
    closure_lines,
    find_circles,
    find_modules,
    import_graph,
    line_count,
    reach,
)

ROOT = Path(__file__).parents[1]
# From the lowest to the highest: a room imports from rooms before it.
ROOMS = ("config", "stats", "runs", "data", "models", "datasets", "tasks", "training", "explain")
# At the top of reclf/, above all rooms.
TOP = ("pretrain", "import_encoder", "copy_notebooks")
GROUND = "reclf_phantom"  # below all rooms: it imports nothing of the project
OTHERS = ("reclf_study", "reclf_benchmarks", "reclf_widgets")
HEAVY = (
    "IPython", "ipywidgets", "anywidget", "matplotlib", "plotly", "captum", "monai", "papermill",
)  # fmt: skip


@pytest.fixture(scope="module")
def modules():
    roots = [ROOT, *(ROOT / name for name in ("phantom", "study", "benchmarks", "widgets"))]
    packages = ("reclf", GROUND, *OTHERS)
    return {n: p for n, p in find_modules(roots).items() if n.split(".")[0] in packages}


@pytest.fixture(scope="module")
def graph(modules):
    return import_graph(modules)


def room(name):
    """The room of a module of reclf, its top, or another package."""
    package, *inner = name.split(".")
    return package if package != "reclf" else inner[0] if inner else "reclf"


def test_every_file_is_in_a_room(modules):
    assert {room(name) for name in modules} - {*ROOMS, *TOP, *OTHERS, GROUND, "reclf"} == set()


def test_no_import_goes_up(graph):
    height = {name: k for k, name in enumerate(ROOMS)}
    height |= dict.fromkeys(TOP, len(ROOMS)) | dict.fromkeys(OTHERS, len(ROOMS) + 1)
    height["reclf"] = height[GROUND] = -1  # reclf itself imports by name, at run time
    up = [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in others
        if room(name) != room(other) and height[room(name)] < height[room(other)]
    ]
    assert up == []


def test_no_circle_between_files(graph):
    assert find_circles(graph) == []


def test_no_circle_between_rooms(graph):
    rooms: dict[str, set[str]] = {}
    for name, others in graph.items():
        rooms.setdefault(room(name), set()).update(map(room, others))
    assert find_circles(rooms) == []


def test_the_core_is_small(modules, graph):
    visible = [path for path in (ROOT / "reclf").iterdir() if path.name[:2] not in ("__", "._")]
    assert len(visible) <= 12
    lines = sum(line_count(path) for name, path in modules.items() if name.startswith("reclf."))
    assert lines <= 24_740
    assert closure_lines(modules, graph, "reclf.models.reclf") <= 5_665
    assert closure_lines(modules, graph, "reclf.pretrain") <= 12_650


@pytest.mark.parametrize(
    ("name", "absent"), [("reclf", (*HEAVY, "torch")), ("reclf.pretrain", HEAVY)]
)
def test_an_import_loads_nothing_heavy(name, absent):
    """`reclf.pretrain` imports what a user of the settings, of runs and of the model does."""
    code = f"import sys, {name}; print(*sorted(set({absent!r}) & sys.modules.keys()))"
    assert run_python(code, cwd=ROOT).split() == []


# -- the graph itself, on a made-up tree ---------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """Module -> source of a package `house` and one beside it."""
    sources = {
        "house/__init__.py": "",
        "house/cellar.py": "import os\n\nWINE = 1\n",
        "house/floor/__init__.py": "from .room import chair\n",
        "house/floor/room.py": "def chair():\n    from house import roof, cellar\n",
        "house/roof.py": "from .floor.room import chair as seat\n",
        "garden/__init__.py": "import house.cellar\nfrom house.floor import chair\n",
        "notes/text.py": "import house.roof\n",
    }
    for name, source in sources.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return find_modules([tmp_path])


def test_imports_are_found_wherever_they_stand(tree):
    assert "notes.text" not in tree  # no package
    graph = import_graph(tree)
    assert graph["house.cellar"] == set()
    assert graph["house.floor"] == {"house.floor.room"}
    assert graph["house.floor.room"] == {"house.roof", "house.cellar"}
    assert graph["house.roof"] == {"house.floor.room"}
    assert graph["garden"] == {"house.cellar", "house.floor"}
    assert find_circles(graph) == [("house.floor.room", "house.roof")]
    assert reach(graph, ["house.roof"]) == {"house.roof", "house.floor.room", "house.cellar"}


def test_lines_of_a_closure_count_packages_too(tree):
    graph = import_graph(tree)
    assert closure_lines(tree, graph, "house.cellar") == 3
    # roof 1, floor/__init__ 1, floor/room 2, cellar 3; house/__init__ is empty
    assert closure_lines(tree, graph, "house.roof") == 7


def test_circles_of_three():
    chain = {a: {b} for a, b in pairwise("abca")}
    assert find_circles(chain | {"d": {"a"}}) == [("a", "b", "c")]
    assert find_circles({"a": {"b"}, "b": set()}) == []
