"""What is recomputed is what was computed, and is freed at once."""

import gc
import weakref

import pytest
import torch
from torch import nn

from reclf.models.checkpointing import checkpointed


@pytest.fixture
def inputs():
    return torch.randn(5, 4, requires_grad=True), torch.randn(5, 4, requires_grad=True)


def gradients(loss, module, inputs):
    leaves = [*inputs, *module.parameters()]
    return torch.autograd.grad(loss, leaves)


def test_gradients_with_dropout_and_a_value_that_has_none(inputs):
    module = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5), nn.Linear(3, 2)).train()

    def run(a, b, nothing):
        assert nothing is None
        return module(a * b), "a name", (a > 0)

    torch.manual_seed(1)
    plain, *_ = run(*inputs, None)
    after = torch.rand(1)
    torch.manual_seed(1)
    again, name, positive = checkpointed([module], run, *inputs, None)
    assert torch.equal(torch.rand(1), after)
    torch.rand(7)  # what is drawn between must not matter
    assert (name, positive.dtype, positive.requires_grad) == ("a name", torch.bool, False)
    torch.testing.assert_close(again, plain)
    weight = torch.randn_like(plain)
    state = torch.get_rng_state()
    expected = gradients((plain * weight).sum(), module, inputs)
    found = gradients((again * weight).sum(), module, inputs)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(found, expected)


def test_what_needs_no_gradient_gets_none(inputs):
    module = nn.Linear(4, 3)
    module.bias.requires_grad_(False)
    fixed = inputs[1].detach()
    (found,) = checkpointed([module], lambda a, b: (module(a * b),), inputs[0], fixed)
    found.sum().backward()
    assert module.bias.grad is None
    assert fixed.grad is None
    torch.testing.assert_close(inputs[0].grad, fixed * module.weight.sum(0))


def test_autocast_is_that_of_the_forward_pass(inputs):
    """And a weight that was cast without a graph is not found by who needs one."""
    module = nn.Linear(4, 3)
    seen = []

    def run(a, b):
        result = module(a * b)
        seen.append(result.dtype)
        return (result,)

    with torch.autocast("cpu", torch.bfloat16):
        (again,) = checkpointed([module], run, *inputs)
        (plain,) = run(*inputs)
    expected = gradients(plain.float().sum(), module, inputs)
    found = gradients(again.float().sum(), module, inputs)
    assert seen == [torch.bfloat16] * 3
    torch.testing.assert_close(found, expected)


def test_batch_statistics_are_updated_once(inputs):
    norms = [nn.BatchNorm1d(4) for _ in range(2)]
    norms[0](inputs[0]).sum().backward()
    (found,) = checkpointed([norms[1]], lambda a: (norms[1](a),), inputs[0])
    found.sum().backward()
    torch.testing.assert_close(norms[1].running_var, norms[0].running_var)
    assert norms[1].num_batches_tracked == 1


def test_a_chunk_is_freed_without_the_collector(inputs):
    """Cycles of references would hold it until Python looks for them."""
    module = nn.Linear(4, 3)
    alive = []

    def run(a, b):
        product = a * b
        alive.append(weakref.ref(product))
        return (module(product).relu().square(),)

    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            (found,) = checkpointed([module], run, *inputs)
            found.sum().backward()
            del found
        assert len(alive) == 6
        assert not any(reference() is not None for reference in alive)
    finally:
        gc.enable()
