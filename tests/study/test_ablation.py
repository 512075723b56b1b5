"""The ablation: runs that start alike, go on after a kill, and are compared by their answers."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reclf.config import override
from reclf.datasets import selection
from reclf.datasets.selection import open_split
from reclf.models.inference import encode_images
from reclf.models.reclf import RECLF
from reclf.pretrain import make_model, make_tokenizer
from reclf.runs.run import Run
from reclf.stats.estimate import Estimate
from reclf.stats.per_study import StudyRatio
from reclf.stats.tables import plain
from reclf.training.presets import make_config
from reclf_study import ablation as module
from reclf_study.ablation import ABLATION_MEASURES, Ablation, plan, sentence, shareable, summarize
from reclf_study.evaluation_suite import EvaluationSuite, load_results, save_results
from reclf_study.films.swap_measures import score_swaps, swap_ratios
from reclf_study.seeds import Ranking, holm

TINY = {
    "model.image_size": 32,
    "model.embed_dim": 8,
    "model.matching_dim": 6,
    "model.image_tower.config": {
        "model_type": "resnet", "num_channels": 1, "embedding_size": 8,
        "hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "layer_type": "basic",
    },
    "data.options": {"length": 400},
    "data.workers": 0,
    "train.batch_size": 4,
    "train.val_studies": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def config():
    return make_config("phantom_small", **TINY)


@pytest.fixture(scope="module")
def suite(config):
    return EvaluationSuite.draw(config, n_gallery=24, n_pairs=3, n_labeled=30)


@pytest.fixture(scope="module")
def finished(config, suite, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablation")
    done = Ablation(folder, config, ["global", "mean", "srm"], seeds=2, steps=3)
    said = []
    done.complete(suite, said.append)
    return done, said


def test_a_protocol_names_no_folders_of_the_machine():
    settings = {"root": "/data/open_i", "tower": {"name": "google/vit", "path": "/models/mini"}}
    more = {"steps": 2, "none": None, "roots": ("/data/a", "b"), "own": Path("/data/c")}
    assert shareable(settings | more) == {
        "root": "open_i", "roots": ["a", "b"], "own": "c",
        "tower": {"name": "google/vit", "path": "mini"}, "steps": 2, "none": None,
    }  # fmt: skip


def test_every_variant_starts_with_the_same_encoders(config, tmp_path):
    tokenizer = make_tokenizer(config, open_split(config, "train"))
    ablated = Ablation(tmp_path, config, ["global", "srm", "reclf_sequential"], 1, 3)
    states = [
        make_model(ablated.run_config(name, 0).model, tokenizer, 0).state_dict()
        for name in ablated.names
    ]
    encoders = [key for key in states[0] if "encoder" in key or "matchings" in key]
    assert len(encoders) > 20
    for key in encoders:
        assert all(torch.equal(states[0][key], state[key]) for state in states)


def test_variants_may_have_steps_of_their_own_for_a_comparison_at_equal_time(config, tmp_path):
    ablated = Ablation(tmp_path, config, ["mean", "srm"], 1, 3, {"srm": 2})
    steps = [ablated.run_config(name, 0).train.max_steps for name in ablated.names]
    assert steps == [3, 2]
    for wrong in ({"irm": 2}, {"srm": 0}, {"srm": 2.5}):
        with pytest.raises(ValueError, match=r"steps_of must give some of mean, srm a whole num"):
            Ablation(tmp_path, config, ["mean", "srm"], 1, 3, wrong)


def test_workers_read_the_labeled_studies(config, monkeypatch):
    workers = []
    real = selection.ReadAhead
    monkeypatch.setattr(selection, "ReadAhead", lambda data, n: workers.append(n) or real(data, 0))
    asked = override(config, {"data.workers": 3})
    EvaluationSuite.draw(asked, n_gallery=4, n_pairs=1, n_labeled=6)
    assert workers == [3, 3, 3]  # for zero-shot, and to learn the probe and its strength from


def test_real_reports_are_asked_for_importance_by_the_lexicon(config, tmp_path):
    reports = ["Small left effusion. Heart normal.", "No nodule.", "No effusion. Right nodule."]
    rows = ["image,report,patient_id,split"]
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        split = "train" if number < 6 else "val"
        rows.append(f"{number}.png,{reports[number % 3]},{number},{split}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    settings = {"data.dataset": "table", "data.root": str(tmp_path), "data.options": {}}
    config = make_config("phantom_small", **{**TINY, **settings})
    suite = EvaluationSuite.draw(config, "val")
    assert suite.benchmark_data is None
    assert suite.choices["words"].startswith("guessed by lexicon chest ")
    assert suite.frequency.reports == 6
    model = make_model(config.model, make_tokenizer(config, open_split(config, "train")), 0)
    results = suite.evaluate(model.eval(), None)
    assert results["importance_auroc"].n == 4  # two of six reports state nothing
    assert "importance_auroc_idf" in results
    assert results["side_swap_conditional"].n == 4
    assert results["denied_swap_conditional"].n == 2
    images = encode_images(model, suite.gallery)
    again = swap_ratios(score_swaps(model, images, suite.asked), suite.asked)
    assert results["denied_swap_conditional"].value == again["denied_swap_conditional"].value
    assert results["recall_at_5"].n == 6
    assert "p_at_5_abnormal" not in results  # there are no labels
    assert not any(name.startswith("relation") for name in results)


def test_runs_share_steps_and_settings_and_come_seed_by_seed(finished):
    ablated, said = finished
    configs = [ablated.run_config(name, 1) for name in ablated.names]
    assert {(c.train.max_steps, c.train.seed) for c in configs} == {(3, 1)}
    assert [line.split(":")[1].strip() for line in said] == [
        f"{name}, seed {seed}" for seed in range(2) for name in ("global", "mean", "srm")
    ]
    for name in ablated.names:
        assert Run(ablated.folder / f"{name}-seed1").status["step"] == 3
        taken = ablated.training(name)
        assert taken["steps"] == 3
        assert taken["seconds"] == pytest.approx(np.mean(taken["seconds_of_runs"]))
        assert len(taken["seconds_of_runs"]) == 2
        assert min(taken["seconds_of_runs"]) > 0


def test_a_finished_run_is_not_repeated(finished, suite, monkeypatch):
    ablated, _ = finished
    monkeypatch.setattr(module, "pretrain", lambda *a, **k: pytest.fail("trained again"))
    again = Ablation(ablated.folder, ablated.config, ablated.names, 2, 3)
    again.complete(suite, lambda line: pytest.fail(line))
    for key, results in ablated.results.items():
        for name, result in results.items():
            assert again.results[key][name].value == pytest.approx(result.value, nan_ok=True)


def test_a_killed_run_goes_on_and_ends_like_an_uninterrupted_one(config, suite, tmp_path, finished):
    ablated, _ = finished
    again = Ablation(tmp_path, config, ["srm"], 1, 3)
    run = Run(tmp_path / "srm-seed0", again.run_config("srm", 0))

    def stop(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        module.pretrain(run, progress_bar=False, on_log=stop)
    assert run.status["state"] == "interrupted"
    again.complete(suite, lambda line: None)
    found, expected = again.results["srm", 0], ablated.results["srm", 0]
    assert found["recall_at_5"].value == expected["recall_at_5"].value
    np.testing.assert_array_equal(
        found["linear_probe_auroc"].scores, expected["linear_probe_auroc"].scores
    )


def test_other_questions_are_asked_again_without_training(finished, config, tmp_path):
    ablated, _ = finished
    other = EvaluationSuite.draw(config, split="val", n_gallery=6, n_pairs=2, n_labeled=12)
    path = tmp_path / "answers.npz"
    model = RECLF.from_pretrained(ablated.folder / "srm-seed0" / "checkpoints" / "best")
    results = other.evaluate(model, None)
    save_results(results, path, other.key)
    assert load_results(path, "another key") is None
    assert load_results(tmp_path / "nothing.npz", other.key) is None
    found = load_results(path, other.key)
    assert found.keys() == results.keys()
    assert isinstance(found["zero_shot_auroc"], Ranking)
    assert isinstance(found["recall_at_5"], StudyRatio)
    for name, result in results.items():
        assert found[name].value == pytest.approx(result.value, nan_ok=True)
    assert other.choices["split"] == "val"


def test_the_result_has_means_seeds_and_comparisons(finished):
    ablated, _ = finished
    summary = summarize(ablated.results, ablated.config)
    result = summary.result()
    assert json.dumps(plain(result), allow_nan=False)
    entry = result["srm"]["recall_at_5"]
    values = [ablated.results["srm", seed]["recall_at_5"].value for seed in range(2)]
    assert entry["seeds"] == pytest.approx(values)
    assert entry["mean"] == pytest.approx(np.mean(values))
    assert entry["interval"][0] <= entry["mean"] <= entry["interval"][1]
    compared = result["comparisons"]["srm - mean"]
    other = [ablated.results["mean", seed]["recall_at_5"].value for seed in range(2)]
    assert compared["difference"] == pytest.approx(np.mean(values) - np.mean(other))
    assert compared["seeds"] == pytest.approx(np.subtract(values, other))
    assert compared["question"] == "control"
    assert "relation_auroc" in result["srm"]
    assert "relation_auroc" not in result["mean"]
    assert "relation_auroc" not in compared["measures"]
    assert result["baselines"]["relation_auroc"]["relation_auroc_text_distance"] > 0.6
    assert set(result["srm"]) <= set(ABLATION_MEASURES)
    assert all(line.startswith("SRM over mean: ") for line in summary.verdicts["srm - mean"])


def test_verdicts_follow_from_the_intervals():
    def say(value, *ends):
        estimate = Estimate(value, ends, 300, (0.0,) * 3)
        return sentence("srm - mean_global", "recall_at_5", estimate)

    assert say(0.03, 0.01, 0.05) == (
        "SRM over mean + global node: recall@5 +.030 [+.010, +.050], real"
    )
    assert say(0.03, -0.01, 0.07).endswith(", not shown")
    assert say(-0.03, -0.05, -0.01).endswith(", real, and worse")


def test_a_verdict_says_what_stays_of_it_after_holms_correction():
    real, open_ = Estimate(0.03, (0.01, 0.05), 300, (0.0,) * 3), Estimate(0.0, (-1, 1), 300)
    say = partial(sentence, "srm - mean", "recall_at_5")
    assert say(real, 0.012).endswith(", real, also after Holm's correction (p .012)")
    assert say(real, 0.05).endswith(", real, but not after Holm's correction (p .050)")
    assert say(open_, 0.4).endswith(", not shown")


def test_holm_takes_all_comparisons_and_verdict_measures_of_a_table(finished):
    ablated, _ = finished
    summary = summarize(ablated.results, ablated.config)
    family = [
        by_measure[measure].p
        for by_measure in summary.differences.values()
        for measure in module.VERDICT_MEASURES
        if measure in by_measure
    ]
    assert len(family) > 3
    assert list(summary.adjusted.values()) == holm(family)
    measures = summary.result()["comparisons"]["srm - mean"]["measures"]
    for name, entry in measures.items():
        assert 0 <= entry["p"] <= 1
        assert ("p_holm" in entry) == (name in module.VERDICT_MEASURES)
        assert entry.get("p_holm", 1) >= entry["p"]
        if entry["verdict"] == "real":
            assert entry["p"] < 0.05


def test_a_plan_is_made_once_and_another_budget_is_refused(config, tmp_path, monkeypatch):
    measured = []
    monkeypatch.setattr(module, "seconds_per_step", lambda *a: measured.append(a) or 0.5)
    assert plan(tmp_path, config, 2.0) == 240
    assert plan(tmp_path, config, 2.0) == 240
    assert len(measured) == 1
    with pytest.raises(ValueError, match=r"240 steps a run.*3 minutes were asked for"):
        plan(tmp_path, config, 3.0)
    with pytest.raises(ValueError, match="7 steps were asked for"):
        plan(tmp_path, config, 2.0, 7)
    assert plan(tmp_path / "by_steps", config, 2.0, 7) == 7
    assert plan(tmp_path / "by_steps", config, 9.0, 7) == 7


def test_speed_is_measured_on_a_run_that_leaves_nothing(config, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SPEED_STEPS", 20)
    assert 0 < module.seconds_per_step(tmp_path / "speed", config) < 5
    assert not (tmp_path / "speed").exists()
