"""The start of projections by CCA, and of gates that see the word."""

import numpy as np
import pytest
import torch
from squares import Squares, start

from reclf.config import WORD_SOURCES, override
from reclf.data.study import ImageError
from reclf.models.inference import encode_images, encode_texts
from reclf.runs.run import Run
from reclf.training.aligned_start import align_projections
from reclf.training.importance_start import start_word_gates, word_importance
from reclf.training.runtime import make_optimizer


class Sides:
    """Films that are bright on the side that their report names: one direction to find."""

    labels = ()

    def __len__(self):
        return 24

    def __getitem__(self, index):
        study = Squares()[index % 20]
        bright = index % 2
        image = np.full((64, 64), 0.1, np.float32) + 0.8 * bright
        image += 0.02 * np.random.default_rng(index).random((64, 64), dtype=np.float32)
        words = ["large", "effusion"] if bright else ["no", "nodule"]
        return type(study)(f"s{index}", f"p{index}", image, " ".join(words))


def nearer_share(model, studies):
    """How often a film is nearer to a report of its kind than to one of the other."""
    images = encode_images(model, studies).global_embedding
    texts = encode_texts(model, [study.report for study in studies]).global_embedding
    cosines = torch.nn.functional.normalize(images) @ torch.nn.functional.normalize(texts).T
    same = torch.tensor([[a.report == b.report for b in studies] for a in studies])
    own = torch.stack([row[kind].mean() for row, kind in zip(cosines, same, strict=True)])
    other = torch.stack([row[~kind].mean() for row, kind in zip(cosines, same, strict=True)])
    return float((own > other).float().mean())


def test_an_aligned_start_brings_films_near_to_their_reports(tmp_path, frozen):
    settings = {"model.image_pooling": "mean", "model.region_stage": 4, "model.word_source": "last"}
    run = Run(tmp_path / "run", override(frozen, settings))
    data = Sides()
    model = start(run, Squares())
    correlations = align_projections(model, data, studies=16)
    assert correlations.shape == (run.config.model.embed_dim,)
    assert correlations[0] > 0.5
    assert nearer_share(model, [data[i] for i in range(16, 24)]) == 1.0
    images = model.image_encoder
    assert torch.equal(images.project_regions.weight, images.project_whole.weight)
    assert images.place.weight.abs().max() == 0


def test_it_reads_as_many_studies_as_it_is_told_evenly_spaced(tmp_path, frozen):
    seen = []

    class Noting(Sides):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    run = Run(tmp_path / "run", override(frozen, {"model.image_pooling": "mean"}))
    model = start(run, Squares())
    before = model.image_encoder.project_regions.weight.clone()
    align_projections(model, Noting(), studies=16)
    assert seen == [k * 24 // 16 for k in range(16)]
    assert torch.equal(model.image_encoder.project_regions.weight, before)  # of another stage


def test_workers_read_for_it(tmp_path, frozen):
    seen = []

    class Noting(Sides):
        def __getitem__(self, index):
            seen.append(index)  # a worker has a list of its own
            return super().__getitem__(index)

    run = Run(tmp_path / "run", override(frozen, {"model.image_pooling": "mean"}))
    alone, read = start(run, Squares()), start(run, Squares())
    align_projections(alone, Sides(), studies=16)
    align_projections(read, Noting(), studies=16, workers=1)
    assert seen == []
    for mine, theirs in zip(alone.parameters(), read.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("source", WORD_SOURCES)
def test_words_of_any_layer_start_near_the_films_of_their_reports(tmp_path, frozen, source):
    settings = {"model.image_pooling": "mean", "model.word_source": source}
    run, data = Run(tmp_path / "run", override(frozen, settings)), Sides()
    model = start(run, Squares())
    align_projections(model, data, studies=16)
    studies = [data[i] for i in range(16, 24)]
    images = encode_images(model, studies).global_embedding
    texts = encode_texts(model, [study.report for study in studies])
    words = texts.words.sum(1) / texts.word_mask.sum(1, keepdim=True)
    cosines = torch.nn.functional.cosine_similarity(words[:, None], images[None], dim=-1)
    bright = torch.arange(8) % 2 == 1
    same = bright[:, None] == bright[None]
    assert cosines[same].min() > cosines[~same].max()


@pytest.mark.parametrize("rule", ["refuse", "skip"])
def test_a_film_that_cannot_be_read_is_left_out_only_where_that_is_asked_for(
    tmp_path, frozen, rule
):
    class Damaged(Sides):
        on_problem = rule

        def __getitem__(self, index):
            if index == 3:
                raise ImageError("film 3 is damaged")
            return super().__getitem__(index)

    run = Run(tmp_path / "run", override(frozen, {"model.image_pooling": "mean"}))
    model = start(run, Squares())
    if rule == "refuse":
        with pytest.raises(ImageError, match="film 3"):
            align_projections(model, Damaged(), studies=16)
    else:
        with pytest.warns(UserWarning, match="1 of 16 studies left out: film 3 is damaged"):
            align_projections(model, Damaged(), studies=16)


def test_attention_pooling_has_no_such_start(tmp_path, frozen, studies):
    run = Run(tmp_path / "run", override(frozen, {"model.image_pooling": "attention"}))
    with pytest.raises(ValueError, match=r"needs model\.image_pooling mean"):
        align_projections(start(run, studies), studies, studies=8)


def test_a_grid_of_regions_starts_aligned_and_so_does_its_mean(tmp_path, frozen):
    settings = {"model.image_pooling": "grid", "model.pooling_grid": 2, "model.word_source": "last"}
    run, data = Run(tmp_path / "run", override(frozen, settings)), Sides()
    model = start(run, Squares())
    align_projections(model, data, studies=16)
    studies = [data[i] for i in range(16, 24)]
    assert nearer_share(model, studies) == 1.0
    images = encode_images(model, studies)
    torch.testing.assert_close(images.regions.mean(1), images.global_embedding)


def test_gates_that_see_words_start_at_their_importance(tmp_path, frozen, studies):
    """Rare words, and those that films know of, before words of every report."""
    options = {"importance_loss": 0.5, "norm": "report", "word_gate": True}
    run = Run(tmp_path / "run", override(frozen, {"model.aggregator_options": options}))
    model, random = start(run, studies), np.random.default_rng(0)
    vectors = random.normal(size=(4, model.text_encoder.project_words.in_features))
    names = ("the", "effusion", "nodule", "today")  # in all; seen on the film; by chance; once
    pooled, reports = random.normal(size=(40, 3)), []
    for i in range(40):
        held = (True, pooled[i, 0] > 0, random.random() > 0.5, i == 7)
        reports.append([name for name, holds in zip(names, held, strict=True) if holds])
    words = [np.stack([vectors[names.index(word)] for word in report]) for report in reports]
    importance = word_importance(reports, pooled, [f"p{i}" for i in range(40)])
    assert importance["the"] == pytest.approx(0)
    assert importance["today"] == pytest.approx(np.log(41 / 2))  # too rare for a correlation
    assert importance["effusion"] > importance["nodule"] + 2
    start_word_gates(model, reports, words, pooled, [f"p{i}" for i in range(40)])
    with torch.no_grad():
        seen = model.text_encoder.project_words(torch.from_numpy(vectors).float())
        gate = model.aggregator.importance.word_gate(torch.nn.functional.normalize(seen))[:, 0]
    assert gate[1] > gate[0]
    assert gate[1] > gate[2]


def test_projections_with_a_start_go_at_the_rate_of_the_towers(tmp_path, frozen, studies):
    settings = {"train.aligned_start": 8, "train.tower_learning_rate": 1e-5}
    config = override(frozen, settings | {"model.image_pooling": "mean"})
    model = start(Run(tmp_path / "run", config), studies)
    groups = make_optimizer(model, config.train).param_groups
    peaks = {weight: group["peak"] for group in groups for weight in group["params"]}
    assert peaks[model.image_encoder.project_whole.weight] == 1e-5
    assert peaks[model.image_encoder.place.weight] > 1e-5
