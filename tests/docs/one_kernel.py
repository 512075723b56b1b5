"""Notebooks and programs one after the other in one Jupyter kernel: libraries are imported once.

papermill does all that it does for its users; only its last step, the execution of cells, is this.
"""

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel
from papermill.cli import papermill as papermill_command
from papermill.engines import Engine, papermill_engines

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


class OneKernel:
    """A kernel that runs notebooks and modules, each in a fresh namespace."""

    def __init__(self, environment: dict[str, str]):
        self.manager, self.client = start_new_kernel(env=environment)

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
        """`papermill ...`, without its name, and further parameters."""
        kernel = self
        kernel.fresh(folder)

        class InKernel(Engine):
            @classmethod
            def execute_managed_notebook(cls, notebook, kernel_name, **_):
                for index, cell in enumerate(notebook.nb.cells):
                    if cell.cell_type != "code":
                        continue
                    notebook.cell_start(cell, index)
                    reply, _ = kernel.run(cell.source)
                    if reply["status"] != "ok":
                        error = {key: reply[key] for key in ("ename", "evalue", "traceback")}
                        cell.outputs = [nbformat.v4.new_output("error", **error)]
                        notebook.cell_exception(cell, index, exception=None)
                        return
                    notebook.cell_complete(cell, index)

        papermill_engines.register("one_kernel", InKernel)
        added = [word for name, value in more.items() for word in ("-p", name, json.dumps(value))]
        options = ["--engine", "one_kernel", "--no-progress-bar"]
        said = StringIO()
        try:
            with redirect_stdout(said), redirect_stderr(said):
                papermill_command.main([*words, *added, *options], standalone_mode=False)
        except Exception as error:
            raise CommandError(f"{words}\n{said.getvalue()[-2000:]}\n{error}") from error
