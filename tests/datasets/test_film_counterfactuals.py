"""Counterfactuals of reports and films that were taken, by a manifest of a few."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

import reclf.training.step
from reclf.config import override
from reclf.data.collate import Pairs
from reclf.data.reports import split_words
from reclf.datasets.counterfactuals import WithCounterfactuals
from reclf.datasets.film_counterfactuals import FilmCounterfactuals
from reclf.datasets.table import Table
from reclf.models.reclf import RECLF
from reclf.pretrain import open_run, pretrain
from reclf.runs.run import Run
from reclf.training.presets import make_config

REPORTS = (
    "Small left effusion. No pneumothorax. The heart is normal.",
    "Right upper lobe nodule. No pneumothorax. Clear on the left.",
    "Bilateral effusions, left greater than right.",
    "Opacity in the right middle lobe. No pneumothorax.",
    "The lungs are clear. No pneumothorax.",
    "Left basal atelectasis; right effusion. No edema.",
    "Mild cardiomegaly. No effusion.",
)
SIZE = 32


@pytest.fixture
def data(tmp_path):
    rows = []
    for number, report in enumerate(REPORTS):
        pixels = np.random.default_rng(number).integers(0, 200, (SIZE, SIZE), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), pixels)
        rows.append({"image": f"{number}.png", "report": report, "patient_id": f"p{number}"})
    table = pd.DataFrame(rows)
    every = [table.assign(split=split) for split in ("train", "val")]
    every[1]["image"] = every[1]["patient_id"] = [f"v{number}.png" for number in range(7)]
    for number in range(7):
        pixels = np.random.default_rng(90 + number).integers(0, 200, (SIZE, SIZE), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"v{number}.png"), pixels)
    pd.concat(every).to_csv(tmp_path / "manifest.csv", index=False)
    return Table(tmp_path, "train", SIZE)


def test_a_mirrored_film_with_the_sides_exchanged(data):
    source = FilmCounterfactuals(data)
    source.look(["mirror"])
    assert source.allowed == {"mirror": "4 of 7 reports allow it"}
    expected = {
        0: "Small right effusion. No pneumothorax. The heart is normal.",
        1: "Left upper lobe nodule. No pneumothorax. Clear on the right.",
        2: "Bilateral effusions, right greater than left.",  # not 3: one lung has a middle lobe
        5: "Right basal atelectasis; left effusion. No edema.",
    }
    seen = set()
    for number in range(40):
        one, other = source.counterfactuals(number, "mirror")
        study = REPORTS.index(one.report)
        image = data[study].image
        assert np.array_equal(one.image, image)
        assert np.array_equal(other.image, image[:, ::-1])
        assert other.report == expected[study]
        assert one.report == source.counterfactuals(number + len(data), "mirror")[0].report
        seen.add(study)
    assert len(seen) == 3  # seven draws of four


def test_a_composite_and_its_mirror_hold_the_same_words(data):
    source = FilmCounterfactuals(data)
    source.look(["composite"])
    said = "3 of 7 reports allow it, 2 the right half, 2 the left"
    assert source.allowed == {"composite": said}
    found = set()
    for number in range(40):
        one, other = source.counterfactuals(number, "composite")
        assert np.array_equal(one.image, other.image[:, ::-1])
        halves = one.image[:, : SIZE // 2], one.image[:, SIZE // 2 :]
        right, left = (
            next(i for i in range(7) if np.array_equal(data[i].image[:, columns], half))
            for columns, half in zip(
                (slice(SIZE // 2), slice(SIZE // 2, SIZE)), halves, strict=True
            )
        )
        assert sorted(split_words(one.report)) == sorted(split_words(other.report))
        found.add((right, left, one.report, other.report))
    assert found == {
        (1, 0, "Right upper lobe nodule. Small left effusion. No pneumothorax.",
         "Left upper lobe nodule. Small right effusion. No pneumothorax."),
        (1, 5, "Right upper lobe nodule. Left basal atelectasis.",
         "Left upper lobe nodule. Right basal atelectasis."),
        (5, 0, "right effusion. Small left effusion.", "left effusion. Small right effusion."),
    }  # fmt: skip


def test_false_reports_go_with_their_study(data):
    source = FilmCounterfactuals(data)
    shares = {"denied": 0.5, "severity": 0.5}
    whole = WithCounterfactuals(data, shares, source, swapped=2)
    assert whole.together == 1
    assert source.allowed == {
        "denied": "5 of 7 reports allow it", "severity": "2 of 7 reports allow it",
    }  # fmt: skip
    for passed in range(4):
        indices = [7 * passed + place for place in range(7)]
        assert sorted(map(whole.study, indices)) == list(range(7))
        for index, pair in zip(indices, whole.pairs(indices), strict=True):
            assert pair.report == REPORTS[whole.study(index)]
            order = ["denied", "severity"][:: 1 if whole.fact(index) == "denied" else -1]
            made = [source.swapped(pair.report, fact, passed % 4) for fact in order]
            some = [text for text in made if text]
            assert pair.negatives == (*some, "", "")[:2]
    assert source.swapped(REPORTS[6], "denied", 0) == "Mild effusion. No cardiomegaly."
    assert source.swapped(REPORTS[6], "severity", 0) == "Severe cardiomegaly. No effusion."
    assert source.swapped(REPORTS[4], "denied", 0) == ""
    one = WithCounterfactuals(data, shares, source)
    assert {len(pair.negatives) for pair in one.pairs(range(14))} == {1}


def test_every_study_once_a_pass_and_facts_from_a_pass_on(data):
    shares = {"mirror": 0.3, "severity": 0.3}
    whole = WithCounterfactuals(data, shares, FilmCounterfactuals(data), start=2)
    assert whole.together == 2
    assert whole.counts_passes
    facts = [{whole.fact(7 * passed + place) for place in range(7)} for passed in range(40)]
    assert facts[:2] == [{None}, {None}]
    assert set.union(*facts[2:]) == {None, "mirror", "severity"}
    neighbors = set()
    for passed in range(40):
        studies = [whole.study(7 * passed + place) for place in range(7)]
        assert sorted(studies) == list(range(7))
        assert whole.fact(7 * passed + 6) != "mirror"  # it has no neighbor
        neighbors |= {pair for pair in pairwise(studies) if pair[0] % 2 == 0}
        for place in (0, 2, 4):
            indices = [7 * passed + place, 7 * passed + place + 1]
            pairs = whole.pairs(indices)
            alone = [whole.pairs([index])[0] for index in indices]
            assert [pair.report for pair in pairs] == [pair.report for pair in alone]
            assert {pair.negatives is None for pair in pairs} == {False}
            if whole.fact(indices[0]) == "mirror":
                assert np.array_equal(pairs[0].image, pairs[1].image[:, ::-1])
    assert len(neighbors) > 3


def test_a_film_that_cannot_be_read_is_replaced_in_any_pass(data):
    path = Path(data.rows[0].image)
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(200) + content[400:])
    data = Table(path.parent, "train", SIZE, on_problem="skip")
    whole = WithCounterfactuals(data, {"denied": 1.0}, FilmCounterfactuals(data))
    indices = [21, 22, 23, 24]  # of pass 3; 21 is study 0
    pairs = Pairs(whole).__getitems__(indices)
    assert [str(path) in pair.instead_of for pair in pairs] == [True, False, False, False]
    assert [pair.report for pair in pairs[1:]] == [REPORTS[whole.study(i)] for i in indices[1:]]
    assert len({pair.report for pair in pairs}) == 4
    assert {len(pair.negatives) for pair in pairs} == {1}


@pytest.mark.parametrize(
    ("reports", "fact", "message"),
    [
        (["No edema.", "Clear."], "mirror", r"counterfactuals\.mirror: 0 of 2 reports allow it "
         r"\(no side is stated of a finding: 2\)\. Take it out of data\.counterfactuals"),
        (["Left effusion.", "Clear."], "composite", "0 the right half, 1 the left"),
        (["Left effusion. Right nodule.", "Clear."], "composite", "1 the right half, 1 the left"),
        (["", "Clear."], "denied", r"0 of 2 reports .*\(no finding is stated each .*: 2\)"),
        # of two numbers of a list one is left, and taken out by the next reading
        (["1. 2. Left mass."], "mirror", r"\(its words cannot be placed in it: 1\)"),
        (["1. 2. Left mass."], "side", r"\(numbers of its list cannot be told from its words: 1\)"),
        (["Left effusion."], "binding", "unknown fact 'binding'; facts: mirror, composite, denied"),
    ],
)  # fmt: skip
def test_a_fact_that_no_report_allows_is_refused(reports, fact, message):
    class Some(list):
        pass

    data = Some(reports)
    data.reports = reports
    with pytest.raises(ValueError, match=message):
        WithCounterfactuals(data, {fact: 0.5}, FilmCounterfactuals(data))


SETTINGS = {
    "model.image_size": SIZE,
    "data.workers": 0,
    "data.counterfactuals": {"mirror": 0.3, "composite": 0.2, "denied": 0.3},
    "data.swapped_reports": 2,
    "data.options": {"on_problem": "refuse"},
    "train.soft_targets": {"text": 0.2},
    "train.max_steps": 6,
    "train.batch_size": 4,
    "train.val_studies": 7,
    "train.evaluate_every": 6,
}


def test_a_training_goes_on_bit_for_bit(tmp_path, data, monkeypatch, capsys):
    settings = SETTINGS | {"data.root": str(data.rows[0].image).rpartition("/")[0]}
    config = override(make_config("table_small"), settings)
    expected = pretrain(Run(tmp_path / "whole", config), progress_bar=False)
    said = capsys.readouterr().out
    assert said.count("data.counterfactuals.denied: 5 of 7 reports allow it") == 1

    calls, real = [], reclf.training.step.batch_losses

    def interrupting(*arguments):
        calls.append(arguments[1].negatives)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(reclf.training.step, "batch_losses", interrupting)
    with pytest.raises(KeyboardInterrupt):
        pretrain(Run(tmp_path / "parts", config), progress_bar=False)
    model = pretrain(open_run(tmp_path / "parts"), progress_bar=False)
    assert len(calls) == 6
    assert all(negatives.shape == (4, 2) for negatives in calls)
    assert any((negatives >= 0).any() for negatives in calls)
    run = Run(tmp_path / "parts")
    assert run.sittings[-1]["counterfactuals"]["mirror"] == "4 of 7 reports allow it"
    other = RECLF.from_pretrained(run.checkpoint("last"))
    whole = RECLF.from_pretrained(Run(tmp_path / "whole").checkpoint("last"))
    for (name, a), b in zip(whole.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert torch.equal(model.log_logit_scale, expected.log_logit_scale)
