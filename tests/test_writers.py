"""Every file is written beside its place and renamed, so that what is there is always whole."""

import ast
import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from sample_explanations import sample

from reclf.copy_notebooks import copy_notebooks
from reclf.explain import Explanation, load_explanations
from reclf.runs.files import temporary_name
from reclf_widgets import save_figure

ROOT = Path(__file__).parents[1]
ONE_WAY = {"write_atomically", "replace_folder", "write_checkpoint", "save_into"}
WRITES = {
    "write_text", "write_bytes", "savefig", "to_csv", "to_json", "to_parquet", "to_feather",
    "to_excel", "write_html", "write_image", "to_pickle", "tofile", "save", "savez",
    "savez_compressed", "savetxt", "savemat", "save_file", "save_model", "save_pretrained",
    "save_to_disk", "imwrite", "imsave", "dump", "extractall", "urlretrieve", "symlink_to",
    "hardlink_to", "touch", "mkstemp", "NamedTemporaryFile",
}  # fmt: skip
OPENS = {"open", "fdopen", "ZipFile", "TarFile", "GzipFile", "memmap", "open_memmap"}  # by a mode
MOVES = {"rename", "replace"}  # of a path: one argument, which is no text and no dict
OF_MODULES = {
    "shutil": {"copy", "copy2", "copyfile", "copyfileobj", "copytree", "move"},
    "os": {"write", "rename", "replace", "link", "symlink", "truncate"},
}
# Keywords that name the file, where there is no argument by place.
PLACES = {"path", "fname", "file", "fp", "f", "filename", "path_or_buf", "save_directory", "data"}
FOR_TESTS = {"write_tiny", "write_image", "write_table"}  # small made-up data sets
# (file, what is called) -> why it may write as it does.
EXCEPTIONS = {
    ("reclf/runs/files.py", "rename"): "the one way",
    ("reclf/runs/files.py", "replace"): "the one way",
    ("reclf/runs/lock.py", "open"): "a lock, which must be the first",
    ("reclf/runs/lock.py", "write"): "a lock, which must be the first",
    ("reclf/runs/lock.py", "touch"): "shows the clock of the file system, and is removed",
    ("reclf/runs/run.py", "open"): "metrics.jsonl, a line at a time",
    ("reclf/training/reader.py", "open"): "left_out.txt, a line at a time",
    ("reclf/datasets/prepare.py", "write_text"): "a folder with a temporary name",
    ("reclf/datasets/prepare.py", "save_to_disk"): "a folder with a temporary name",
    ("reclf/datasets/prepare.py", "replace"): "gives such a folder its name",
    ("reclf/datasets/vindr.py", "replace"): "of pandas",
    ("reclf/models/reclf.py", "save_model"): "stored_model.save_model",
    ("reclf/models/reclf.py", "save_pretrained"): "a temporary folder, which is uploaded",
    ("reclf/models/stored_model.py", "write_text"): "a folder that save_into renames",
    ("reclf/models/stored_model.py", "save_file"): "a folder that save_into renames",
    ("reclf/models/stored_model.py", "save_pretrained"): "a folder that save_into renames",
    ("reclf/models/stored_model.py", "replace"): "moves whole files into somebody's folder",
    ("reclf/models/hub.py", "write_text"): "a temporary folder, which is uploaded",
    ("reclf/tasks/features.py", "save"): "Pooled.save",
    ("notebooks/explore.ipynb", "save"): "Explanation.save",
    ("notebooks/pretrain.ipynb", "save"): "Explanation.save",
    ("notebooks/data_check.ipynb", "write_bytes"): "damages a tiny data set of its own",
    ("notebooks/data_check.ipynb", "copy"): "damages a tiny data set of its own",
    ("widgets/reclf_widgets/case_edits.py", "write_bytes"): "a temporary folder",
    ("widgets/reclf_widgets/take_away.py", "save"): "Explanation.save, which is atomic",
    ("benchmarks/reclf_benchmarks/syncing.py", "write_bytes"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/timing.py", "write_text"): "/proc",
    ("benchmarks/reclf_benchmarks/large_manifest.py", "open"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/large_manifest.py", "save"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/large_manifest.py", "link"): "input of a benchmark",
    ("benchmarks/reclf_benchmarks/data_path.py", "save"): "input of a benchmark",
}


def writes_of(source):
    """(function, what writes, line) of each write that is not given to the ONE_WAY."""
    tree = ast.parse(source)
    nodes = [*ast.walk(tree)]
    given = [
        argument
        for call in nodes
        if isinstance(call, ast.Call) and _name(call.func) in ONE_WAY
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    names = {node.id for argument in given for node in ast.walk(argument)
             if isinstance(node, ast.Name)}  # fmt: skip
    inside = {id(node) for argument in given for node in ast.walk(argument)}
    functions = [f for f in nodes if isinstance(f, ast.FunctionDef)]
    for function in functions:
        if function.name in names:
            inside |= {id(node) for node in ast.walk(function)}
    assigned = {
        target.id: ast.unparse(node.value)
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in nodes:  # write = partial(figure.savefig, ...), which is given by its name
        if isinstance(node, ast.Assign) and any(_name(target) in names for target in node.targets):
            inside |= {id(inner) for inner in ast.walk(node.value)}
    buffers = {name for name, value in assigned.items() if "BytesIO" in value}
    modules = {
        name.asname or name.name: f"{node.module}.{name.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module in OF_MODULES
        for name in node.names
    }
    owner = {id(node): f.name for f in functions for node in ast.walk(f)}
    called = {id(call.func): call for call in nodes if isinstance(call, ast.Call)}
    return [
        (owner.get(id(node), ""), _name(node), node.lineno)
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inside
        if _writes(node, called.get(id(node)), modules, buffers)
    ]


def _name(node):
    return getattr(node, "attr", getattr(node, "id", ""))


def _writes(node, call, modules, buffers):
    """Whether a name stands for a write: it is called so, or handed on."""
    name, text = _name(node), ast.unparse(node)
    module, _, function = modules.get(text, text).rpartition(".")
    if function in OF_MODULES.get(module, ()):
        return True
    if call is None:  # handed on, as in partial(Path.write_text, ...)
        return isinstance(node, ast.Attribute) and name in WRITES
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    if any(isinstance(a, ast.Name) and a.id in buffers for a in call.args):
        return False
    if name in OPENS:
        texts = [str(value.value) for value in values if isinstance(value, ast.Constant)]
        modes = [re.split("[:|]", text)[0] for text in texts]
        is_made = any("O_CREAT" in ast.unparse(value) for value in values)
        return is_made or any(set(m) <= set("rwaxbt+") and set(m) & set("wax+") for m in modes)
    if name in MOVES and isinstance(node, ast.Attribute):
        alone = len(call.args) == 1 and not call.keywords
        return alone and not isinstance(call.args[0], ast.Constant | ast.Dict)
    has_place = call.args or any(keyword.arg in PLACES for keyword in call.keywords)
    return name in WRITES and bool(has_place or name in ("touch", "mkstemp", "NamedTemporaryFile"))


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


def problems(found, exceptions, for_tests):
    """Writes that are no exception, and exceptions that no write needs.

    Args:
        found: (path, function, what writes, line).
    """
    made = {function for _, function, _, _ in found}
    found = [one for one in found if one[1] not in for_tests]
    needed = {(path, called) for path, _, called, _ in found}
    new = [
        f"{path}:{line}: {called} in {function or 'a cell'}: use reclf.runs.files.write_atomically"
        for path, function, called, line in found
        if (path, called) not in exceptions
    ]
    stale = [f"{one}: no longer an exception" for one in (exceptions.keys() - needed)]
    return new + stale + [f"{name}: writes nothing" for name in for_tests - made]


def test_every_write_is_atomic():
    found = [(path, *write) for path, source in sources() for write in writes_of(source)]
    assert problems(found, EXCEPTIONS, FOR_TESTS) == []


def test_an_exception_that_nothing_needs_is_found():
    found = [("a.py", "f", "save", 3), ("a.py", "write_tiny", "open", 5)]
    assert problems(found, {("a.py", "save"): ""}, {"write_tiny"}) == []
    assert problems(found, {}, {"write_tiny"}) == [
        "a.py:3: save in f: use reclf.runs.files.write_atomically"
    ]
    stale = {("a.py", "save"): "", ("a.py", "open"): ""}
    assert problems(found, stale, {"write_tiny"}) == ["('a.py', 'open'): no longer an exception"]
    (gone,) = problems(found, {("a.py", "save"): ""}, {"write_tiny", "write_table"})
    assert gone == "write_table: writes nothing"


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
        "tower.save_pretrained(folder)",
        "tower.save_pretrained(save_directory=folder)",
        "shutil.copy2(a, b)",
        "from shutil import move as put\nput(a, b)",
        "copy = shutil.copytree",
        "os.replace(a, b)",
        "path.replace(target)",
        "path.rename(target)",
        "os.open(path, os.O_CREAT | os.O_WRONLY)",
        "table.to_parquet(path)",
        "np.save(file=path, arr=a)",
        "Image.fromarray(pixels).save(path)",
        "zipfile.ZipFile(path, 'w')",
        "tarfile.open(path, 'w:gz')",
        "path.touch()",
        "keep(partial(Path.write_text, data='a'))",
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
        "write = partial(figure.savefig, format='png')\nwrite_atomically(path, write)",
        "replace_folder(path, tower.save_pretrained)",
        "zipfile.ZipFile(path)",
        "tarfile.open(path, 'r:gz')",
        "text.replace('a', 'b')",
        "array.copy()",
        "table.rename(columns=names)",
        "table.to_csv(index=False)",
    ],
)
def test_other_lines_are_not(good):
    assert writes_of(good) == []


def test_what_a_killed_writer_leaves_is_not_read(tmp_path):
    sample().save(tmp_path / "a.npz")
    temporary_name(tmp_path / "b.npz").write_bytes(b"half")
    assert list(load_explanations(tmp_path)) == ["study-0"]
    assert Explanation.load(tmp_path / "a.npz").study_id == "study-0"


def test_a_figure_keeps_its_kind(tmp_path):
    starts = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}
    for kind, start in starts.items():
        save_figure(Figure(), tmp_path / f"a.{kind}")
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
