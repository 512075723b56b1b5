"""Checkpoints on disk, exported towers, and the presets of pretrained ones."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    BertForPreTraining,
    ResNetBackbone,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTModel,
)

from reclf.config import TowerConfig
from reclf.data.tokenization import train_tokenizer
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.training.presets import make_config


def scores(model, batch):
    return model.score(model.encode_images(batch.pixels), model.encode_reports(batch))


@pytest.mark.parametrize("image", ["resnet", "vit"])
def test_checkpoint_round_trip_is_bitwise(tiny, batch, tmp_path, image):
    tokenizer = train_tokenizer(["left effusion", "no pneumothorax"], 60)
    options = {"norm": "batch"}
    model = RECLF(tiny(image, aggregator_options=options), tokenizer).train()
    model(batch)  # so that running statistics are not those of the start
    model.eval().save_pretrained(tmp_path / "best")
    loaded = RECLF.from_pretrained(tmp_path / "best")
    assert not loaded.training
    assert loaded.config == model.config
    assert loaded.tokenizer.get_vocab() == tokenizer.get_vocab()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    for a, b in zip(scores(model, batch), scores(loaded, batch), strict=True):
        assert torch.equal(a, b)
    # A checkpoint is its own source: once more, with nothing but the folder.
    loaded.save_pretrained(tmp_path / "again")
    again = RECLF.from_pretrained(tmp_path / "again")
    assert torch.equal(again(batch)["logits_local"], model(batch)["logits_local"])


def test_checkpoint_of_pretrained_towers_needs_them_no_more(towers, tiny, batch, tmp_path):
    names = save_towers(tmp_path, towers)
    image = TowerConfig(name=names["resnet"], freeze=True)
    model = RECLF(replace(tiny(), image_tower=image, text_tower=TowerConfig(name=names["bert"])))
    model.eval()
    model.save_pretrained(tmp_path / "best")
    shutil.rmtree(names["resnet"])
    shutil.rmtree(names["bert"])
    loaded = RECLF.from_pretrained(tmp_path / "best")
    assert torch.equal(loaded(batch)["logits_local"], model(batch)["logits_local"])
    # A resumed run goes on with the same weights frozen.
    for name, parameter in loaded.named_parameters():
        assert parameter.requires_grad == model.get_parameter(name).requires_grad


@pytest.fixture
def saved(tiny, tmp_path):
    """A checkpoint without checksums, as before version 0.4, or changed by its owner."""
    RECLF(tiny()).save_pretrained(tmp_path / "best")
    (tmp_path / "best" / "checksums.json").unlink()
    return tmp_path / "best"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "image_tower", "text_tower"])
def test_missing_file_is_named(saved, name):
    path = saved / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(FileNotFoundError, match=f"not a RECLF checkpoint: {name} is missing") as e:
        RECLF.from_pretrained(saved)
    assert "checkpoints/best" in str(e.value)


def test_weights_that_do_not_fit_are_named(saved):
    path = saved / "model.safetensors"
    weights = load_file(path)

    def refused(changed, *words):
        save_file(changed, path, metadata={"format": "pt"})
        with pytest.raises(
            ValueError, match=r"model\.safetensors does not fit its config\.json"
        ) as e:
            RECLF.from_pretrained(saved)
        assert all(word in str(e.value) for word in words)

    key = "matchings.local.weight"
    without = {name: value for name, value in weights.items() if name != key}
    refused(without, "1 problems", f"missing {key}")
    refused({**weights, "old.weight": torch.zeros(2)}, "1 problems", "unexpected old.weight")
    refused({**weights, key: torch.zeros(7, 5)}, f"{key} is (7, 5), expected (7, 6)")


def test_unknown_setting_of_a_checkpoint_is_named(saved):
    values = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**values, "embed_dims": 6}))
    with pytest.raises(ValueError, match="unknown setting 'embed_dims'; did you mean 'embed_dim'"):
        RECLF.from_pretrained(saved)


def test_state_dict_names_are_a_promise(tiny):
    names = RECLF(
        tiny(image_pooling="attention", aggregator_options={"norm": "batch"})
    ).state_dict()
    own = {n for n in names if ".tower." not in n}
    linear = [
        "image_encoder.project_regions",
        "image_encoder.project_whole",
        "image_encoder.place",
        "image_encoder.pool.place",
        "image_encoder.pool.score",
        "image_encoder.pool.value",
        "text_encoder.project_words",
        "text_encoder.project_whole",
        "matchings.local",
        "matchings.whole",
        "aggregator.importance.gate",
        "aggregator.importance.norm",
        *(
            f"aggregator.semantic.steps.{k}.{part}"
            for k in range(3)
            for part in ("query", "key", "update")
        ),
    ]
    assert own == {
        "log_logit_scale",
        "matchings.log_attention_scale",
        *(f"{name}.{part}" for name in linear for part in ("weight", "bias")),
        *(
            f"aggregator.importance.norm.{part}"
            for part in ("running_mean", "running_var", "num_batches_tracked")
        ),
        *(
            f"aggregator.{head}_score.{part}"
            for head in ("semantic", "importance")
            for part in ("read.weight", "log_scale")
        ),
    }
    towers = {n for n in names if ".tower." in n}
    assert "image_encoder.tower.embedder.embedder.convolution.weight" in towers
    assert "text_encoder.tower.embeddings.word_embeddings.weight" in towers
    assert not any("pooler" in n for n in towers)


@torch.no_grad()
def test_exported_image_tower_is_a_transformers_model(tiny, batch, tmp_path):
    for image, cls in (("resnet", ResNetBackbone), ("vit", ViTModel)):
        model = RECLF(tiny(image)).eval()
        model.export_image_tower(tmp_path / image)
        pixels = (batch.pixels - 0.5) / 0.25
        _, last = model.image_encoder.feature_maps(batch.pixels)
        states = AutoModel.from_pretrained(tmp_path / image).eval()(pixels).last_hidden_state
        if image == "vit":
            states = states[:, 1:].mT.unflatten(2, (4, 4))
        torch.testing.assert_close(states, last)
        loaded = cls.from_pretrained(tmp_path / image).eval()
        for name, value in loaded.state_dict().items():
            assert torch.equal(model.image_encoder.tower.state_dict()[name], value)


# -- presets -------------------------------------------------------------------------------------


def save_towers(folder, towers) -> dict[str, str]:
    """Tiny towers in the classes that the towers of the presets have on the hub."""
    values = {
        k: {n: v for n, v in c.items() if n not in ("model_type", "num_channels")}
        for k, c in towers.items()
    }
    models: dict[str, nn.Module] = {
        "resnet": ResNetForImageClassification(ResNetConfig(**values["resnet"])),
        "vit": ViTModel(ViTConfig(**values["vit"])),
        "bert": BertForPreTraining(BertConfig(**values["bert"])),
    }
    for name, model in models.items():
        model.save_pretrained(folder / name)
    return {name: str(folder / name) for name in models}


@pytest.mark.parametrize(("preset", "image"), [("mimic_resnet50", "resnet"), ("mimic_vit", "vit")])
def test_presets_of_pretrained_towers_take_a_step(preset, image, towers, make_batch, tmp_path):
    names = save_towers(tmp_path, towers)
    config = make_config(
        preset,
        **{"model.image_tower.name": names[image], "model.text_tower.name": names["bert"]},
    )
    batch = make_batch((3, 0, 5), size=config.model.image_size)
    model = RECLF(config.model).train()
    assert model.encode_images(batch.pixels).grid == (14, 14)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.train.learning_rate)
    losses = []
    for _ in range(2):
        parts = contrastive_losses(**model(batch, config.train.pair_chunk))
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
        losses.append(sum(parts.values()).item())
    assert losses[1] < losses[0]


def test_a_model_is_saved_whole_into_a_folder_that_has_other_files(tiny, tmp_path, monkeypatch):
    model, folder = RECLF(tiny()).eval(), tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("card")
    (folder / "notes").mkdir()
    (folder / "notes" / "a").write_text("b")
    model.save_pretrained(folder)
    names = {path.name for path in folder.iterdir()}
    assert names >= {"README.md", "notes", "model.safetensors", "checksums.json"}
    assert ".writing" not in names

    def fail(*arguments, **keywords):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    before = RECLF.from_pretrained(folder).state_dict()
    with monkeypatch.context() as patch, torch.no_grad():
        patch.setattr("reclf.models.stored_model.save_file", fail)
        model.log_logit_scale += 1
        with pytest.raises(OSError, match=r"cannot write .*mine.*No space left on device"):
            model.save_pretrained(folder)
    assert torch.equal(RECLF.from_pretrained(folder).log_logit_scale, before["log_logit_scale"])
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    model.save_pretrained(folder)
    assert torch.equal(RECLF.from_pretrained(folder).log_logit_scale, model.log_logit_scale)
    assert {path.name for path in folder.iterdir()} == names
    assert (folder / "notes" / "a").read_text() == "b"
