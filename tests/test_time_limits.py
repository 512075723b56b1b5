"""No test can wait for ever: what waits for a process has a limit, and `commands.py` helps."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
WAITS = {"run", "call", "check_call", "check_output"}  # of subprocess, which take a timeout
NO_LIMIT = {"getoutput", "getstatusoutput"}  # of subprocess, which take none


def endless_waits(source):
    """(line, code) of what waits for another process without a limit."""
    return [
        (node.lineno, ast.unparse(node).splitlines()[0])
        for node in ast.walk(ast.parse(source))
        if _waits(node)
    ]


def _waits(node):
    if isinstance(node, ast.ImportFrom):  # a bare `run(...)` could not be read below
        return node.module == "subprocess"
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    owner, name = ast.unparse(node.func.value), node.func.attr
    limited = any(keyword.arg == "timeout" for keyword in node.keywords)
    if owner == "subprocess":
        return name in NO_LIMIT or (name in WAITS and not limited)
    if name == "communicate":  # its first argument is the input
        return not limited
    if name in ("wait", "join"):  # of a process or a thread; str.join has an argument
        return not limited and not node.args
    return (owner, name) == ("os", "system")


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['a'], check=True)",
        "subprocess.check_output(['a'])",
        "subprocess.getoutput('a')",
        "from subprocess import run",
        "subprocess.Popen(['a']).wait()",
        "process.communicate(b'input')",
        "thread.join()",
        "os.system('a')",
    ],
)
def test_an_endless_wait_is_found(code):
    assert endless_waits(f"x = 1\n{code}") == [(2, code)]


def test_waits_with_a_limit_are_fine():
    assert not endless_waits(
        "subprocess.run(['a'], timeout=3)\nprocess.wait(15)\nprocess.wait(timeout=3)\n"
        "process.communicate(timeout=3)\n', '.join(words)\nsubprocess.Popen(['a'])"
    )


def test_every_wait_of_a_test_has_a_limit():
    found = [
        f"{path.relative_to(TESTS.parent)}:{line}: {code}"
        for path in sorted(TESTS.rglob("*.py"))
        for line, code in endless_waits(path.read_text(encoding="utf-8"))
    ]
    assert not found, "use commands.run_command, or give a timeout:\n" + "\n".join(found)
