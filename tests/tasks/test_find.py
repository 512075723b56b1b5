"""Films found by a text, and reports by a film: those that scoring every pair gives, in order."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from reclf.models.inference import encode_images, encode_texts, score_all
from reclf.tasks import find
from reclf.tasks.find import Gallery, own_ranks

QUERY = "large left effusion"


def test_films_are_those_with_the_highest_score(model, studies):
    found = Gallery(model, studies).films(QUERY, 5)
    images, text = encode_images(model, studies), encode_texts(model, [QUERY])
    scores = score_all(model, images, text).logits[:, 0].numpy()
    expected = sorted(range(len(studies)), key=lambda i: -scores[i])[:5]
    assert [number for number, _ in found] == expected
    np.testing.assert_allclose([score for _, score in found], scores[expected], rtol=1e-4)


def test_reports_are_those_with_the_highest_score(model, studies):
    image = studies[3].image
    found = Gallery(model, studies).reports(image, 4)
    texts = encode_texts(model, [study.report for study in studies])
    scores = score_all(model, encode_images(model, [studies[3]]), texts).logits[0].numpy()
    expected = sorted(range(len(studies)), key=lambda i: -scores[i])[:4]
    assert [number for number, _ in found] == expected


def test_only_the_nearest_are_ranked_again(model, studies, monkeypatch):
    monkeypatch.setattr(find, "AMONG", 3)
    gallery = Gallery(model, studies)
    found = {number for number, _ in gallery.films(QUERY, 3)}
    (text,) = torch.nn.functional.normalize(encode_texts(model, [QUERY]).global_embedding)
    cosines = torch.nn.functional.normalize(gallery.images.global_embedding) @ text
    assert found == {*cosines.topk(3).indices.tolist()}
    assert len(gallery.films(QUERY, 5)) == 5  # as many as are asked for


def test_studies_without_a_report_are_no_answer_to_a_film(model, studies):
    given = [replace(one, report="") if i % 2 else one for i, one in enumerate(studies[:6])]
    gallery = Gallery(model, given)
    assert {number for number, _ in gallery.reports(studies[0].image)} == {0, 2, 4}
    assert len(gallery.films(QUERY)) == 6
    silent = Gallery(model, [given[1]])
    with pytest.raises(ValueError, match="no study of the gallery has a report"):
        silent.reports(studies[0].image)


def test_a_query_needs_words(model, studies):
    with pytest.raises(ValueError, match="a query needs words, got '  '"):
        Gallery(model, studies[:2]).films("  ")


def test_words_that_no_report_has_are_named(model, studies):
    gallery = Gallery(model, [replace(studies[0], report="Large LEFT effusion."), *studies[1:3]])
    assert gallery.unread("left xylophone, LEFT quaggas; effusion xylophone") == [
        "xylophone",
        "quaggas",
    ]


def test_own_ranks_are_those_of_the_gallery(model, studies):
    given = [replace(one, report="") if i == 1 else one for i, one in enumerate(studies[:4])]
    found = own_ranks(model, given, studies[2:9])  # two of them twice
    stating = [given[0], *given[2:], *studies[4:9]]
    images = encode_images(model, stating)
    texts = encode_texts(model, [study.report for study in stating])
    scores = score_all(model, images, texts).logits.numpy()
    assert found[1] is None
    for number, row in ((0, 0), (2, 1), (3, 2)):
        better = (scores[row] > scores[row, row]).sum()
        assert found[number] == (better + 1, 8)
    assert own_ranks(model, given[1:2]) == [None]
