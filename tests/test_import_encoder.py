"""Other people's encoders as run folders: equal features, and the tasks that can be asked."""

import hashlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from reclf.config import TowerConfig
from reclf.import_encoder import import_encoder, main
from reclf.models.baselines import untrained_like
from reclf.models.reclf import RECLF
from reclf.models.torchvision_resnet import find_resnet
from reclf.pretrain import open_run
from reclf.tasks.evaluations import linear_probe, retrieval, segmentation
from reclf.tasks.task_run import TaskRun

SIZE = 64
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
SMALL = {
    "dataset": "phantom", "device": "cpu", "train_studies": 0, "val_studies": 0, "studies": 0,
    "fractions": [1.0], "steps": 2, "batch_size": 4,
}  # fmt: skip


def parameters(notebook, run, length):
    """Those of a task notebook's own cell, with these changes."""
    cells = nbformat.read(NOTEBOOKS / f"{notebook}.ipynb", 4).cells
    (cell,) = (c for c in cells if "parameters" in c.metadata.get("tags", ()))
    values = {}
    exec(cell.source, values)
    given = SMALL | {"run": str(run.folder), "options": {"length": length}}
    names = [name for name in values if not name.startswith("__")]
    return SimpleNamespace(**{name: given.get(name, values[name]) for name in names})


def resnet_state():
    """A narrow ResNet-18 by torchvision's names."""
    widths, state = (16, 16, 32, 48, 64), {}

    def convolution(name, *shape):
        state[f"{name}.weight"] = torch.randn(shape) / shape[1] ** 0.5 / shape[2]

    def norm(name, width):
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.ones(width), torch.zeros(width)
        state[f"{name}.running_mean"] = torch.randn(width) * 0.1
        state[f"{name}.running_var"] = torch.rand(width) + 0.5

    convolution("conv1", widths[0], 3, 7, 7)
    norm("bn1", widths[0])
    for layer in range(1, 5):
        before, width = widths[layer - 1], widths[layer]
        for block in range(2):
            name = f"layer{layer}.{block}"
            convolution(f"{name}.conv1", width, width if block else before, 3, 3)
            convolution(f"{name}.conv2", width, width, 3, 3)
            norm(f"{name}.bn1", width)
            norm(f"{name}.bn2", width)
        if layer > 1:
            convolution(f"layer{layer}.0.downsample.0", width, before, 1, 1)
            norm(f"layer{layer}.0.downsample.1", width)
    return state


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    torch.manual_seed(0)
    state = {f"img.model.{name}": value for name, value in resnet_state().items()}
    save_file(state | {"img.model.fc.weight": torch.ones(2, 64)}, path)
    return path


@pytest.fixture(scope="module")
def run(weights, tmp_path_factory):
    return import_encoder(str(weights), tmp_path_factory.mktemp("runs") / "peer", SIZE, 0.4, 0.2)


def test_an_imported_encoder_gives_its_own_features_and_says_where_it_is_from(run, weights):
    model = RECLF.from_pretrained(run.checkpoint("best"))
    pixels = torch.rand(2, 1, SIZE, SIZE)
    state = {n.removeprefix("img.model."): v for n, v in load_file(weights).items()}
    with torch.no_grad():
        own = find_resnet(state).tower.eval()(((pixels - 0.4) / 0.2).expand(-1, 3, -1, -1))
        torch.testing.assert_close(
            model.encode_images(pixels).pooled, own.feature_maps[-1].mean((2, 3))
        )
    status = run.status
    assert status["state"] == "imported"
    assert status["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert status["prefix"] == "img.model."
    assert status["left_out"] == ["img.model.fc"]
    assert status["matched"] == len(state) - 1
    assert (status["grid"], status["channels"]) == ([4, 4], 64)
    assert "sha256" in (run.folder / "README.md").read_text()


def test_linear_probe_and_segmentation_can_be_asked_and_nothing_else(run):
    given = parameters("linear_probe", run, 60)
    task_run = linear_probe.open_task(given)
    evaluation = linear_probe.evaluate(task_run, given)
    assert 0 < evaluation.result["value"] < 1
    assert evaluation.protocol["trained_on"].startswith("imported, ")
    assert "trained on 'imported, " in str(task_run)
    evaluation.write(task_run)
    given = parameters("segmentation", run, 12)
    evaluation = segmentation.evaluate(segmentation.open_task(given), given)
    assert np.isfinite(evaluation.result["untrained_baseline"]["value"])
    with pytest.raises(ValueError, match=r"^peer is an image encoder alone: linear_probe and segm"):
        retrieval.open_task(parameters("retrieval", run, 12))
    with pytest.raises(ValueError, match="peer has no data set of its own: name one"):
        TaskRun.open(SimpleNamespace(**vars(given) | {"dataset": ""}), images_only=True)


def test_training_does_not_go_on_in_its_folder_but_starts_from_its_tower(run, tmp_path):
    with pytest.raises(ValueError, match="is an imported image encoder, which has no training"):
        open_run(run.folder)
    model = RECLF.from_pretrained(run.checkpoint("best"))
    model.export_image_tower(tmp_path / "tower")
    config = replace(model.config, image_tower=TowerConfig(name=str(tmp_path / "tower")))
    mine, theirs = RECLF(config).image_encoder.tower, model.image_encoder.tower
    for one, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["resnet", "vit"])
def test_a_folder_of_transformers(kind, tiny, tmp_path):
    model = RECLF(tiny(kind))
    model.export_image_tower(tmp_path / "tower")
    values = {"image_mean": [0.3, 0.4, 0.5], "image_std": [0.1, 0.2, 0.3]}
    (tmp_path / "tower/preprocessor_config.json").write_text(json.dumps(values))
    run = import_encoder(str(tmp_path / "tower"), tmp_path / "run", SIZE)
    found = RECLF.from_pretrained(run.checkpoint("best"))
    assert (found.config.image_mean, found.config.image_std) == pytest.approx((0.4, 0.2))
    mine, theirs = (m.image_encoder.tower.state_dict() for m in (found, model))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert run.status["kind"] == f"transformers, {kind}"
    path = tmp_path / "tower/model.safetensors"
    state = load_file(path)
    lost = sorted(name for name in state if not name.startswith("pooler"))[0]
    del state[lost]
    save_file(state, path, {"format": "pt"})
    with pytest.raises(OSError, match=r"lacks 1 weights of its .*, such as "):
        import_encoder(str(tmp_path / "tower"), tmp_path / "other", SIZE)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 8, 8)
        self.body = nn.Conv2d(5, 7, 2, 2)

    def forward(self, pixels):
        fine = self.stem(pixels).relu()
        return [fine, self.body(fine).relu()]


CALLS = []


def my_encoder(pretrained):
    CALLS.append(pretrained)
    net = Net()
    if pretrained:
        nn.init.constant_(net.body.bias, 2.5)
    return net


def only_vectors(pretrained):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 4))


def no_module(pretrained):
    return 3


def test_a_function_of_ones_own(tmp_path):
    CALLS.clear()
    run = import_encoder(f"{__name__}:my_encoder", tmp_path / "run", SIZE)
    with pytest.raises(ValueError, match="names code to run, image tower"):
        RECLF.from_pretrained(run.checkpoint("best"))
    model = RECLF.from_pretrained(run.checkpoint("best"), image_tower=my_encoder)
    assert CALLS == [True, False, False]  # loaded again, it needs no published weights
    assert (run.status["grid"], run.status["channels"]) == ([4, 4], 7)
    assert (model.image_encoder.tower.body.body.bias == 2.5).all()
    untrained = untrained_like(model, 0).image_encoder.tower.body
    assert not (untrained.body.bias == 2.5).any()
    assert not torch.equal(untrained.stem.weight, model.image_encoder.tower.body.stem.weight)
    pixels = torch.rand(2, 1, SIZE, SIZE)
    with torch.no_grad():
        maps = model.image_encoder.tower.body(((pixels - 0.5) / 0.25).expand(-1, 3, -1, -1))
        torch.testing.assert_close(model.encode_images(pixels).pooled, maps[1].mean((2, 3)))
    given = parameters("segmentation", run, 12)
    given.trust_code = True
    task_run = segmentation.open_task(given)
    assert np.isfinite(segmentation.evaluate(task_run, given).result["value"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (f"{__name__}:only_vectors", r"must return feature maps \(B, C, h, w\).*got \[\(1, 4\)\]"),
        (f"{__name__}:no_module", r"must return a torch\.nn\.Module, got int"),
        (f"{__name__}:nothing", "image tower: cannot import"),
        ("org/name", r"no such file or folder.*hf download org/name"),
    ],
)
def test_a_source_that_is_none_is_refused_and_leaves_no_folder(source, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        import_encoder(source, tmp_path / "run", SIZE)
    assert not (tmp_path / "run").exists()


def test_a_pickle_is_read_as_tensors_alone(tmp_path, weights):
    state = load_file(weights)
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "good.ckpt")
    run = import_encoder(str(tmp_path / "good.ckpt"), tmp_path / "run", SIZE)
    assert run.status["prefix"] == "state_dict.img.model."
    torch.save({"state_dict": state, "config": SimpleNamespace(a=1)}, tmp_path / "code.ckpt")
    (tmp_path / "text.pth").write_text("not a checkpoint")
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:-9])
    torch.save([1], tmp_path / "list.pth")
    for name, message in [
        ("code.ckpt", r"code\.ckpt: cannot be read as tensors alone .*weights_only=False"),
        ("text.pth", "cannot be read as tensors alone"),
        ("cut.safetensors", "cannot be read as tensors alone"),
        ("list.pth", "holds a list, not weights by name"),
    ]:
        with pytest.raises(ValueError, match=message):
            import_encoder(str(tmp_path / name), tmp_path / "other", SIZE)
    with pytest.raises(ValueError, match="run is not empty: name a new folder"):
        import_encoder(str(tmp_path / "good.ckpt"), tmp_path / "run", SIZE)


def test_the_command_says_what_it_matched(weights, tmp_path, capsys):
    main([str(weights), str(tmp_path / "run"), "--image-size", "64"])
    said = capsys.readouterr().out
    assert "prefix: img.model." in said
    assert "left_out: ['img.model.fc']" in said
    assert "--image-mean and --image-std" in said
    with pytest.raises(SystemExit):
        main([str(weights), str(tmp_path / "run")])
    assert "is not empty" in capsys.readouterr().err
    assert "torchvision" not in sys.modules
