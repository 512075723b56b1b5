"""Every command that a document shows runs as it is pasted: on tiny data, in few steps."""

import json
import re
import shutil
import stat
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.launch import launch_command_parser
from commands import run_command
from one_kernel import shared_kernel
from pages import ROOT
from pasted import (
    FEW_STEPS,
    PHANTOM,
    SUITE,
    TOWERS,
    Block,
    all_blocks,
    few,
    on_tiny_data,
    parameters_of,
    split,
)
from tiny_world import write_data
from torch.distributed.run import get_args_parser

pytestmark = pytest.mark.slow

BLOCKS = all_blocks()
# Beginnings of commands that are not run, and why.
NOT_RUN = {
    "make test": "is what runs this",
    "git worktree add": "needs two commits, as the next one does",
    "python -m reclf_benchmarks.two_versions": "needs two checkouts; tests/benchmarks runs it",
    "python -m reclf.import_encoder": "needs weights of others; tests/test_import_encoder.py",
    "papermill notebooks/study/oracle.ipynb": "half a minute; tests/notebooks runs it",
    "python tests/browser/take_screenshots.py": "needs a browser; tests/browser has it",
}
STUB = """#!{python}
import json, sys
with open("pasted.jsonl", "a") as file:
    file.write(json.dumps([{name!r}, *sys.argv[1:]]) + "\\n")
"""


def is_run(command):
    return not any(command.startswith(beginning) for beginning in NOT_RUN)


def test_what_is_not_run_is_still_there():
    commands = [command for block in BLOCKS for command in block.commands]
    assert [b for b in NOT_RUN if not any(c.startswith(b) for c in commands)] == []
    pages = {block.page for block in BLOCKS}
    assert {"README.md", "docs/data.md", "docs/tasks.md", "docs/training.md"} <= pages
    assert {f"notebooks/{name}.ipynb" for name in ("pretrain", "prepare", "zero_shot")} <= pages


@pytest.fixture(scope="module")
def kernel():
    return shared_kernel()


@pytest.fixture(scope="module")
def world(kernel, tmp_path_factory):
    """Tiny data, and two runs: one of the phantom, one of image-report pairs."""
    world = tmp_path_factory.mktemp("world")
    data = write_data(world / "data")
    (world / "runs").mkdir()
    reports = {"data.options": {"reports_root": str(data / "mimic-cxr-reports")}}
    made = {
        "phantom": ({}, FEW_STEPS | TOWERS | PHANTOM),
        "pairs": (
            {
                "preset": "mimic_resnet50",
                "data_root": f"{data}/mimic-cxr-jpg",
                "on_problem": "skip",
            },
            FEW_STEPS | TOWERS | reports | {"model.image_size": 64},
        ),
    }
    for name, (parameters, settings) in made.items():
        words = [str(ROOT / "notebooks/pretrain.ipynb"), str(world / f"{name}.ipynb")]
        given = {**parameters, "run_dir": f"{world}/runs/{name}"}
        words += [word for item in given.items() for word in ("-p", *item)]
        kernel.papermill(words, {"overrides": settings, "studies": 24}, world)
    return world


@pytest.fixture
def clone(world, tmp_path, monkeypatch):
    """A folder as a reader's clone: the documents and notebooks, and the runs that are needed."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "installed").touch()  # newer than what says how
    for path in (*tmp_path.glob("notebooks/suites/*.yaml"), tmp_path / "my_suite.yaml"):
        own = yaml.safe_load(path.read_text()) if path.exists() else SUITE
        path.write_text(json.dumps(SUITE | {"folder": own["folder"]}))  # JSON is YAML
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def give_runs(block, world, clone):
    for name in block.needed:
        kind = "phantom" if name in ("runs/first", "runs/gloria", "runs/ablation") else "pairs"
        places = [clone / name]
        if f"{name}/*" in block.text:  # a folder of runs
            places = [clone / name / "mean-seed0", clone / name / "mean-seed1"]
        for place in places:
            shutil.copytree(world / "runs" / kind, place)


# The same command, in two documents, runs once: what was asked -> what it said, and copies of the
# run folders that it made.
done = {}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_runs_as_it_is_pasted(block, kernel, world, clone):
    give_runs(block, world, clone)
    for command in block.commands:
        if command.startswith("cat > "):
            first, *lines = on_tiny_data(command, world / "data").splitlines()
            (clone / first.split()[2]).write_text("\n".join(lines[:-1]))
            continue
        words = split(on_tiny_data(command, world / "data"))
        if is_run(command):
            run(words, kernel, clone)


def once(words, clone, execute):
    """What a command says that makes its run folders anew, or makes none; the second time it is not
    run, and the folders are copies."""
    asked, made = what_is_asked(words), Block("", 0, (" ".join(words),)).made
    if any(path.is_file() for name in made for path in (clone / name).rglob("*")):
        return execute()  # it goes on
    if asked not in done:
        copies = clone / "copies" / str(len(done))
        said = execute()
        found = {name: copies / name for name in made if (clone / name).is_dir()}
        for name, copy in found.items():
            shutil.copytree(clone / name, copy)
        done[asked] = said, found
        return said
    assert words[0] == "python" or (clone / words[2]).parent.is_dir()  # of the executed notebook
    said, copies = done[asked]
    for name, copy in copies.items():
        shutil.copytree(copy, clone / name, dirs_exist_ok=True)
    return said


def what_is_asked(words):
    """Of a papermill line, all but where the executed notebook goes."""
    return tuple(words[:2] + words[3:] if words[0] == "papermill" else words)


def run(words, kernel, clone):
    """Run a command; what a program says."""
    if ">" in words:
        place = words.index(">")
        (clone / words[place + 1]).write_text(run(words[:place], kernel, clone))
        return None
    program, *rest = words
    if program == "papermill":
        parameters = parameters_of(rest)
        more = few(Path(rest[0]).stem, parameters)
        once(words, clone, lambda: kernel.papermill(rest, more, clone))
    elif program == "python":
        more = few_settings(rest, clone)
        return once(words, clone, lambda: kernel.program(rest + more, clone))
    elif program == "make":
        for made in recipe(rest, clone):
            run(made, kernel, clone)
    elif program in ("mkdir", "cp"):
        assert run_command(words, cwd=clone).returncode == 0, words
    elif program == "accelerate":
        given = launch_command_parser().parse_args(rest[1:])
        assert (rest[0], given.module) == ("launch", True)
        run(["python", "-m", given.training_script, *given.training_script_args], kernel, clone)
    elif program == "torchrun":
        given = get_args_parser().parse_args(rest)
        assert given.module
        run(["python", "-m", given.training_script, *given.training_script_args], kernel, clone)
    elif program == "exec":
        run(rest, kernel, clone)
    elif program == "sbatch" and rest[0].endswith(".sbatch"):  # tests/training has its signals
        lines = (clone / rest[0]).read_text().splitlines()
        for line in [line for line in lines if line.startswith("python ")]:
            run(split(line), kernel, clone)
    elif program == "sbatch":  # its first job
        job = rest[rest.index("--wrap") + 1]
        line = "SLURM_ARRAY_TASK_ID=1; echo " + job.replace('"', "")
        run(split(run_command(["bash", "-c", line], cwd=clone).stdout), kernel, clone)
    elif program == "srun":
        shell = rest.index("-c")
        inside = re.sub(r"\$HEAD", "127.0.0.1", re.sub(r"\$SLURM_\w+", "0", rest[shell + 1]))
        run(split(inside), kernel, clone)
    else:
        pytest.fail(f"no rule for {program!r}: {words}")
    return None


def few_settings(words, clone):
    """Further words of a training by its module; a run that goes on has its settings."""
    if words[:2] != ["-m", "reclf.pretrain"]:
        return []
    text = " ".join(words)
    begun = (clone / words[words.index("--run-dir") + 1] / "config.json").is_file()
    if begun and "--preset" not in text:
        return []
    is_phantom = "--preset" not in text and "data.root" not in text
    settings = FEW_STEPS | TOWERS | (PHANTOM if is_phantom else {})
    texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in settings.items()}
    return [f"--set={name}={text}" for name, text in texts.items()]


def recipe(words, clone):
    """The commands of a target, by programs that write down how they were called."""
    for name in ("papermill", "python"):
        path = clone / name
        path.write_text(STUB.format(python=sys.executable, name=name))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    calls = clone / "pasted.jsonl"
    calls.unlink(missing_ok=True)
    ran = run_command(["make", *words, "READY=installed", f"BIN={clone}"], cwd=clone)
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in calls.read_text().splitlines()]
