"""Notebooks and programs one after the other in one Jupyter kernel: libraries are imported once.

papermill does all that it does for its users, but for the start of the kernel.
"""

import atexit
import json
import os
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path

from jupyter_client.manager import AsyncKernelManager, start_new_kernel
from papermill.cli import papermill as papermill_command
from papermill.engines import NBClientEngine, papermill_engines

ROOT = Path(__file__).parents[1]
HANGS = 300  # seconds of one cell; the longest takes a tenth of it on two busy cores
# Between two users: nothing of the one before, nor the precision of its training.
FRESH = """
get_ipython().reset(new_session=True)
__spec__ = None  # processes that begin from here look for it
import os, sys
if "matplotlib.pyplot" in sys.modules: sys.modules["matplotlib.pyplot"].close("all")
if "accelerate" in sys.modules:
    sys.modules["accelerate"].state.AcceleratorState._reset_state(reset_partial_state=True)
os.chdir({folder!r})
del os, sys
"""
PROGRAM = """
import runpy, sys
sys.argv = {argv!r}
try:
    {run}
except SystemExit as end:
    if end.code not in (None, 0):
        raise RuntimeError(f"the program ended with {{end.code!r}}") from None
"""


class CommandError(Exception):
    """A command that a reader pastes and that fails."""


class RunningKernel(AsyncKernelManager):
    """A kernel that somebody else has started and will end."""

    has_kernel = True

    async def is_alive(self) -> bool:
        return True


class OneKernel:
    """A kernel that runs notebooks and modules, each in a fresh namespace.

    Args:
        variables: of its environment, beside those of this process.
    """

    def __init__(self, **variables: str):
        packages = ("", "phantom", "widgets", "study", "benchmarks")
        path = os.pathsep.join(str(ROOT / name) for name in packages)
        self.manager, self.client = start_new_kernel(
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables}
        )

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, code: str) -> tuple[dict, str]:
        """The kernel's reply and all that the code said."""
        said: list[str] = []

        def note(message: dict) -> None:
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])

        reply = self.client.execute_interactive(code, timeout=HANGS, output_hook=note)
        return reply["content"], "".join(said)

    def fresh(self, folder: Path) -> None:
        self.run(FRESH.format(folder=str(folder)))

    def program(self, words: list[str], folder: Path) -> str:
        """What `python -m MODULE ...`, `python -c CODE` or `python FILE ...` says, without its
        python."""
        self.fresh(folder)
        kind, *rest = words
        if kind == "-m":
            run = f"runpy.run_module({rest[0]!r}, run_name='__main__', alter_sys=True)"
        elif kind == "-c":
            run = f"exec({rest[0]!r}, {{'__name__': '__main__'}})"
        else:
            rest, run = words, f"runpy.run_path({kind!r}, run_name='__main__')"
        reply, said = self.run(PROGRAM.format(argv=rest, run=run))
        if reply["status"] != "ok":
            raise CommandError(f"{words}\n{said[-3000:]}\n{reply['ename']}: {reply['evalue']}")
        return said

    def papermill(self, words: list[str], more: dict, folder: Path) -> None:
        """`papermill ...` in a folder, without its name, and further parameters."""
        running = RunningKernel()
        running.load_connection_info(self.manager.get_connection_info())

        class InKernel(NBClientEngine):
            @classmethod
            def execute_managed_notebook(cls, notebook, kernel_name, **options):
                options |= {"km": running, "execution_timeout": HANGS}
                return super().execute_managed_notebook(notebook, kernel_name, **options)

        papermill_engines.register("one_kernel", InKernel)
        added = [word for name, value in more.items() for word in ("-p", name, json.dumps(value))]
        options = ["--engine", "one_kernel", "--no-progress-bar"]
        self.fresh(folder)
        said = StringIO()
        try:
            with chdir(folder), redirect_stdout(said), redirect_stderr(said):
                papermill_command.main([*words, *added, *options], standalone_mode=False)
        except Exception as error:
            raise CommandError(f"{words}\n{said.getvalue()[-2000:]}\n{error}") from error


@cache
def shared_kernel() -> OneKernel:
    """One for all tests of this process."""
    kernel = OneKernel()
    atexit.register(kernel.close)
    return kernel
