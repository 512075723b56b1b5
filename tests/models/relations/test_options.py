"""Options of aggregators: their bounds, which others take them, and what a graph is read of."""

import math

import pytest
import torch

from reclf.models.relations import make_aggregator, options_for
from reclf.models.relations.options import SRMOptions

COUNTS, W, S = (4, 2, 3), 4, 6


def test_another_aggregator_is_given_the_options_that_it_takes_too():
    options = {"steps": 2, "norm": "batch", "importance_loss": 0.5, "include_global": True}
    assert options_for("reclf", options) == options
    assert options_for("srm", options) == {"steps": 2}
    assert options_for("irm", options) == {"norm": "batch", "include_global": True}
    assert options_for("global", options) == {}
    assert options_for("srm", {}) == {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"steps": 2.0}, "steps must be at least 1, got 2.0"),
        ({"read_out": "mean"}, r"read_out must be one of \('global', 'token'\), got 'mean'"),
        ({"scaled": 1}, "scaled must be true or false, got 1"),
        ({"residual": "no"}, "residual must be true or false, got 'no'"),
        ({"nearness": "1"}, "nearness must be a finite number, got '1'"),
        ({"boundary": math.inf}, "boundary must be a finite number, got inf"),
        ({"overlap": math.nan}, "overlap must be a finite number, got nan"),
    ],
)
def test_options_of_srm_that_are_not_allowed(options, said):
    with pytest.raises(ValueError, match=said):
        SRMOptions(**options)
    assert SRMOptions(steps=1, read_out="token", scaled=True, nearness=1, overlap=-0.5)


@pytest.mark.parametrize("name", ["nearness", "boundary", "overlap"])
def test_edges_between_words_need_a_second_step(name):
    with pytest.raises(ValueError, match=f"{name} 0.5 has no effect with steps=1"):
        SRMOptions(steps=1, **{name: 0.5}).check_word_edges()
    SRMOptions(steps=2, **{name: 0.5}).check_word_edges()
    SRMOptions(steps=1, **{name: 0}).check_word_edges()


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("srm", {}),
        ("reclf", {}),
        ("reclf", {"composition": "sequential"}),
        ("reclf", {"composition": "sequential", "include_global": True}),
    ],
)
def test_the_edges_that_are_read_last_are_those_that_the_score_depends_on(
    pairs, name, options, steps
):
    """By the gradient at the nodes behind each step: what has none there, no edge could change."""
    aggregator = make_aggregator(name, S, {**options, "steps": steps}).double().eval()
    nodes = []
    for step in aggregator.semantic.steps:
        step.register_forward_hook(lambda module, given, made: nodes.append(made[0]))
    logits = aggregator(pairs, *aggregator.prepare()).logits
    gradients = torch.autograd.grad(logits.sum(), nodes, allow_unused=True, materialize_grads=True)
    words = [k for k, found in enumerate(gradients) if found[:, 1:].any()]
    whole = [k for k, found in enumerate(gradients) if found[:, 0].any()]
    assert len(nodes) == steps
    assert aggregator.last_read() == (steps, max(words, default=None), max(whole, default=None))
