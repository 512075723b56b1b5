"""What a training leaves to the machine: what is chosen, and that it is recorded."""

import json
from types import SimpleNamespace

import pytest
import torch
from squares import Squares, start

import reclf.training.choices
import reclf.training.loop
from reclf.config import TrainConfig, override
from reclf.models.losses import contrastive_losses
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS
from reclf.models.relations.pooling import MeanPooling
from reclf.runs.run import Run
from reclf.training.choices import aside, choose, without_gradient
from reclf.training.pair_memory import kept_bytes
from reclf.training.runtime import fast_math


def machine(kind="cpu", processes=1):
    """What `choose` asks of Accelerate."""
    handler = SimpleNamespace(find_unused_parameters="not asked")
    return SimpleNamespace(
        device=torch.device(kind), num_processes=processes, ddp_handler=handler,
        is_main_process=True,
    )  # fmt: skip


def with_none(model, batch, **how):
    """The same by a step that computes."""
    losses = contrastive_losses(**model.train()(batch, **how))
    torch.stack(list(losses.values())).sum().backward()
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize("chunk", [0, 2])
@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {}) for name in AGGREGATORS), ("reclf", {"importance_loss": 0.5, "word_gate": True})],
)
def test_parameters_without_gradient_are_those_of_a_step(tiny, batch, name, options, chunk):
    model = RECLF(tiny(aggregator=name, aggregator_options=options))
    model.image_encoder.project_whole.bias.requires_grad_(False)
    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    found = without_gradient(model, TrainConfig(encoder_chunk=chunk))
    assert all(torch.equal(weights[n], p) and p.grad is None for n, p in model.named_parameters())
    assert found == with_none(model, batch, encoder_chunk=chunk)
    assert ("matchings.whole.weight" in found) == (name not in ("reclf", "srm"))


class ReadsValues(MeanPooling):
    def forward(self, pairs):
        assert pairs.cosines.sum().item() < 1e9
        return super().forward(pairs)


def test_ddp_looks_for_them_where_nobody_knows_them(tiny, batch, capsys):
    own = RECLF(tiny(aggregator="own:ReadsValues"), aggregator=ReadsValues)
    idle = RECLF(tiny())
    idle.text_encoder.tower.never_used = torch.nn.Linear(2, 2)
    for model, look in ((RECLF(tiny()), False), (own, True), (idle, True)):
        several = machine(processes=2)
        _, chosen = choose(model, TrainConfig(), several, None)
        assert several.ddp_handler.find_unused_parameters is look
        assert chosen["find_unused_parameters"] is look
        assert f"'find_unused_parameters': {look}" in capsys.readouterr().out
        # SRM leaves out what its softmax drops.
        assert len(chosen["set_aside"]) == (0 if model is own else 3)
        assert all(name.endswith(".key.bias") for name in chosen["set_aside"])
        with aside(model, chosen["set_aside"]):
            if not look:
                assert with_none(model, batch) == []
        assert all(p.requires_grad for n, p in model.named_parameters() if n.endswith("key.bias"))
    alone = machine()
    assert choose(own, TrainConfig(), alone, None)[1] == {}
    assert alone.ddp_handler.find_unused_parameters == "not asked"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [1, 3])
def test_pairs_are_computed_again_where_they_do_not_fit_a_gpu(tiny, monkeypatch, capsys, share):
    model, config = RECLF(tiny()), TrainConfig(batch_size=4)
    free = share * kept_bytes(model.config, 4, 4, 5, 16)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    settings, chosen = choose(model, config, machine("cuda"), None)
    assert settings.checkpoint_pairs is chosen["checkpoint_pairs"] is (share == 1)
    assert f"chosen: {{'checkpoint_pairs': {share == 1}}}" in capsys.readouterr().out
    assert settings.shortlist == settings.pair_chunk == 0
    for how in (True, False):
        given = override(config, {"checkpoint_pairs": how})
        assert choose(model, given, machine("cuda"), None)[0].checkpoint_pairs is how
    # On a CPU as before there was a choice.
    assert choose(model, config, machine(), None) == (
        override(config, {"checkpoint_pairs": False}), {},
    )  # fmt: skip


def test_what_is_chosen_stands_in_the_environment_and_changes_no_weight(
    tmp_path, config, monkeypatch
):
    studies, val = Squares(), [Squares()[i] for i in range(6)]
    config = override(config, {"train.max_steps": 3, "train.precision": "no"})
    weights = []
    for recompute in (False, True):
        run = Run(tmp_path / str(recompute), config)
        run.write_environment(seed=3)
        chosen = {"checkpoint_pairs": recompute}
        monkeypatch.setattr(
            reclf.training.loop, "choose",
            lambda model, settings, *_, made=chosen: (override(settings, made), made),
        )  # fmt: skip
        weights.append(reclf.training.loop.train(start(run, studies), run, studies, val, False))
        found = json.loads((run.folder / "environment.json").read_text())
        assert found["checkpoint_pairs"] is recompute
        assert found["sittings"][-1]["checkpoint_pairs"] is recompute
        assert found["sittings"][-1]["seed"] == 3
        assert run.config.train.checkpoint_pairs == "auto"
    for (name, kept), again in zip(
        weights[0].named_parameters(), weights[1].parameters(), strict=True
    ):
        torch.testing.assert_close(kept, again, msg=lambda m, name=name: f"{name}: {m}")


def test_stored_and_written_values(tiny):
    config = TrainConfig()
    assert config.checkpoint_pairs == "auto"
    for given, read in ((True, True), (False, False), ("auto", "auto")):
        assert override(config, {"checkpoint_pairs": given}).checkpoint_pairs is read
    for given, read in (("true", True), ("False", False), ("auto", "auto")):
        text = override(config, {"checkpoint_pairs": given}, from_text=True)
        assert text.checkpoint_pairs == read
    for wrong in ("yes", 1):
        with pytest.raises(ValueError, match=r'checkpoint_pairs must be true, false or "auto"'):
            override(config, {"checkpoint_pairs": wrong})
    with pytest.raises(TypeError, match=r"checkpoint_pairs must be bool \| str, got \[\]"):
        override(config, {"checkpoint_pairs": []})


@pytest.mark.parametrize(("on", "kind"), [(True, "cuda"), (True, "cpu"), (False, "cuda")])
def test_fast_math_is_of_a_gpu_and_ends_with_the_training(on, kind):
    def now():
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark

    before = now()
    assert before == ("highest", False)
    within = []

    def train():
        with fast_math(on, torch.device(kind)):
            within.append(now())
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train()
    assert within == [("high", True) if on and kind == "cuda" else before]
    assert now() == before
