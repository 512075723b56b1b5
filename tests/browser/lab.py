"""JupyterLab as a child process, and what a page of it can be asked.

The server sees no settings of this machine: configuration, data, workspaces and home lie in a
temporary folder. Its interpreter is the one of the tests, so the front ends are those installed.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

TOKEN = "token-of-the-tests"
SETTINGS = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "notebook-extension/tracker": {"windowingMode": "none"},  # else cells out of view are absent
    "docmanager-extension/plugin": {"autosave": False},
}
# An idle indicator is not enough: before there is a session it says idle too.
READY = """async () => {
  const app = window.jupyterapp;
  await app.restored;
  const notebook = app.shell.currentWidget;
  await notebook.context.ready;
  await notebook.sessionContext.ready;
  await notebook.sessionContext.session.kernel.info;
}"""
ASK = """async (expression) => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  const reply = await kernel.requestExecute({
    code: "", silent: true, store_history: false, user_expressions: { asked: expression },
  }).done;
  const { asked } = reply.content.user_expressions;
  return asked.status === "ok" ? asked.data["text/plain"] : `${asked.ename}: ${asked.evalue}`;
}"""


@contextlib.contextmanager
def serve(notebooks: Path, private: Path):
    """Run JupyterLab on a folder; yields its address."""
    for plugin, values in SETTINGS.items():
        path = private / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "HOME": "home",
    }
    environment = os.environ | {name: str(private / folder) for name, folder in folders.items()}
    (private / "home").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={notebooks}", "--LabApp.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    log = private / "server.log"
    with log.open("w") as file:
        server = subprocess.Popen(
            command,
            env=environment,
            cwd=notebooks,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(server, f"{address}/api/status?token={TOKEN}", log)
        yield address
    finally:
        # The group holds the kernels too.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(15)


def _wait_for(server: subprocess.Popen, address: str, log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            if server.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"JupyterLab did not start:\n{log.read_text()[-3000:]}"
                ) from None
            time.sleep(0.1)  # nothing to be notified by


def open_notebook(page, address: str, name: str) -> None:
    """Open a notebook, wait for its kernel, and run all cells."""
    page.goto(f"{address}/lab/tree/{name}?token={TOKEN}&reset", wait_until="domcontentloaded")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    page.evaluate(READY)
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    run(page, "notebook:run-all-cells")


def run(page, command: str, **arguments):
    """Run one of Lab's commands and wait for it."""
    return page.evaluate(
        "([command, given]) => window.jupyterapp.commands.execute(command, given).then(() => null)",
        [command, arguments],
    )


def ask(page, expression: str) -> str:
    """`repr` of an expression in the notebook's kernel."""
    return page.evaluate(ASK, expression)


def ask_until(page, expression: str, wanted: str, seconds: float = 20) -> None:
    """Wait until the `repr` of an expression is this: a widget's changes may follow later."""
    end = time.monotonic() + seconds
    while (found := ask(page, expression)) != wanted:
        if time.monotonic() > end:
            raise AssertionError(f"{expression} is {found} after {seconds} s, not {wanted}")
        page.wait_for_timeout(50)
