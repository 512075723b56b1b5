"""Every file is written beside its place and renamed, so that what is there is always whole."""

import ast
import json
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from sample_explanations import sample

from reclf.copy_notebooks import copy_notebooks
from reclf.explain import Explanation, load_explanations
from reclf.tasks.features import Pooled
from reclf_widgets import MatchingExplorer, save_figure

ROOT = Path(__file__).parents[1]
WRITES = {
    "write_text", "write_bytes", "savefig", "to_csv", "to_json", "to_parquet", "write_html",
    "save", "savez", "savez_compressed", "savetxt", "save_file", "save_to_disk", "imwrite",
    "imsave", "dump", "write_image", "to_pickle", "tofile",
}  # fmt: skip
FOR_TESTS = {"write_tiny", "write_image", "write_table"}  # small made-up data sets
# (file, what is called) -> why it may write as it does.
EXCEPTIONS = {
    ("reclf/runs/run.py", "open"): "metrics.jsonl, a line at a time",
    ("reclf/training/reader.py", "open"): "left_out.txt, a line at a time",
    ("reclf/datasets/prepare.py", "write_text"): "a .part folder, renamed when it is whole",
    ("reclf/datasets/prepare.py", "save_to_disk"): "a .part folder, renamed when it is whole",
    ("reclf/training/checkpoints.py", "open"): "a folder that Run.write_checkpoint renames",
    ("reclf/training/checkpoints.py", "save"): "a folder that Run.write_checkpoint renames",
    ("reclf/models/stored_model.py", "write_text"): "a folder that Run.write_checkpoint renames",
    ("reclf/models/stored_model.py", "save_file"): "a folder that Run.write_checkpoint renames",
    ("reclf/models/hub.py", "write_text"): "a temporary folder, which is uploaded",
    ("reclf/tasks/features.py", "save"): "Pooled.save",
    ("notebooks/explore.ipynb", "save"): "Explanation.save",
    ("notebooks/pretrain.ipynb", "save"): "Explanation.save",
    ("notebooks/data_check.ipynb", "write_bytes"): "damages a tiny data set of its own",
    ("widgets/reclf_widgets/explorer.py", "write_bytes"): "a temporary folder",
    ("benchmarks/reclf_benchmarks/timing.py", "write_text"): "/proc",
    ("benchmarks/reclf_benchmarks/large_manifest.py", "open"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/large_manifest.py", "save"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/data_path.py", "save"): "input of a benchmark",
}


def writes_of(source):
    """(function, what is called, line) of each write that is not given to `write_atomically`."""
    tree = ast.parse(source)
    given = [
        argument
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and _name(call) == "write_atomically"
        for argument in call.args
    ]
    names = {node.id for argument in given for node in ast.walk(argument)
             if isinstance(node, ast.Name)}  # fmt: skip
    inside = {id(node) for argument in given for node in ast.walk(argument)}
    functions = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)]
    for function in functions:
        if function.name in names:
            inside |= {id(node) for node in ast.walk(function)}
    buffers = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "BytesIO" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    owner = {id(node): f.name for f in functions for node in ast.walk(f)}
    return [
        (owner.get(id(call), ""), _name(call), call.lineno)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and id(call) not in inside and _writes(call)
        if not any(isinstance(a, ast.Name) and a.id in buffers for a in call.args)
    ]


def _name(call):
    function = call.func
    return getattr(function, "attr", getattr(function, "id", ""))


def _writes(call):
    if _name(call) == "open":
        values = chain(call.args, (keyword.value for keyword in call.keywords))
        texts = [str(value.value) for value in values if isinstance(value, ast.Constant)]
        return any(set(text) <= set("rwaxbt+") and set(text) & set("wax+") for text in texts)
    return _name(call) in WRITES and bool(call.args)


def sources():
    """Path from the root -> Python, of packages and notebooks."""
    for room in ("reclf", "study", "benchmarks", "widgets", "phantom"):
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        lines = "\n".join(code).splitlines()
        kept = ["" if line.startswith(("%", "!")) else line for line in lines]
        yield path.relative_to(ROOT).as_posix(), "\n".join(kept)


def test_every_write_is_atomic():
    found = [
        f"{path}:{line}: {called} in {function or 'a cell'}"
        for path, source in sources()
        for function, called, line in writes_of(source)
        if function not in FOR_TESTS and (path, called) not in EXCEPTIONS
    ]
    assert not found, "use reclf.runs.files.write_atomically:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "bad",
    [
        "open(path, 'w')",
        "path.open(mode='ab')",
        "Path(path).write_text('a')",
        "figure.savefig(path)",
        "np.savez_compressed(path, a=1)",
        "torch.save(state, path)",
        "table.to_csv(path)",
        "json.dump(values, file)",
        "def write(path):\n    path.write_text('a')\nwrite(Path('a'))",
    ],
)
def test_a_plain_write_is_found(bad):
    assert len(writes_of(bad)) == 1


@pytest.mark.parametrize(
    "good",
    [
        "open(path)",
        "open(path, 'rb', encoding='utf-8')",
        "write_atomically(path, lambda p: p.write_text(text))",
        "write_atomically(path, partial(figure.savefig, format='png'))",
        "def write(path):\n    path.write_text('a')\nwrite_atomically(path, write)",
        "buffer = io.BytesIO()\nfigure.savefig(buffer)",
    ],
)
def test_other_lines_are_not(good):
    assert writes_of(good) == []


def explanation(path):
    sample().save(path)


def features(path):
    Pooled({"a": np.ones((2, 3))}, np.ones((2, 1)), ("x",), ("s", "t"), ("p", "q")).save(path)


def page(path):
    MatchingExplorer([sample()]).to_html(path)


def figure(path):
    save_figure(Figure(), path)


@pytest.mark.parametrize(
    ("write", "name"),
    [(explanation, "a.npz"), (features, "a.npz"), (page, "a.html"),
     *((figure, f"a.{kind}") for kind in ("png", "pdf", "svg"))],
)  # fmt: skip
def test_a_write_that_fails_leaves_the_good_file(tmp_path, monkeypatch, write, name):
    path = tmp_path / "new folder" / name
    write(path)
    good = path.read_bytes()

    def full(self, target):
        half = self.read_bytes()[: self.stat().st_size // 2]
        assert half, "nothing was written beside the place of the file"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write(path)
    assert [one.name for one in path.parent.iterdir()] == [name]
    assert path.read_bytes() == good


def test_what_a_killed_writer_leaves_is_not_read(tmp_path):
    sample().save(tmp_path / "a.npz")
    (tmp_path / ".b.npz.77").write_bytes(b"half")
    assert list(load_explanations(tmp_path)) == ["study-0"]
    assert Explanation.load(tmp_path / "a.npz").study_id == "study-0"


def test_a_figure_keeps_its_kind(tmp_path):
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for kind, start in starts.items():
        figure(tmp_path / f"a.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes().startswith(start)


def test_a_notebook_is_whole_or_the_old_one(tmp_path, monkeypatch):
    copy_notebooks(tmp_path)
    (tmp_path / "pretrain.ipynb").write_text("mine")

    def full(self, target):
        raise OSError(28, "full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="full"):
        copy_notebooks(tmp_path, force=True)
    assert (tmp_path / "pretrain.ipynb").read_text() == "mine"
