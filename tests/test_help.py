"""Help texts and wrong options of all commands do not wait for torch, which takes seconds."""

from pathlib import Path

import pytest
from commands import run_python
from import_graph import find_modules

ROOT = Path(__file__).parents[1]
ROOTS = [ROOT, *(ROOT / name for name in ("phantom", "study", "benchmarks", "widgets"))]
COMMANDS = [
    name.removesuffix(".__main__")
    for name, path in find_modules(ROOTS).items()
    if name.startswith("reclf") and 'if __name__ == "__main__":' in path.read_text()
]
HEAVY = ("torch", "transformers", "accelerate", "matplotlib", "scipy")
# Run as `python -m` runs it; the last line is how it ended, and what of HEAVY was imported.
CODE = f"""
import runpy, sys
sys.argv[0] = name = sys.argv.pop(1)
try:
    runpy.run_module(name, run_name="__main__", alter_sys=True)
except SystemExit as end:
    print(end.code, *sorted(sys.modules.keys() & set({HEAVY!r})))
"""


def end_of(*words):
    """What the command printed, and how it ended: "0" or "2", with the heavy imports."""
    *printed, end = run_python(CODE, *words, cwd=ROOT).splitlines()
    return "\n".join(printed), end


def test_the_commands_are_found():
    some = {"reclf.pretrain", "reclf.import_encoder", "reclf.copy_notebooks"}
    assert some | {"reclf_study.paper_table", "reclf_benchmarks.two_versions"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_help_text_does_not_wait_for_torch(command):
    printed, end = end_of(command, "--help")
    assert printed.startswith("usage: ")
    assert end == "0"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_option_does_not_wait_for_torch(command):
    assert end_of(command, "--no-such-option") == ("", "2")


@pytest.mark.parametrize(
    "wrong", ["--prset=mimic_vit", "--preset=mimic", "--set=train.seed", "--accept=all"]
)
def test_a_wrong_word_to_pretrain_does_not_wait_for_torch(tmp_path, wrong):
    assert end_of("reclf.pretrain", "--run-dir", str(tmp_path / "run"), wrong) == ("", "2")
