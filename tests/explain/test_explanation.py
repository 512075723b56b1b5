"""Explanations: the numbers of `RECLF.relate`, in arrays that open without torch."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from commands import run_python

from reclf.data.study import Study, Word
from reclf.data.tokenization import train_tokenizer
from reclf.explain import Explanation, explain, file_name, load_explanations
from reclf.models.inference import collate_for
from reclf.models.reclf import RECLF


@pytest.fixture
def study():
    image = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    words = [Word("small", "severity", 0, 0, True), Word("left", "location", 0, 0, True)]
    words += [Word("effusion", "finding", 0, 0, True)]
    mask = np.zeros((64, 64), dtype=bool)
    mask[40:, :20] = True
    return Study(
        "s", "p", image, "Small left effusion.", {}, {"effusion": mask}, words=tuple(words)
    )


@pytest.fixture
def make_model(tiny):
    def make(aggregator="reclf", image="resnet", **options):
        tokenizer = train_tokenizer(["small left effusion", "no nodule"] * 5, 40)
        settings = tiny(image, aggregator=aggregator, aggregator_options=options, max_tokens=24)
        torch.manual_seed(1)
        return RECLF(settings, tokenizer)

    return make


def test_it_shows_what_relate_computes(make_model, study):
    model = make_model().train()
    e = explain(model, study)
    assert model.training  # as it was
    model.eval()
    batch = collate_for(model)([study])
    with torch.no_grad():
        images, texts = model.encode_images(batch.pixels), model.encode_reports(batch)
        related, matched = model.relate(images, texts)
        scores = model.score(images, texts)
    assert e.words == ["small", "left", "effusion"]
    assert e.attention.shape == (3, 4, 4)
    np.testing.assert_array_equal(e.attention.reshape(3, 16), matched.attention[0, :3].numpy())
    np.testing.assert_array_equal(e.importance, related.weights[0, :3].numpy())
    np.testing.assert_array_equal(e.graph, related.graph[0, :, :4, :4].numpy())
    assert e.graph.shape == (3, 4, 4)
    assert e.word_graph().shape == (3, 3)
    assert e.scores["logit"] == pytest.approx(scores.logits.item(), abs=1e-5)
    assert e.scores["logit_local"] == pytest.approx(scores.logits_local.item(), abs=1e-5)
    assert e.word_types == ["severity", "location", "finding"]
    assert e.word_findings == [0, 0, 0]
    assert not e.types_guessed


def test_relations_are_those_that_reach_the_score(make_model, study):
    two = explain(make_model("srm", steps=2, read_out="token"), study)
    assert two.word_step == 0
    np.testing.assert_array_equal(two.relations()[0], two.graph[1, 0])
    np.testing.assert_array_equal(two.relations()[1:], two.graph[0, 1:])
    np.testing.assert_array_equal(two.relations(1), two.graph[1])
    np.testing.assert_array_equal(two.word_graph(), two.graph[0, 1:, 1:])
    with pytest.raises(ValueError, match="step must be -1 to 1, got 2"):
        two.relations(2)
    assert two.caveat() == "rows of words: SRM step 1 of 2, of the whole pair: SRM step 2 of 2"
    assert two.caveat(0) == ""
    assert two.caveat(1) == "edges of words in this step do not reach the score"
    one = explain(make_model("srm", steps=1, read_out="token"), study)
    assert one.word_step is None
    np.testing.assert_array_equal(one.relations(), one.graph[0])
    assert one.caveat() == "edges of words in this step do not reach the score"


def test_in_a_sequence_the_whole_pair_draws_in_the_last_step_but_one(make_model, study):
    options = {"composition": "sequential", "read_out": "token"}
    three = explain(make_model("reclf", steps=3, **options), study)
    np.testing.assert_array_equal(three.relations()[0], three.graph[1, 0])
    np.testing.assert_array_equal(three.relations()[1:], three.graph[2, 1:])
    assert three.caveat() == "rows of words: SRM step 3 of 3, of the whole pair: SRM step 2 of 3"
    assert three.caveat(2) == "edges of the whole pair in this step do not reach the score"
    one = explain(make_model("reclf", steps=1, **options), study)
    assert one.caveat() == "edges of the whole pair in this step do not reach the score"
    whole = explain(make_model("reclf", steps=3, include_global=True, **options), study)
    assert whole.caveat() == ""


def test_an_aggregator_that_does_not_say_has_no_caveat(make_model, study):
    model = make_model("srm", steps=2, read_out="token")
    model.aggregator.last_read = lambda: None
    e = explain(model, study)
    np.testing.assert_array_equal(e.relations(), e.graph[1])
    assert e.caveat() == e.caveat(1) == ""


def test_words_that_nobody_knows_have_the_types_of_the_lexicon(make_model, study):
    e = explain(make_model(), study, report="No nodule")
    assert e.words == ["no", "nodule"]
    assert e.word_types == ["negation", "finding"]
    assert e.word_findings is None
    assert e.types_guessed
    assert e.provenance["word_types"] == "lexicon chest"


@pytest.mark.parametrize("aggregator", ["global", "mean", "srm", "irm"])
def test_what_an_aggregator_does_not_have_is_none(make_model, study, aggregator):
    e = explain(make_model(aggregator), study)
    assert (e.graph is None) == (aggregator != "srm")
    assert (e.importance is None) == (aggregator != "irm")
    assert ("logit_local" in e.scores) == (aggregator != "global")


def test_a_report_without_words(make_model, study, tmp_path):
    e = explain(make_model(), study, report="...")
    assert e.words == []
    assert e.attention_in_pixels().shape == (0, 64, 64)
    e.save(tmp_path / "e.npz")
    assert Explanation.load(tmp_path / "e.npz").attention.shape == (0, 4, 4)


def test_saved_and_loaded_is_equal(make_model, study, tmp_path):
    e = explain(make_model(), study)
    e.save(tmp_path / "e.npz")
    again = Explanation.load(tmp_path / "e.npz")
    for name in ("image", "attention", "cosines", "graph", "importance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(e, name))
    np.testing.assert_array_equal(again.masks["effusion"], e.masks["effusion"])
    for name in (
        "words",
        "report",
        "scores",
        "word_types",
        "word_findings",
        "center",
        "word_step",
        "whole_step",
    ):
        assert getattr(again, name) == getattr(e, name)
    assert json.dumps(again.provenance)


def test_an_old_file_has_regions_in_the_middle_of_their_blocks(make_model, study, tmp_path):
    e = explain(make_model(), study)
    e.save(tmp_path / "e.npz")
    with np.load(tmp_path / "e.npz") as arrays:
        kept = dict(arrays)
    header = json.loads(str(kept.pop("header")))
    assert header.pop("center") == e.center == 0.5 / 16
    np.savez_compressed(tmp_path / "old.npz", header=np.array(json.dumps(header)), **kept)
    assert Explanation.load(tmp_path / "old.npz").center == 0.5
    header["centre"] = 0.25  # the name of the field until version 0.2
    np.savez_compressed(tmp_path / "old.npz", header=np.array(json.dumps(header)), **kept)
    assert Explanation.load(tmp_path / "old.npz").center == 0.25


def test_it_says_where_the_regions_of_the_model_look(make_model, study):
    assert explain(make_model(), study).center == 0.5 / 16
    assert explain(make_model(image="vit"), study).center == 0.5


def test_attention_in_pixels_is_registered_on_the_image(make_model, study):
    e = explain(make_model(image="vit"), study)
    pixels = e.attention_in_pixels()
    assert pixels.shape == (3, 64, 64)
    np.testing.assert_allclose(pixels.sum((1, 2)), 1, rtol=1e-5)
    # cell (row 1, column 2) of the 4 x 4 grid is pixels 16-31 down and 32-47 across
    np.testing.assert_allclose(pixels[0, 16:32, 32:48] * 256, e.attention[0, 1, 2], rtol=1e-5)


def test_attention_of_a_resnet_lies_around_the_corners_of_its_blocks(make_model, study):
    e = explain(make_model(), study)
    pixels, smooth = e.attention_in_pixels(), e.attention_in_pixels(smooth=True)
    # cell (row 1, column 2) is nearest to pixels 9-24 down and 25-40 across, centered on (16, 32)
    sides = np.array([9, 16, 16, 23])
    total = (e.attention[0] * sides[:, None] * sides).sum()
    np.testing.assert_allclose(pixels[0, 9:25, 25:41], e.attention[0, 1, 2] / total, rtol=1e-5)
    at_centers = smooth[:, ::16, ::16]
    np.testing.assert_allclose(
        at_centers / at_centers.sum((1, 2), keepdims=True), e.attention, rtol=1e-5
    )
    np.testing.assert_allclose(smooth.sum((1, 2)), 1, rtol=1e-5)


def test_every_study_id_makes_a_file_of_its_own(make_model, study, tmp_path):
    assert file_name("images/7.png") == "images-7.png-7050e953b99c.npz"
    ids = [
        "a/b", "a b", "a-b", "A/B", "../b", "/b", "..", ".", "", "con", "左侧", "左側", "é",
        "e\u0301", "a\\b", "a\0b", "a\nb", "\ud800", "x" * 300, "x" * 301,
        "左" * 300, "a-b-7050e953b99c",
    ]  # fmt: skip
    names = [file_name(study_id) for study_id in ids]
    assert len({name.lower() for name in names}) == len(ids)
    for study_id, name in zip(ids, names, strict=True):
        assert name.isascii()
        assert len(name) < 150
        (tmp_path / name).write_text("")
        assert (tmp_path / name).resolve().parent == tmp_path.resolve(), study_id
    assert len(list(tmp_path.glob("[!.]*.npz"))) == len(ids)


def test_a_folder_of_explanations_by_study(make_model, study, tmp_path):
    first = explain(make_model(), study)
    for number, name in enumerate(["b", "images/a", "images/a"]):
        one = replace(first, study_id=name, scores={"logit": number})
        # the earlier name, without digits, and the newer file of the same study
        path = tmp_path / ("images-a.npz" if number == 1 else one.file_name)
        one.save(path)
        os.utime(path, (number, number))
    found = load_explanations(tmp_path)
    assert list(found) == ["b", "images/a"]
    assert found["images/a"].scores == {"logit": 2}
    with pytest.raises(FileNotFoundError, match=r"no folder .*none\. The explanations of a run"):
        load_explanations(tmp_path / "none")


def test_arrays_that_do_not_fit_are_refused(make_model, study):
    e = explain(make_model(), study)
    with pytest.raises(ValueError, match=r"report has 2 words, but .*'attention': 3"):
        Explanation(**{**vars(e), "words": e.words[:2]})


def test_opening_one_needs_no_torch(make_model, study, tmp_path):
    explain(make_model(), study).save(tmp_path / "e.npz")
    code = (
        "import sys; from reclf.explain import Explanation; "
        f"Explanation.load({str(tmp_path / 'e.npz')!r}); print('torch' in sys.modules)"
    )
    assert run_python(code).strip() == "False"
