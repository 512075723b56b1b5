"""Numbers that are not finite end a training by name, and are never saved."""

import math
import re

import pytest
import torch
from squares import Squares, comparable, run_training, start
from torch import nn

import reclf.training.loop
import reclf.training.step
from reclf.config import override
from reclf.models.reclf import RECLF
from reclf.runs.run import Run
from reclf.training.checkpoints import way_on
from reclf.training.loop import train
from reclf.training.window import Window, state_tensors


def poison(monkeypatch, call, change):
    """Let `change(loop, losses)` act on the losses, or after the step (losses are None), of one
    call of `_step`; gives the calls so far."""
    calls, losses_of, step_of = (
        [],
        reclf.training.step.batch_losses,
        reclf.training.loop._Loop._step,
    )

    def losses(*arguments):
        found = losses_of(*arguments)
        if len(calls) == call:
            change(None, found)
        return found

    def step(loop, batches):
        calls.append(1)
        numbers = step_of(loop, batches)
        if len(calls) == call:
            change(loop, None)
        return numbers

    monkeypatch.setattr(reclf.training.step, "batch_losses", losses)
    monkeypatch.setattr(reclf.training.loop._Loop, "_step", step)
    return calls


def spoil(tensor, value=math.inf):
    with torch.no_grad():
        tensor.view(-1)[0] = value


def loss(loop, losses):
    if losses:
        losses["local_loss"] = losses["local_loss"] * math.nan


def gradient(loop, losses):
    if losses:
        losses["local_loss"].register_hook(lambda grad: grad * math.inf)


def weight(loop, losses):
    if loop:
        spoil(loop.model.log_logit_scale)


def moment(loop, losses):
    if loop:
        spoil(loop.optimizer.state[loop.model.log_logit_scale]["exp_avg"], math.nan)


CONFIG = {
    "train.max_steps": 4,
    "train.evaluate_every": 2,
    "train.checkpoint_minutes": 1e-9,
    "data.workers": 0,
}
KINDS = {
    loss: r"local_loss of step 3 is not finite \(studies s\d+, s\d+, s\d+, s\d+; data set indices",
    gradient: r"gradient_norm of step 3 is not finite \(studies s.*; after step 3, not finite: w",
    weight: r"after step 3, not finite: weight log_logit_scale\. One of the steps 3 to 3 did it",
    moment: r"after step 3, not finite: optimizer moment exp_avg of log_logit_scale\. One",
}


@pytest.mark.parametrize(("kind", "clip_norm"), [*((kind, 1.0) for kind in KINDS), (gradient, 0.0)])
def test_it_is_named_and_the_run_goes_on_from_before(
    tmp_path, config, kind, clip_norm, monkeypatch
):
    config = override(config, CONFIG | {"train.clip_norm": clip_norm})
    studies = Squares()
    with monkeypatch.context() as patch:
        poison(patch, 3, kind)
        with pytest.raises(FloatingPointError, match=KINDS[kind]) as error:
            run_training(tmp_path, config, studies)
    run = Run(tmp_path)
    message = str(error.value)
    assert f"{run.checkpoint('last')} of step 2 is kept, whole" in message
    command = f"--run-dir {run.folder} --accept learning_rate --set train.learning_rate=0.0003 "
    assert command in message
    assert (run.status["state"], run.status["step"]) == ("failed", 2)
    assert run.status["error"] == message
    model = RECLF.from_pretrained(run.checkpoint("last"))
    assert all(t.isfinite().all() for t in model.state_dict().values())
    run, _ = run_training(tmp_path, config, studies, model)
    assert run.status["state"] == "trained"
    assert [record["step"] for record in comparable(run)] == [1, 2, 2, 3, 4, 4]


def test_the_first_of_a_window_is_named_and_nothing_is_written_of_it(tmp_path, config, monkeypatch):
    poison(monkeypatch, 3, gradient)
    config = override(config, {"train.evaluate_every": 50, "data.workers": 0})
    with pytest.raises(FloatingPointError) as error:
        run_training(tmp_path, config, Squares())
    message = str(error.value)
    assert message.startswith("gradient_norm of step 3 is not finite (studies s")
    assert "after step 8, not finite: weight " in message
    assert ", ... (" in message  # the names of all weights would fill a screen
    assert "No checkpoint was written yet" in message
    assert Run(tmp_path).history() == []
    assert not list((tmp_path / "checkpoints").iterdir())


def test_a_lower_rate_is_taken_where_it_is_accepted_by_name(tmp_path, config, monkeypatch):
    config = override(config, CONFIG)
    with monkeypatch.context() as patch:
        poison(patch, 3, loss)
        with pytest.raises(FloatingPointError):
            run_training(tmp_path, config, Squares())
    lower = override(config, {"train.learning_rate": 1e-5})
    with pytest.raises(ValueError, match=r"train.learning_rate is 0.003 .*accepted: learning_rate"):
        Run(tmp_path, lower)
    run = Run(tmp_path, lower, accept=["learning_rate"])
    train(start(run, Squares()), run, Squares(), [Squares()[0], Squares()[1]], False)
    rates = {r["step"]: r["learning_rate"] for r in run.history() if "learning_rate" in r}
    assert rates[2] > 1e-4
    assert 0 < rates[3] <= 1e-5


@pytest.mark.parametrize("before", [0.0, 1e-3])
def test_the_way_on_that_is_named_is_taken_from_whatever_rates(tmp_path, config, before):
    """Towers that had the rate of the rest have their own, or the other way round."""
    config = override(config, CONFIG | {"train.tower_learning_rate": before})
    run, _ = run_training(tmp_path, override(config, {"train.max_steps": 2}), Squares())
    named = dict(re.findall(r"--set (train\.\w+)=(\S+)", way_on(run)))
    assert named.keys() == {"train.learning_rate", "train.tower_learning_rate"} - (
        set() if before else {"train.tower_learning_rate"}
    )
    other = {"train.tower_learning_rate": 0.0 if before else 1e-5}
    for steps, settings in ((4, named), (6, other)):
        rates = {name: float(value) for name, value in settings.items()}
        config = override(run.config, rates | {"train.max_steps": steps})
        run = Run(tmp_path, config, accept=["learning_rate"])
        with pytest.warns(UserWarning, match="the run goes on at step"):
            train(start(run, Squares()), run, Squares(), [Squares()[0], Squares()[1]], False)
        assert (run.status["state"], run.status["step"]) == ("trained", steps)


def test_weights_that_are_not_finite_are_named_before_the_first_step(tmp_path, config, monkeypatch):
    run = Run(tmp_path, config)
    model = start(run, Squares())
    calls = poison(monkeypatch, 99, loss)
    name, parameter = next(iter(model.image_encoder.tower.named_parameters()))
    parameter.requires_grad = False
    spoil(parameter, math.nan)
    with pytest.raises(
        FloatingPointError, match=f"before step 1, not finite: weight image_encoder.tower.{name}"
    ):
        train(model, run, Squares(), [Squares()[0], Squares()[1]], False)
    assert not calls
    assert run.status["state"] == "failed"


@pytest.mark.parametrize("spoiled", ["image", "scores"])
def test_scores_at_validation_name_step_and_studies(tmp_path, config, spoiled, monkeypatch):
    studies = Squares()
    val = [studies[i] for i in range(6)]
    run = Run(tmp_path, override(config, CONFIG | {"train.checkpoint_minutes": 1.0}))
    calls = poison(monkeypatch, 99, loss)
    if spoiled == "image":
        real = reclf.training.validation.validate

        def validate(model, studies):
            if len(calls) == 4:
                studies[2].image[:] = math.nan
            return real(model, studies)

        monkeypatch.setattr(reclf.training.validation, "validate", validate)
        expected = r"after step 4, scores .* \(6 of 36\): those of the images of s2\. "
    else:
        real_score = reclf.training.validation.score_studies

        def score(model, studies):
            scores = real_score(model, studies)
            bad = math.nan if len(calls) == 4 else 1.0
            return scores._replace(logits=scores.logits * bad)

        monkeypatch.setattr(reclf.training.validation, "score_studies", score)
        expected = r"after step 4, scores .* \(36 of 36\): those of all 6 studies"
    with pytest.raises(FloatingPointError, match=expected):
        train(start(run, studies), run, studies, val, False)
    assert run.status["state"] == "failed"
    assert [r["step"] for r in run.history() if "val_recall_at_1" in r] == [2]
    assert run.checkpoint("best").exists()
    assert not run.checkpoint("last").exists()


class OneProcess:
    """An accelerator of one process that counts what waits for the device."""

    def __init__(self):
        self.gathered = 0

    def gather(self, tensor):
        self.gathered += 1
        return tensor


def small_window():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.rand(4, 3)).sum().backward()
    optimizer.step()
    return Window(model, optimizer, OneProcess(), lambda step: f"those of {step}")


@pytest.mark.parametrize(
    "name", ["weight 0.bias", "buffer 1.running_mean", "optimizer moment exp_avg_sq of 1.weight"]
)
def test_all_that_a_checkpoint_holds_is_looked_at(name):
    window = small_window()
    window.look(1)
    spoil(state_tensors(window.model, window.optimizer)[name], -math.inf)
    window.look(1)  # has been looked at
    window.add({"loss": torch.tensor(1.0)})
    with pytest.raises(FloatingPointError, match=f"after step 2, not finite: {name}. One of"):
        window.look(2)


def test_a_look_waits_once_for_the_device_and_large_numbers_are_numbers(monkeypatch):
    window = small_window()
    waited = []
    real = torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda t: waited.append(1) or real(t))
    window.look(1)
    assert (window.accelerator.gathered, len(waited)) == (1, 1)
    spoil(window.model[0].weight, 3e38)  # its square is not finite
    window.look(2)


def test_a_step_that_the_scaler_skips_is_no_error_and_in_no_mean():
    window = small_window()
    window.add({"loss": torch.tensor(1.0), "gradient_norm": torch.tensor(4.0)})
    window.add({"loss": torch.tensor(2.0)})  # fp16 overflowed: see `_step`
    window.look(2)
    assert window.means() == {"loss": 1.5, "gradient_norm": 4.0}
    assert len(window) == 0
