"""Variants: one aggregator differs and nothing else, and each has the control that is fair."""

from dataclasses import replace

import pytest
import torch

from reclf.config import override, to_dict
from reclf.models.relations import Pairs, make_aggregator
from reclf.training.presets import make_config
from reclf_study.variants import (
    FURTHER,
    TITLES,
    VARIANTS,
    comparisons,
    control_of,
    distinct_variants,
    reads_global,
    title,
    variant_config,
)


def with_options(**options):
    """The small preset with these options of its aggregator, and none of its own."""
    config = make_config("phantom_small")
    return replace(config, model=replace(config.model, aggregator_options=options))


@pytest.fixture
def config():
    return with_options(steps=2, read_out="token")


@pytest.fixture
def global_node():
    return with_options(steps=2, read_out="global")


def make(config):
    model = config.model
    return make_aggregator(model.aggregator, 7, model.aggregator_options)


@pytest.fixture
def pairs():
    generator = torch.Generator().manual_seed(0)
    matchings = torch.nn.functional.normalize(torch.randn(3, 5, 7, generator=generator), dim=-1)
    whole = torch.nn.functional.normalize(torch.randn(3, 7, generator=generator), dim=-1)
    mask = torch.arange(5) < torch.tensor([5, 2, 3])[:, None]
    return Pairs(matchings, torch.rand(3, 5, generator=generator), whole, mask)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_its_aggregator_and_nothing_else(name, config):
    changed = to_dict(variant_config(name, config))
    before = to_dict(config)
    for values in (changed, before):
        for setting in ("aggregator", "aggregator_options", *FURTHER.get(name, ())):
            del values["model"][setting]
    assert changed == before
    make(variant_config(name, config))  # its options fit
    assert name in TITLES


def test_options_that_the_aggregator_takes_are_kept(config):
    assert variant_config("srm", config).model.aggregator_options == config.model.aggregator_options
    assert variant_config("srm_uniform", config).model.aggregator_options["steps"] == 2
    near = override(config, {"model.aggregator_options.nearness": 0.5})
    for name, expected in (
        ("srm", 0.5),
        ("srm_distance_only", 0.5),
        ("srm_uniform", 0),
        ("srm_no_prior", 0),
    ):
        assert variant_config(name, near).model.aggregator_options["nearness"] == expected
    assert {*distinct_variants(near)} - {*distinct_variants(config)} == {
        "srm_distance_only",
        "srm_no_prior",
    }
    helped = override(config, {"model.aggregator_options.importance_loss": 0.5})
    assert {*distinct_variants(helped)} - {*distinct_variants(config)} == {"reclf_joint"}
    placed = override(config, {"model.word_source": "embedding"})
    assert {*distinct_variants(config)} - {*distinct_variants(placed)} == {"reclf_placed"}
    for name, expected in (("reclf", 0.5), ("reclf_joint", 0), ("reclf_sequential", 0)):
        options = variant_config(name, helped).model.aggregator_options
        assert options["importance_loss"] == expected
    parted = override(config, {"model.aggregator_options.boundary": 0.5})
    assert distinct_variants(parted) == distinct_variants(near)
    for name, expected in (
        ("srm", 0.5),
        ("srm_distance_only", 0.5),
        ("srm_uniform", 0),
        ("srm_no_prior", 0),
    ):
        assert variant_config(name, parted).model.aggregator_options["boundary"] == expected
    seeing = override(config, {"model.aggregator_options.overlap": 2.0})
    assert {*distinct_variants(seeing)} - {*distinct_variants(config)} == {"srm_no_overlap"}
    for name in VARIANTS:
        options = variant_config(name, seeing).model.aggregator_options
        expected = 2.0 if name == "srm" or name.startswith("reclf") else 0
        assert options.get("overlap", 0) == expected
    assert variant_config("irm", config).model.aggregator_options == {}
    sequential = variant_config("reclf_sequential", config).model.aggregator_options
    kept = {"steps": 2, "read_out": "token"}
    assert sequential == kept | {"composition": "sequential", "importance_loss": 0.0}


@pytest.mark.parametrize("settings", ["config", "global_node"])
@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "global"])
def test_reading_the_global_matching_is_what_the_score_depends_on(name, settings, pairs, request):
    variant = variant_config(name, request.getfixturevalue(settings))
    aggregator = make(variant).eval()
    before = aggregator(pairs).logits
    other = Pairs(pairs.matchings, pairs.cosines, pairs.global_matching.flip(-1), pairs.word_mask)
    depends = bool((aggregator(other).logits - before).abs().max() > 1e-6)
    assert depends == reads_global(variant.model)


def test_the_control_reads_what_the_variant_reads(config, global_node):
    for name in ("srm", "srm_uniform", "reclf", "reclf_sequential"):
        assert control_of(name, config) == "mean"
        assert control_of(name, global_node) == "mean_global"
    for settings in (config, global_node):
        assert control_of("irm", settings) == "mean"
        assert control_of("mean_global", settings) == "global"
    with pytest.raises(ValueError, match="is the last control"):
        control_of("global", config)


def test_uniform_edges_are_uniform_and_stay_so(config, pairs):
    aggregator = make(variant_config("srm_uniform", config))
    optimizer = torch.optim.AdamW(aggregator.parameters(), lr=0.1, weight_decay=0.1)
    before = [p.detach().clone() for p in aggregator.parameters() if p.requires_grad]
    aggregator(pairs).logits.sum().backward()
    optimizer.step()
    graph = aggregator.eval()(pairs).graph
    for n, words in enumerate((5, 2, 3)):
        for step in range(2):
            rows = graph[n, step, : words + 1]
            expected = torch.zeros_like(rows)
            expected[:, : words + 1] = 1 / (words + 1)
            torch.testing.assert_close(rows, expected)
    after = [p for p in aggregator.parameters() if p.requires_grad]
    assert any((a - b).abs().max() > 1e-3 for a, b in zip(after, before, strict=True))


def test_edges_by_distance_alone_read_no_matching(config, pairs):
    near = override(config, {"model.aggregator_options.nearness": 0.5})
    aggregator = make(variant_config("srm_distance_only", near)).eval()
    graph = aggregator(pairs).graph
    assert graph[0, 0, 1, 2] > 1.5 * graph[0, 0, 1, 3] > 0
    other = Pairs(pairs.matchings.flip(-1), pairs.cosines, pairs.global_matching, pairs.word_mask)
    torch.testing.assert_close(aggregator(other).graph[:, 0], graph[:, 0])


def test_comparisons_ask_each_pair_once_and_only_what_was_trained(config):
    asked = comparisons(list(VARIANTS), config)
    pairs = [(name, control) for name, control, _ in asked]
    assert len(pairs) == len(set(pairs))
    assert ("srm", "mean", "control") in asked
    assert ("srm", "mean_global", "other control") in asked
    assert ("srm", "srm_uniform", "edges") in asked
    assert ("srm", "srm_distance_only", "edges beyond distance") in asked
    assert ("srm", "srm_no_overlap", "overlap of attention") in asked
    seeing = override(config, {"model.aggregator_options.overlap": 2.0})
    asked = comparisons(list(VARIANTS), seeing)
    for control in ("uniform", "distance_only", "no_prior"):
        assert any(line[:2] == ("srm_no_overlap", f"srm_{control}") for line in asked)
        assert not any(line[:2] == ("srm", f"srm_{control}") for line in asked)
    assert comparisons(["global", "srm"], config) == [
        ("srm", "global", "uses word-level matchings")
    ]


def test_only_glorias_score_has_glorias_attention_and_scales(config):
    changed = override(config, {"model.attention_scale": 3.0, "model.learn_attention_scale": True})
    gloria, pooled = (
        variant_config(name, changed).model for name in ("gloria_score", "log_sum_exp")
    )
    assert (gloria.attention, gloria.attention_scale) == ("words_then_regions", 4.0)  # temp1
    assert not gloria.learn_attention_scale
    made = make(variant_config("gloria_score", changed))
    assert (made.scale_in, made.scale_out, made.aggregate) == (5.0, 10.0, "sum")  # temp2, temp3
    assert (pooled.attention, pooled.attention_scale) == ("cosine", 3.0)
    assert title("gloria") == title("log_sum_exp") == "log-sum-exp of word cosines"


def test_an_unknown_variant_is_refused_with_the_names(config):
    with pytest.raises(
        ValueError,
        match="unknown variant 'sgraf'; variants: global, log_sum_exp, gloria_score, mean",
    ):
        variant_config("sgraf", config)
