"""The prior of edges: what a relation graph is where a word is attended for its place alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sample_explanations import sample, with_prior

from reclf.data.study import Study
from reclf.data.tokenization import train_tokenizer
from reclf.explain import Explanation, explain
from reclf.models.reclf import RECLF

REPORT = "Small left effusion. No nodule. Normal."


def explained(tiny, aggregator="srm", **options):
    tokenizer = train_tokenizer([REPORT] * 5, 40)
    settings = tiny(aggregator=aggregator, aggregator_options=options, max_words=6, max_tokens=24)
    torch.manual_seed(1)
    model = RECLF(settings, tokenizer)
    with torch.no_grad():
        for name, weight in model.aggregator.named_parameters():
            if ".query." in name:
                weight.zero_()
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    return explain(model, Study("s", "p", image, REPORT))


@pytest.mark.parametrize("aggregator", ["srm", "reclf"])
@pytest.mark.parametrize("weights", [(0.0, 0.0), (0.3, 0.0), (0.0, 0.8), (0.3, 0.8)])
def test_without_queries_the_graph_is_its_prior(tiny, aggregator, weights):
    nearness, boundary = weights
    e = explained(tiny, aggregator, steps=2, nearness=nearness, boundary=boundary, overlap=0.0)
    assert e.sentences == [0, 0, 0, 1, 1, 2]
    np.testing.assert_allclose(e.distance_weights, [weights] * 2, atol=1e-6)
    for step in (-1, 0, 1):
        np.testing.assert_allclose(e.prior(step), e.relations(step), atol=1e-6)
        np.testing.assert_allclose(e.prior(step).sum(1), 1, atol=1e-6)


def test_by_a_loop_each_row_from_the_step_that_is_read():
    e = replace(with_prior(), word_step=0, whole_step=1)
    found = e.prior()
    for i in range(10):
        near, inside = e.distance_weights[0 if i else 1]
        taken = [
            near * abs(i - j) + inside * abs(e.sentences[i - 1] - e.sentences[j - 1])
            if i * j
            else 0
            for j in range(10)
        ]
        expected = np.exp(np.negative(taken))
        np.testing.assert_allclose(found[i], expected / expected.sum(), atol=1e-6)


def test_where_it_is_not_known_there_is_none(tiny, tmp_path):
    assert explained(tiny, "irm").prior() is None
    assert sample().prior() is None  # as of a file of an earlier version
    with pytest.raises(ValueError, match="step must be -1 to 1, got 2"):
        with_prior().prior(2)
    with pytest.raises(ValueError, match=r"the report has 9 words, but .'sentences': 2"):
        sample(sentences=[0, 1])
    with pytest.raises(ValueError, match="distance_weights must be two numbers for each of 2"):
        sample(distance_weights=[(0.1, 0.2)])


def test_it_is_kept_in_the_file(tmp_path):
    with_prior().save(tmp_path / "one.npz")
    found = Explanation.load(tmp_path / "one.npz")
    np.testing.assert_array_equal(found.prior(), with_prior().prior())
