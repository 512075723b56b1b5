"""How much memory the pairs of a step keep: counted before, and what a step really keeps."""

import warnings
from itertools import accumulate

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile

from reclf.config import TrainConfig
from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.reclf import RECLF
from reclf.models.relations import AGGREGATORS
from reclf.models.relations.pooling import MeanPooling
from reclf.models.scoring import PairScorer
from reclf.training.pair_memory import judge_memory, kept_bytes
from reclf.training.presets import find_preset
from reclf_benchmarks.pair_memory import table


def features(config, images, reports, words, regions, dtype):
    torch.manual_seed(0)
    made = [
        torch.randn(*shape, config.embed_dim, dtype=dtype, requires_grad=True)
        for shape in ((images,), (images, regions), (reports,), (reports, words))
    ]
    mask = torch.ones(reports, words, dtype=torch.bool)
    sentences = torch.zeros(reports, words, dtype=torch.long)
    sides = (
        ImageFeatures(*made[:2], made[0], (1, regions)),
        TextFeatures(*made[2:], mask, sentences),
    )
    return sides, [*made, mask, sentences]


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("name", [name for name in AGGREGATORS if name != "global"])
def test_it_is_what_autograd_keeps(tiny, name, recompute, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # threads keep it out of sight
    model = RECLF(tiny(aggregator=name))
    sizes, dtype = (3, 4, 4, 6), torch.float32
    sides, given = features(model.config, *sizes, dtype)
    there = {tensor.untyped_storage().data_ptr() for tensor in (*given, *model.parameters())}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in there:
            kept[storage.data_ptr()] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        scorer = PairScorer(model.matchings, model.aggregator, 0, recompute)
        scorer.all_pairs(*sides, [4] * 4)
    expected = sum(storage.nbytes() for storage in kept.values())
    assert kept_bytes(model.config, *sizes, dtype, recompute) == expected > 0


def most_allocated(job):
    """Most bytes that torch's allocator held for `job` at one moment, by its own record.

    Not the resident memory of the process: the system may take that back while it is measured.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        job()
    changes = [event for event in record.profiler.kineto_results.events() if event.nbytes()]
    changes.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in changes))


def test_it_is_most_of_the_peak(tiny, monkeypatch):
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # threads keep it out of sight
    config = tiny(embed_dim=128, matching_dim=128)
    model, sizes = RECLF(config), (24, 24, 40, 49)
    sides, _ = features(config, *sizes, torch.float32)
    scorer = PairScorer(model.matchings, model.aggregator)
    peak = most_allocated(lambda: scorer.all_pairs(*sides, [40] * 24))
    counted = kept_bytes(config, *sizes, torch.float32)
    print(peak / counted)
    assert counted < peak < 1.1 * counted


def test_it_grows_with_the_processes_and_hardly_where_pairs_are_computed_again():
    rows = table("mimic_resnet50", 97, 196, [8], [1, 4])
    assert rows[1]["all"] == pytest.approx(4 * rows[0]["all"], rel=0.1)
    assert rows[1]["again"] < 0.05 * rows[1]["all"]
    assert kept_bytes(find_preset("mimic_vit").model, 2, 2, 97, 196) > 0


def judged(model, free, processes=4, **settings):
    """What it says, and whether pairs take more than there may be."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        short = judge_memory(model, TrainConfig(batch_size=4, **settings), processes, free)
    return [str(warning.message) for warning in caught], short


def test_what_may_not_fit_is_said_with_what_does(tiny):
    model = RECLF(tiny())
    needed = kept_bytes(model.config, 16, 4, 5, 16)
    again = kept_bytes(model.config, 16, 4, 5, 16, recompute=True)
    assert 3 * again < needed
    (text,), short = judged(model, needed, checkpoint_pairs=False)
    assert text.startswith("relating 16 images with 4 reports of up to 5 words keeps 0.00 GiB")
    assert "train.checkpoint_pairs=true keeps" in text
    assert "train.shortlist=8 relates the hardest pairs alone, which is another loss" in text
    assert short
    assert model.training
    for how in (False, "auto", True):
        assert judged(model, 3 * needed, checkpoint_pairs=how) == ([], False)
    for how in ("auto", True):
        assert judged(model, needed, checkpoint_pairs=how) == ([], True)  # and is mended
        (text,), short = judged(model, again, checkpoint_pairs=how)  # that is not enough
        assert "or take a smaller train.batch_size" in text
        assert short
    assert judged(model, needed, shortlist=2) == ([], False)
    assert judged(RECLF(tiny(aggregator="global")), 1) == ([], False)


class ReadsValues(MeanPooling):
    def forward(self, pairs):
        assert pairs.cosines.sum().item() < 1e9
        return super().forward(pairs)


def test_an_aggregator_that_reads_values_is_named_as_not_counted(tiny):
    model = RECLF(tiny(aggregator="own:ReadsValues"), aggregator=ReadsValues)
    (text,), short = judged(model, 2**60)
    assert not short
    assert text.startswith("what pairs keep in memory is not known: ReadsValues does not run")
    assert "item() cannot be called on meta tensors" in text
    assert "\n" not in text
