"""The training loop: what is written, resuming to the same numbers, stopping, several processes."""

import os
import platform
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from commands import run_command
from squares import comparable, run_training, start

import reclf.training.loop
import reclf.training.step
from reclf.config import TrainConfig, override
from reclf.models.parallel import _THREADS
from reclf.models.reclf import RECLF
from reclf.runs.device import choose_precision
from reclf.runs.run import Run
from reclf.training.checkpoints import in_groups_of
from reclf.training.loop import train
from reclf.training.runtime import (
    cpu_threads,
    keep_freed_memory,
    make_accelerator,
    make_optimizer,
    parameter_groups,
)

HERE = Path(__file__).parent


def test_a_run_leaves_everything_behind(tmp_path, config, studies):
    seen = []
    run = Run(tmp_path / "run", config)
    best = train(start(run, studies), run, studies, [studies[0], studies[1]], False, seen.append)
    assert run.status["state"] == "trained"
    assert run.status["step"] == 8
    assert run.status["studies"] == 32
    assert not best.training
    assert seen == run.history()
    losses = [r for r in run.history() if "loss" in r]
    parts = {"global_loss", "local_loss", "auxiliary_loss"}
    assert {*parts, "gradient_norm", "learning_rate"} <= losses[-1].keys()
    assert losses[-1]["loss"] == pytest.approx(sum(losses[-1][name] for name in parts))
    for name in ("best", "last"):
        RECLF.from_pretrained(run.checkpoint(name))


def test_it_learns(tmp_path, config, studies):
    longer = override(config, {"train.max_steps": 60, "train.evaluate_every": 60})
    run, _ = run_training(tmp_path / "run", longer, studies)
    losses = [r["loss"] for r in run.history() if "loss" in r]
    assert losses[-1] < 0.75 * losses[0]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("augment", [True, False])
def test_an_interrupted_run_ends_bitwise_like_an_uninterrupted_one(
    tmp_path, config, studies, monkeypatch, workers, augment
):
    config = override(config, {"data.workers": workers, "data.augment": augment})
    whole, expected = run_training(tmp_path / "whole", config, studies)

    calls = []
    real = reclf.training.step.batch_losses

    def interrupting(*arguments):
        calls.append(1)
        if len(calls) == 5:  # Ctrl-C in the middle of step 4 (from 0)
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(reclf.training.step, "batch_losses", interrupting)
    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path / "parts", config, studies)
    parts = Run(tmp_path / "parts", config)
    assert parts.status["state"] == "interrupted"
    assert parts.status["step"] == 5
    model = RECLF.from_pretrained(parts.checkpoint("last"))
    parts, resumed = run_training(tmp_path / "parts", config, studies, model)

    assert parts.status["state"] == "trained"
    # The last window of the log starts where the second sitting did, so compare validations ...
    assert [r for r in comparable(parts) if "val_recall_at_5" in r] == [
        r for r in comparable(whole) if "val_recall_at_5" in r
    ]
    # ... and every weight.
    for (name, a), b in zip(
        expected.state_dict().items(), resumed.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_a_finished_run_is_not_trained_again(tmp_path, config, studies):
    run, first = run_training(tmp_path / "run", config, studies)
    before = run.history()
    run, again = run_training(tmp_path / "run", config, studies)
    assert run.history() == before
    assert torch.equal(first.log_logit_scale, again.log_logit_scale)


def test_a_signal_during_validation_stops_before_the_next_step(tmp_path, config, studies):
    real = reclf.training.validation.validate

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    config = override(config, {"train.max_steps": 8, "train.evaluate_every": 3})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reclf.training.validation, "validate", signalled)
        with pytest.raises(KeyboardInterrupt, match=r"saved at step 3 of 8 in .*goes on"):
            run_training(tmp_path / "run", config, studies)
    run = Run(tmp_path / "run")
    assert (run.status["state"], run.status["step"]) == ("interrupted", 3)
    assert run.history()[-1]["step"] == 3


def test_a_time_budget_ends_the_run_and_leaves_a_best_model(tmp_path, config, studies):
    config = override(config, {"train.max_steps": 0, "train.max_minutes": 0.05})
    run, _ = run_training(tmp_path / "run", config, studies)
    assert run.status["state"] == "trained"
    assert run.status["step"] >= 1
    assert run.status["seconds"] < 30
    assert run.checkpoint("best").exists()


def test_accumulated_micro_batches_give_the_mean_gradient(tmp_path, config, studies):
    # Two micro-batches of four, then one step: as one step on the mean of their losses.
    config = override(config, {"train.accumulate": 2, "train.max_steps": 1, "train.clip_norm": 0})
    config = override(config, {"data.augment": False})
    run = Run(tmp_path / "run", config)
    model = start(run, studies)
    reference = start(run, studies)
    train(model, run, studies, [studies[0], studies[1]], False)
    loop_accelerator = make_accelerator(config.train, tmp_path)
    sampler = reclf.training.loop.StepSampler(20, 4, 2, config.train.seed)
    collate = reclf.training.loop.collate_for(reference)
    optimizer = make_optimizer(reference, config.train)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * reclf.training.loop.learning_rate_factor(0, 0.0, 2, 1)
    reference.train()
    for micro in range(2):
        batch = collate([studies[i] for i in sampler.indices(0, micro)])
        losses = reclf.training.step.batch_losses(reference, batch, config.train, loop_accelerator)
        (sum(losses.values()) / 2).backward()
    optimizer.step()
    for (name, a), b in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(a, b, msg=lambda m, name=name: f"{name}: {m}")


def test_decay_and_rates_by_group(tiny):
    model = RECLF(tiny())
    config = TrainConfig(learning_rate=1.0, tower_learning_rate=0.1, weight_decay=0.5)
    groups = make_optimizer(model, config).param_groups
    of = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    named = dict(model.named_parameters())
    assert of[id(named["matchings.local.weight"])] == (1.0, 0.5)
    assert of[id(named["matchings.local.bias"])] == (1.0, 0.0)
    assert of[id(named["log_logit_scale"])] == (1.0, 0.0)
    convolution = next(n for n in named if ".tower." in n and "convolution.weight" in n)
    assert of[id(named[convolution])] == (0.1, 0.5)
    assert of[id(named["text_encoder.tower.embeddings.word_embeddings.weight"])] == (0.1, 0.0)
    assert id(named["matchings.log_attention_scale"]) not in of  # not learnt by default


@pytest.mark.parametrize(
    "key",
    [lambda *kind: kind, lambda tower, decays: decays, lambda tower, _: tower, lambda *kind: 0],
)
def test_moments_of_other_groups_stay_with_their_weights(tiny, key):
    model = RECLF(tiny())
    groups = [{"params": some} for some in parameter_groups(model, key).values()]
    before = torch.optim.AdamW(groups)
    for number, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, number + 1.0)
    before.step()
    optimizer = make_optimizer(model, TrainConfig(learning_rate=1.0, tower_learning_rate=0.1))
    optimizer.load_state_dict(in_groups_of(optimizer, before.state_dict(), model))
    assert len(optimizer.state) == len(before.state) > 20
    for parameter, moments in before.state.items():
        assert torch.equal(optimizer.state[parameter]["exp_avg"], moments["exp_avg"])
    with pytest.raises(ValueError, match=r"groups of \[2\] parameters are not this model's"):
        in_groups_of(optimizer, {"param_groups": [{"params": [0, 1]}]}, model)


def test_what_is_not_there_is_refused(tmp_path):
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match='"cuda" but torch sees no GPU'):
            make_accelerator(TrainConfig(device="cuda"), tmp_path)
    with pytest.raises(ValueError, match="fp16"):
        make_accelerator(TrainConfig(device="cpu", precision="fp16"), tmp_path)


def test_workers_get_cores_of_their_own(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    for workers, expected in ((0, before), (1, max(1, before - 1)), (99, 1)):
        with cpu_threads(workers):
            assert torch.get_num_threads() == expected
            assert _THREADS.get() == before
        assert torch.get_num_threads() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with cpu_threads(99):
        assert torch.get_num_threads() == before


def test_freed_memory_is_kept_where_the_c_library_can():
    if sys.platform == "linux" and platform.libc_ver()[0] == "glibc":
        assert keep_freed_memory()
    else:
        keep_freed_memory()  # nothing happens, and nothing breaks


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "no")])
def test_auto_precision_is_what_the_device_computes_in(monkeypatch, has, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": has})
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    for on_cpu in (True, False):
        assert choose_precision("auto", on_cpu) == expected
        assert choose_precision("no", on_cpu) == "no"


def test_two_processes_see_the_loss_and_gradient_of_the_joint_batch(tmp_path):
    done = run_command(
        [sys.executable, HERE / "two_processes.py", tmp_path],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr
    results = []
    for processes in (1, 2):
        started, unused, found = torch.load(tmp_path / f"{processes}.pt", weights_only=True)
        assert started == processes
        if processes == 2:  # a pooler is idle in two, of another nobody knows
            assert unused == {"distinct": True, "all": False, "shortlist": True, "own": True}
        results.append(found)
    one, two = results
    assert one.keys() == two.keys()
    assert len(one) > 40
    assert one["all local_loss"] > one["shortlist local_loss"]  # fewer negatives
    for name, expected in one.items():
        # The model is in double precision, the cosines and losses in single: rounding is of the
        # largest numbers that are summed, and differs between processors.
        close = {"rtol": 1e-5, "atol": 1e-6 + 3e-5 * float(expected.abs().max())}
        torch.testing.assert_close(two[name], expected, **close, msg=partial("{}: {}".format, name))
