"""Where pretrained towers come from: folders, the hub's cache, and a hub that does not answer."""

import time

import pytest
from huggingface_hub import HfApi, constants
from transformers import BertConfig, BertModel

from reclf.config import TowerConfig
from reclf.data.tokenization import train_tokenizer
from reclf.models import tower_source
from reclf.models.tower_source import find_tower
from reclf.models.towers import build_tower
from reclf.pretrain import make_tokenizer, open_run
from reclf.training.presets import make_config

REPORTS = ["left effusion", "no nodule"]
COMMIT = "d5892b39a4adaed74b92212a44081509db72f87b"


def save_bert(folder, towers):
    values = {name: value for name, value in towers["bert"].items() if name != "model_type"}
    BertModel(BertConfig(**values)).save_pretrained(folder)
    train_tokenizer(REPORTS, 60).save_pretrained(folder)
    return folder


@pytest.fixture
def silent_hub(monkeypatch):
    """A hub that never answers, and an empty cache of it."""
    asked = []
    monkeypatch.setattr(tower_source, "HF_HUB_OFFLINE", False)

    def wait(self, name, **options):
        asked.append(name)
        time.sleep(30)

    monkeypatch.setattr(HfApi, "model_info", wait)
    return asked


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_offline_a_preset_names_both_settings_at_once_within_seconds(silent_hub, cache, tmp_path):
    begun = time.monotonic()
    with pytest.raises(OSError, match=r"no answer in 2\.5 s") as error:
        open_run(tmp_path / "run", preset="mimic_resnet50")
    assert time.monotonic() - begun < 5
    for setting in ("model.image_tower.name", "model.text_tower.name"):
        assert f"set {setting} to that folder; it must hold config.json and weights" in str(
            error.value
        )
    assert f"--revision {COMMIT} --local-dir FOLDER" in str(error.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("revision", [COMMIT, ""])
def test_what_the_cache_holds_needs_no_hub(silent_hub, cache, towers, revision):
    name = "somebody/bert"
    place = cache / "models--somebody--bert"
    save_bert(place / "snapshots" / COMMIT, towers)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    tower = TowerConfig(name=name, revision=revision)
    found = find_tower(tower, "text", with_tokenizer=True)
    assert found == (str(place / "snapshots" / COMMIT), {})
    assert build_tower(tower, "text").config.model_type == "bert"
    config = make_config(**{"model.text_tower.name": name, "model.text_tower.revision": revision})
    written = train_tokenizer(REPORTS, 60).get_vocab()
    assert make_tokenizer(config, None).get_vocab() == written
    assert not silent_hub
    (place / "snapshots" / COMMIT / "config.json").unlink()  # half a download
    with pytest.raises(OSError, match="no answer"):
        find_tower(tower, "text")


def test_the_hub_is_asked_once_and_keeps_the_revision(monkeypatch, cache):
    monkeypatch.setattr(tower_source, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", lambda self, name, **options: None)
    tower = TowerConfig(name="somebody/bert", revision=COMMIT)
    assert find_tower(tower, "text") == ("somebody/bert", {"revision": COMMIT})


def test_a_folder_has_no_revision(silent_hub, towers, tmp_path):
    folder = save_bert(tmp_path / "bert", towers)
    tower = TowerConfig(name=str(folder), revision=COMMIT)
    assert find_tower(tower, "text", with_tokenizer=True) == (str(folder), {})
    run = open_run(tmp_path / "run", {"model.text_tower.name": str(folder)})
    assert COMMIT not in (run.folder / "config.json").read_text()
    assert not silent_hub


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "./nowhere",
            r"'\./nowhere' \(no such folder\).* set model\.text_tower\.name to",
        ),
        ("/no/such/place", r"no such folder"),
        ("~/no-such-place", r"no such folder"),
    ],
)
def test_a_folder_that_is_not_there_is_named_with_its_setting(silent_hub, name, message):
    with pytest.raises(OSError, match=message):
        find_tower(TowerConfig(name=name), "text")
    assert not silent_hub


def test_a_folder_names_what_it_lacks(towers, tmp_path):
    folder = save_bert(tmp_path / "bert", towers)
    for path in folder.glob("*token*"):
        path.unlink()
    find_tower(TowerConfig(name=str(folder)), "text")
    with pytest.raises(OSError, match=r"without it: a tokenizer .* missing"):
        find_tower(TowerConfig(name=str(folder)), "text", with_tokenizer=True)
    (folder / "config.json").unlink()
    with pytest.raises(OSError, match=r"without it: config\.json missing"):
        find_tower(TowerConfig(name=str(folder)), "text")
