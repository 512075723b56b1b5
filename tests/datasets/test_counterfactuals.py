"""Twins beside their studies, as many as asked for, the same in every order of reading."""

from collections import Counter

import numpy as np
import pytest

from reclf.config import override
from reclf.data.reports import split_words
from reclf.datasets.counterfactuals import WithCounterfactuals
from reclf.datasets.phantom import Phantom, counterfactual_pairs
from reclf.pretrain import pretrain
from reclf.runs.run import Run
from reclf.training.presets import make_config
from reclf.training.reader import study_ids

PHANTOM = Phantom(None, "train", 32)


def same(one, other):
    return np.array_equal(one.image, other.image) and one.report == other.report


def test_shares_are_kept_in_every_batch():
    data = WithCounterfactuals(PHANTOM, {"binding": 0.375, "side": 0.125})
    for first in range(0, 3200, 32):
        facts = Counter(data.fact(index) for index in range(first, first + 32))
        assert abs(facts["binding"] - 12) <= 4
        assert abs(facts["side"] - 4) <= 2
    facts = Counter(data.fact(index) for index in range(3200))
    assert facts["binding"] == pytest.approx(1200, abs=8)
    assert facts["side"] == pytest.approx(400, abs=8)


def test_counterfactual_pairs_stay_together_and_the_rest_is_as_it_was():
    data = WithCounterfactuals(PHANTOM, {"binding": 0.5})
    pairs = data.pairs(range(12))
    for number in range(6):
        one, other = pairs[2 * number : 2 * number + 2]
        if data.fact(2 * number) is None:
            plain = PHANTOM.pairs([2 * number, 2 * number + 1])
            assert same(one, plain[0])
            assert same(other, plain[1])
        else:
            words = [sorted(split_words(pair.report)) for pair in (one, other)]
            assert words[0] == words[1]  # the same words of other things
            assert one.report != other.report
            assert not np.array_equal(one.image, other.image)


def test_a_study_depends_on_its_index_alone():
    data = WithCounterfactuals(PHANTOM, {"binding": 0.3, "presence": 0.4})
    forth = data.pairs(range(10))
    for index in (7, 2, 3, 0, 9):
        assert same(data[index], forth[index])
    assert len(data) == len(PHANTOM)


@pytest.mark.parametrize("fact", Phantom.facts)
def test_it_is_the_counterfactual_pair_of_the_benchmark(fact):
    data = Phantom(None, "train", 32, length=60)
    one, other = data.counterfactuals(5, fact)
    assert same(one, data.counterfactuals(5, fact)[0])
    numbers = {data.counterfactuals(number, fact)[0].report for number in range(8)}
    assert len(numbers) > 2
    expected = next(p for p in counterfactual_pairs(data, 60, fact) if p[0].report == one.report)
    assert same(one, expected[0])
    assert same(other, expected[1])


def test_a_split_without_such_a_fact():
    index = next(i for i in range(100) if PHANTOM.case(i).spec == "normal")
    alone = Phantom(None, "train", 32, length=1)
    alone.case = lambda _: PHANTOM.case(index)
    with pytest.raises(ValueError, match="has a binding to change"):
        alone.counterfactuals(0, "binding")


@pytest.mark.parametrize(
    ("data", "shares", "message"),
    [
        (PHANTOM, {"bindings": 0.5}, "unknown fact 'bindings'; facts: binding, place"),
    ],
)
def test_what_cannot_be_is_refused(data, shares, message):
    with pytest.raises(ValueError, match=message):
        WithCounterfactuals(data, shares)


def test_passes_have_no_end_where_the_data_has_none():
    with pytest.raises(
        ValueError, match=r"counterfactuals_from counts passes .* Phantom has no end"
    ):
        WithCounterfactuals(PHANTOM, {"binding": 0.5}, start=1)


def test_studies_of_a_step_are_named_by_their_index():
    data = WithCounterfactuals(PHANTOM, {"binding": 0.5})
    assert study_ids(data, [0, 5]) == ["with index 0", "with index 5"]


def test_a_training_with_counterfactuals(tmp_path):
    config = override(
        make_config("phantom_small"),
        {
            "model.image_size": 32,
            "data.counterfactuals": {"binding": 0.5},
            "data.workers": 0,
            "train.max_steps": 2,
            "train.batch_size": 4,
            "train.val_studies": 8,
        },
    )
    run = Run(tmp_path, config)
    pretrain(run, progress_bar=False)
    assert run.status["state"] == "trained"
    wrong = override(config, {"data.counterfactuals": {"color": 0.5}})
    with pytest.raises(ValueError, match="unknown fact 'color'"):
        pretrain(Run(tmp_path / "wrong", wrong), progress_bar=False)
