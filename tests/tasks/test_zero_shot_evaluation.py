"""Zero-shot classification of a run: every way to pool and score, and the one asked for."""

import numpy as np
import pytest
from evaluated_run import evaluate

from reclf.stats.estimate import Estimate
from reclf.tasks import zero_shot as prompted
from reclf.tasks.evaluations import zero_shot
from reclf.tasks.prompt_sets import POLARITIES, load_prompts


@pytest.fixture
def quick(monkeypatch):
    """Mean scores in place of zero-shot's metrics, whose intervals take a second a way to pool."""

    def measure(logits, truth, pooling, score, rule, sampled, seed):
        value = float(logits.class_scores(pooling, score, rule, sampled, seed)[:, 0].mean())
        result = {"interval": None, "n": len(truth), "chance": 0.5, "per_class": {}}
        return {name: result | {"value": value + i} for i, name in enumerate(prompted.METRICS)}

    monkeypatch.setattr(zero_shot, "measure", measure)
    return measure


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        (
            ["edema", "consolidation", "nodule"],
            {"pooling": "max_z", "score": "global", "metric": "accuracy", "rule": "positive"},
        ),
        (["edema"], {"metric": "macro_f1"}),
        (["nodule", "edema"], {"pooling": "max"}),
    ],
)
def test_zero_shot_reports_the_way_that_was_asked_for_beside_all_others(
    choose, quick, labels, given
):
    p = choose("zero_shot", labels=labels, studies=20, sampled=3, seed=2, **given)
    evaluation, written = evaluate(zero_shot, p)
    protocol, shown = written["protocol"], evaluation.shown
    task_run = zero_shot.open_task(p)
    prompts, source = load_prompts("phantom", labels, 3, 2)
    assert (shown.prompts, shown.source, shown.without) == (prompts, source, [])
    logits, truth, ids = prompted.score_studies(task_run.models, task_run.studies(20), prompts)
    assert len(ids) == 20
    np.testing.assert_array_equal(shown.labels, truth)

    def found(who, pooling, score):
        return quick(logits[who], truth, pooling, score, p.rule, 3, 2)

    mine, other = (found(who, p.pooling, p.score) for who in ("trained", "random"))
    assert mine != other
    assert {name: written[name] for name in mine[p.metric]} == mine[p.metric]
    assert written["untrained_baseline"] == other[p.metric]
    assert (written["metrics"], written["metrics_untrained_baseline"]) == (mine, other)
    ways = [(pool, score) for pool in prompted.POOLINGS for score in prompted.SCORES]
    assert [(row["pooling"], row["score"]) for row in written["all"]] == ways
    for row, way in zip(written["all"], ways, strict=True):
        assert row["auroc"] == str(Estimate.of(found("trained", *way)["auroc"]))
        assert row["AUROC, untrained baseline"] == str(Estimate.of(found("random", *way)["auroc"]))
    transductive = p.pooling == "max_z"
    assert protocol["transductive"] is transductive
    assert protocol["normalization"] == ("z over the test set" if transductive else "none")
    assert protocol["rule_for_accuracy"] == (
        "positive prompts, exclusive choice" if len(labels) > 1 else "difference"
    )
    assert ("prompts_drawn" in protocol) == p.pooling.startswith("max")
    for name, of_class in protocol.get("prompts_drawn", {}).items():
        for polarity in POLARITIES:
            assert len(of_class[polarity]) == 3
            assert set(of_class[polarity]) <= set(prompts[name][polarity])
    for name, value in (("studies", 20), ("prompt_set", source), ("sampled_prompts", 3)):
        assert protocol[name] == value


def test_zero_shot_of_labels_without_prompts_names_them(choose, quick, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"classes": {"edema": {"positive": ["Edema."], "negative": ["Clear."]}}}')
    evaluation, written = evaluate(zero_shot, choose("zero_shot", prompts=str(path), studies=10))
    lacking = written["protocol"]["labels_without_prompts"]
    assert lacking == evaluation.shown.without == sorted(lacking)
    assert "nodule" in lacking
    assert "edema" not in lacking
    assert list(written["protocol"]["prompts"]) == ["edema"]
    with pytest.raises(ValueError, match="no prompts for nodule in"):
        zero_shot.open_task(choose("zero_shot", prompts=str(path), labels=["nodule"]))
    with pytest.raises(ValueError, match=r"no prompts for fracture in .*phantom"):
        zero_shot.open_task(choose("zero_shot", labels=["fracture"]))
