"""Models go to a hub and come back: a real client against a hub on this machine."""

import json
import os

import pytest
import torch
from commands import run_python
from fake_hub import running_hub
from one_kernel import OneKernel

from reclf.config import RunConfig
from reclf.data.tokenization import train_tokenizer
from reclf.models.reclf import RECLF
from reclf.runs.run import Run

PUSH = """
import os, sys
from reclf import RECLF
os.environ["HF_TOKEN"] = sys.argv[3]
print(RECLF.from_pretrained(sys.argv[1]).push_to_hub(sys.argv[2]))
"""
# Names, revisions and folders in turn; one JSON list, since a process takes seconds to begin.
FETCH = """
import json, sys
from reclf import RECLF
said = []
for name, revision, folder in zip(*[iter(sys.argv[1:])] * 3):
    try:
        model = RECLF.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        said.append(f"{type(error).__name__} {error}")
    else:
        model.save_pretrained(folder)
        said.append(model.read_from)
print(json.dumps([str(text) for text in said]))
"""


@pytest.fixture(scope="module")
def hub():
    with running_hub() as hub:
        yield hub


@pytest.fixture
def run(tmp_path, tiny):
    """A finished run of a tiny model, with its card and a secret beside it."""
    model = RECLF(tiny(), train_tokenizer(["left effusion", "no nodule"], 60))
    run = Run(tmp_path / "first", RunConfig(model.config))
    run.write_checkpoint("best", model.save_pretrained)
    run.set_status("done")
    run.write_card("It finds reports.", {"recall_at_5": 0.5})
    (run.checkpoint("best") / "trainer.pt").write_bytes(b"a pickle")
    return run


@pytest.fixture(scope="module")
def variables(hub, tmp_path_factory):
    """Of somebody with an empty cache and a network."""
    return {
        "HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path_factory.mktemp("home")),
        "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "no_proxy": "127.0.0.1",
    }  # fmt: skip


@pytest.fixture(scope="module")
def kernel(variables):
    kernel = OneKernel(**variables)
    yield kernel
    kernel.close()


@pytest.fixture
def client(kernel, tmp_path):
    """Run a program as them; the libraries are imported once for all."""
    return lambda code, *words: kernel.program(["-c", code, *map(str, words)], tmp_path).strip()


def test_a_model_is_pushed_with_its_card_and_fetched_by_commit(
    hub, client, variables, run, tmp_path
):
    address = client(PUSH, run.checkpoint("best"), "lab/chest", "hf_write")
    first = hub.heads["lab/chest"]
    assert address == f"{hub.address}/lab/chest/commit/{first}"
    files = hub.files["lab/chest", first]
    assert {"config.json", "model.safetensors", "README.md", "image_tower/config.json"} <= {*files}
    assert not [name for name in files if not name.endswith((".json", ".safetensors", ".md"))]
    card = files["README.md"].decode()
    assert "It finds reports." in card
    assert 'RECLF.from_pretrained("lab/chest")' in card
    assert "checkpoints/best" not in card

    hub.commit("lab/chest", {"weights.bin": b"a pickle", "README.md": b"another card"})
    asked = [(first, tmp_path / "copy"), ("", tmp_path / "latest")]
    found = client(FETCH, *(word for pair in asked for word in ("lab/chest", *pair)))
    for (revision, folder), cached in zip(asked, json.loads(found), strict=True):
        assert cached.endswith(f"/snapshots/{revision or hub.heads['lab/chest']}")
        assert not [name for name in os.listdir(cached) if name.endswith(".bin")]
        mine = RECLF.from_pretrained(run.checkpoint("best")).state_dict()
        theirs = RECLF.from_pretrained(folder).state_dict()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    # Without network the cache has it; what it does not have is one error that names it.
    asked = ["lab/chest", first, folder, "lab/other", "v1", folder]
    offline = os.environ | variables | {"HF_HUB_OFFLINE": "1"}
    cached, said = json.loads(run_python(FETCH, *map(str, asked), env=offline))
    assert cached.endswith(f"/snapshots/{first}")
    assert said.startswith("FileNotFoundError lab/other is no folder, the hub gave nothing (HF_")
    assert f"{variables['HF_HOME']}/hub" in said
    assert "`hf download lab/other --revision v1 --local-dir FOLDER`" in said


def test_what_a_hub_does_not_give_is_one_error(hub, client, run, tmp_path):
    hub.commit("lab/empty", {"README.md": b"nothing"})
    settings = json.loads((run.checkpoint("best") / "config.json").read_text())
    code = json.dumps(settings | {"aggregator": "os:system"}).encode()
    others = ("model.safetensors", "image_tower/config.json", "text_tower/config.json")
    hub.commit("lab/code", {"config.json": code} | dict.fromkeys(others, b"{}"))
    asked = [
        ("lab/gone", "", "FileNotFoundError lab/gone is no folder, the hub gave nothing (404"),
        ("lab/empty", "f" * 40, "FileNotFoundError lab/empty is no folder, the hub gave nothing"),
        ("lab/empty", "", "is not a RECLF checkpoint: config.json is missing"),
        ("lab/code", "", "config.json names code to run, model.aggregator 'os:system'"),
    ]
    words = [word for name, revision, _ in asked for word in (name, revision, tmp_path / "copy")]
    for (_, _, message), said in zip(asked, json.loads(client(FETCH, *words)), strict=True):
        assert message in said
        assert len(said.splitlines()) <= 2
    code = PUSH.replace("print(", "try:\n  print(") + "except OSError as error: print(error)"
    said = client(code, run.checkpoint("best"), "lab/mine", "hf_read")
    assert said.startswith("lab/mine was not pushed: ")
    assert "401 Unauthorized" in said
    assert "`hf auth login`" in said
    assert "lab/mine" not in hub.heads


def test_a_folder_is_never_looked_up(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("best", "./org/name", "runs/first/checkpoints/best"):
        with pytest.raises(FileNotFoundError, match="is not a RECLF checkpoint"):
            RECLF.from_pretrained(name)
    with pytest.raises(FileNotFoundError, match=r"runs/first is no folder, .*HF_HUB_OFFLINE"):
        RECLF.from_pretrained("runs/first")
