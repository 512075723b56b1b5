"""Jobs side by side give what they give one after the other, in value and gradient."""

import multiprocessing
import threading
import weakref

import pytest
import torch
from torch import nn

from reclf.models.losses import contrastive_losses
from reclf.models.parallel import Job, parallel_threads, run_parallel
from reclf.models.reclf import RECLF


@pytest.fixture
def modules():
    torch.manual_seed(0)
    return [nn.Linear(4, 3), nn.Linear(4, 3)]


def jobs_of(modules, seen=None):
    """Three jobs: two share a tensor and a module, one has a second output without gradient."""

    def run(module, a, b, nothing=None):
        if seen is not None:
            seen.append((threading.get_ident(), torch.is_grad_enabled(), torch.get_num_threads()))
        assert nothing is None
        product = module(a * b)
        return product.tanh(), (product > 0), "a name"

    a, b, c = (torch.randn(5, 4, requires_grad=True) for _ in range(3))
    fixed = torch.randn(5, 4)
    first, second = modules
    jobs = [
        Job([first], lambda *tensors: run(first, *tensors), (a, b, None)),
        Job([second], lambda *tensors: run(second, *tensors), (b, fixed)),
        Job([first], lambda *tensors: run(first, *tensors), (b, c)),
    ]
    return jobs, [a, b, c, *first.parameters(), *second.parameters()]


def test_values_and_gradients_are_those_of_a_plain_loop(modules):
    seen = []
    jobs, leaves = jobs_of(modules, seen)
    weights = torch.randn(3, 5, 3)
    found = []
    for count in (1, 2, 3):
        with parallel_threads(count):
            outputs = run_parallel(jobs)
        assert [some[2] for some in outputs] == ["a name"] * 3
        assert not any(some[1].requires_grad for some in outputs)
        loss = sum((some[0] * w).sum() for some, w in zip(outputs, weights, strict=True))
        found.append((loss.detach(), torch.autograd.grad(loss, leaves)))
    for loss, gradients in found[1:]:
        assert torch.equal(loss, found[0][0])
        torch.testing.assert_close(gradients, found[0][1])
    here = threading.get_ident()
    assert [thread == here for thread, _, _ in seen] == [True] * 3 + [False] * 6


def test_what_needs_no_gradient_gets_none(modules):
    jobs, (a, b, c, *_) = jobs_of(modules)
    modules[0].bias.requires_grad_(False)
    b.requires_grad_(False)
    with parallel_threads(2):
        outputs = run_parallel(jobs[:2])  # c has no part in them
        outputs[0][0].sum().backward()  # and the other job none in the loss
    assert modules[0].bias.grad is None
    assert b.grad is None
    assert c.grad is None
    assert modules[1].weight.grad is None
    assert a.grad is not None


def test_without_gradients_and_under_autocast_as_here(modules):
    seen = []
    jobs, _ = jobs_of(modules, seen)
    with parallel_threads(2), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        outputs = run_parallel(jobs)
    assert not outputs[0][0].requires_grad
    assert outputs[0][0].dtype == torch.bfloat16
    assert [graded for _, graded, _ in seen] == [False] * 3
    with parallel_threads(2):
        assert run_parallel(jobs)[0][0].dtype == torch.float32


def test_half_precision_has_the_gradients_of_a_plain_loop(modules):
    jobs, leaves = jobs_of(modules)
    found = []
    for count in (1, 2):
        with parallel_threads(count), torch.autocast("cpu", torch.bfloat16):
            outputs = run_parallel(jobs)
        loss = sum(some[0].float().sum() for some in outputs)
        found.append(torch.autograd.grad(loss, leaves))
    torch.testing.assert_close(found[1], found[0], rtol=0.01, atol=0.01)
    assert all(gradient.dtype == torch.float32 for gradient in found[1])


@pytest.mark.parametrize(
    ("part", "training", "aside"),
    [
        (nn.Dropout(0.5), True, False),
        (nn.Dropout(0.0), True, True),
        (nn.Dropout(0.5), False, True),
        (nn.BatchNorm1d(3), True, False),
        (nn.BatchNorm1d(3), False, True),
    ],
)
def test_one_after_the_other_where_the_order_shows(modules, part, training, aside):
    seen = []
    jobs, _ = jobs_of(modules, seen)
    part.train(training)
    with parallel_threads(2):
        run_parallel([job._replace(modules=[*job.modules, part]) for job in jobs[:2]])
    assert (threading.get_ident() not in {thread for thread, _, _ in seen}) == aside


def test_a_norm_that_belongs_to_one_job_may_run_beside_another():
    tower, seen = nn.BatchNorm1d(4).train(), []

    def run(module, x):
        seen.append(threading.get_ident())
        return (module(x),)

    other = nn.Linear(4, 4)
    jobs = [Job([m], lambda x, m=m: run(m, x), (torch.randn(5, 4),)) for m in (tower, other)]
    with parallel_threads(2):
        run_parallel(jobs)
    assert threading.get_ident() not in seen
    assert int(tower.num_batches_tracked) == 1


def test_a_lane_has_no_lanes_of_its_own(modules):
    seen = []

    def inner(x):
        seen.append(threading.get_ident())
        return (x,)

    def outer(x):
        before = threading.get_ident()
        run_parallel([Job([], inner, (x,)), Job([], inner, (x,))])
        assert set(seen[-1:]) == {before}
        return (x,)

    with parallel_threads(2):
        run_parallel([Job([], outer, (torch.ones(1),)), Job([], outer, (torch.ones(1),))])
    assert len(seen) == 4


def test_an_error_in_a_job_is_raised(modules):
    def fail(x):
        raise ValueError(f"no rows in {tuple(x.shape)}")

    with parallel_threads(2), pytest.raises(ValueError, match=r"no rows in \(3,\)"):
        run_parallel([Job([], fail, (torch.ones(3),))] * 2)


def test_a_graph_is_freed_by_its_backward_pass_which_happens_once(modules):
    kept = []

    def run(module, a, b):
        product = a * b
        kept.append(weakref.ref(product))
        return (module(product),)

    a, b = torch.randn(5, 4, requires_grad=True), torch.randn(5, 4)
    with parallel_threads(2):
        first, second = run_parallel(
            [Job([m], lambda x, y, m=m: run(m, x, y), (a, b)) for m in modules]
        )
    loss = (first[0] + second[0]).sum()
    assert all(reference() is not None for reference in kept)
    loss.backward(retain_graph=True)
    assert all(reference() is None for reference in kept)
    with pytest.raises(RuntimeError, match="been through a backward pass"):
        loss.backward()


def _in_a_fork(queue):
    with parallel_threads(2):
        outputs = run_parallel([Job([], lambda x: (x + 1,), (torch.ones(1),))] * 2)
    queue.put([float(some[0]) for some in outputs])


def test_a_fork_makes_lanes_of_its_own():
    with parallel_threads(2):
        run_parallel([Job([], lambda x: (x,), (torch.ones(1),))] * 2)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_a_fork, args=(queue,))
    child.start()
    assert queue.get(timeout=60) == [2.0, 2.0]
    child.join(60)


@pytest.mark.parametrize(
    "how",
    [
        {"pair_chunk": 4},
        {"pair_chunk": 4, "checkpoint_pairs": True, "encoder_chunk": 2},
        {"pair_chunk": 4, "shortlist": 1},
    ],
)
def test_a_model_has_the_same_loss_and_gradient_in_lanes(tiny, make_batch, how):
    batch = make_batch((3, 0, 5, 1, 4))
    batch.pixels = batch.pixels.double()
    model = RECLF(tiny()).double().train()
    model.image_encoder.tower.eval()  # in training a chunk is the batch of its norms
    found, threads = [], set()
    model.matchings.register_forward_hook(lambda *_: threads.add(threading.get_ident()))
    for count in (1, 2):
        threads.clear()
        model.zero_grad()
        with parallel_threads(count):
            losses = contrastive_losses(**model(batch, **how))
            sum(losses.values()).backward()
        assert (threading.get_ident() in threads) == (count == 1)
        gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        found.append((losses, gradients))
    torch.testing.assert_close(found[1], found[0])
