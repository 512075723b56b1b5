"""The map of embeddings: positions, groups of colors, print, and its links with the explorer."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import HOSTILE, sample

from reclf_widgets import EmbeddingMap, MatchingExplorer
from reclf_widgets.embedding_positions import project
from reclf_widgets.embedding_view import EmbeddingView

VECTORS = np.random.default_rng(5).normal(size=(12, 6)) * [5, 1, 1, 3, 1, 1]


@pytest.fixture
def explorer():
    return MatchingExplorer(
        [
            sample(k, masks={}, provenance={"labels": {"a_b": k % 2, "c": int(k == 0)}},
                   scores={"global": 0.1, "logit": float(k)})
            for k in range(12)
        ]
    )  # fmt: skip


@pytest.fixture
def live(explorer, monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "0")
    shown = EmbeddingMap(
        explorer, VECTORS, colors={"split": ["val", "test", None] * 4}, color="split"
    )
    return EmbeddingView(shown, "reclf-still-x")


def test_pca_is_the_two_directions_of_most_variance():
    found = project(VECTORS)
    n, d = VECTORS.shape
    means = [sum(VECTORS[i, k] for i in range(n)) / n for k in range(d)]
    covariance = np.zeros((d, d))
    for i in range(n):
        for j in range(d):
            for k in range(d):
                covariance[j, k] += (VECTORS[i, j] - means[j]) * (VECTORS[i, k] - means[k]) / n
    values, vectors = np.linalg.eigh(covariance)
    for axis, which in enumerate((-1, -2)):
        direction = vectors[:, which]
        direction = direction * np.sign(direction[np.abs(direction).argmax()])
        np.testing.assert_allclose(found.points[:, axis], (VECTORS - means) @ direction, atol=1e-9)
        assert f"{values[which] / values.sum():.0%}" in found.axes[axis]


@pytest.mark.parametrize(("shape", "spread"), [((1, 4), False), ((5, 1), True), ((3, 2), False)])
def test_few_points_few_numbers_and_equal_ones_have_a_place(shape, spread):
    vectors = np.arange(np.prod(shape), dtype=float).reshape(shape) if spread else np.ones(shape)
    points = project(vectors).points
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()
    assert bool(np.ptp(points)) == spread


def test_what_cannot_be_mapped_is_named(explorer):
    with pytest.raises(ValueError, match="method must be one of pca, umap, got 'tsne'"):
        project(VECTORS, "tsne")
    broken = VECTORS.copy()
    broken[3, 0] = np.nan
    with pytest.raises(ValueError, match=r"vectors \[3\] of 12 are not finite"):
        EmbeddingMap(explorer, broken)
    with pytest.raises(ValueError, match=r"one for each of 12 cases, got \(11, 6\)"):
        EmbeddingMap(explorer, VECTORS[:-1])
    with pytest.raises(ValueError, match="colors 'split' must be 12 values, got 1"):
        EmbeddingMap(explorer, VECTORS, colors={"split": ["val"]})
    with pytest.raises(ValueError, match="color must be one of label, score, got 'colour'"):
        EmbeddingMap(explorer, VECTORS, color="colour")


def test_umap_that_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    with pytest.raises(ImportError, match="pip install umap-learn"):
        project(VECTORS, "umap")


def test_groups_hold_each_case_once(explorer):
    shown = EmbeddingMap(explorer, VECTORS, colors={"many": [f"kind {k}" for k in range(12)],
                                                    "some": [None, 2.5] * 6})  # fmt: skip
    for color in shown.colors:
        members = np.concatenate([members for _, members, _ in shown.groups(color)])
        assert sorted(members) == list(range(12))
    assert [(name, len(m)) for name, m, _ in shown.groups("label")] == [
        ("a b", 6), ("no label", 5), ("c", 1),
    ]  # fmt: skip
    *_, (name, members, _) = shown.groups("many")
    assert (name, len(members)) == ("6 others", 6)
    (_, known, values), (name, _, _) = shown.groups("some")
    assert (known.tolist(), values.tolist(), name) == ([1, 3, 5, 7, 9, 11], [2.5] * 6, "not known")
    assert "by label: a b 6, no label 5, c 1" in shown.alt_text()


def test_print_shows_what_is_chosen(explorer):
    shown = EmbeddingMap(explorer, VECTORS, color="score")
    explorer.chosen, explorer.case_index = [2, 3], 4
    drawn = shown.figure()
    *_, chosen, now = drawn.axes[0].collections
    np.testing.assert_allclose(chosen.get_offsets(), shown.positions.points[[2, 3]])
    np.testing.assert_allclose(now.get_offsets(), shown.positions.points[[4]])
    plt.close(drawn)


def test_a_lasso_chooses_cases_and_the_table_shows_them(live, explorer):
    groups = [members.tolist() for _, members, _ in live.map.groups()]
    for trace, places in enumerate(([0, 1], [], [3])):  # as plotly tells them
        assert explorer.chosen == []
        live.choose(trace, places)
    assert explorer.chosen == sorted([groups[0][0], groups[0][1], groups[2][3]])
    assert (explorer.only, explorer.table) == ("chosen", True)
    assert [list(trace.selectedpoints) for trace in live.figure.data[:3]] == [[0, 1], [], [3]]
    for trace in range(3):
        live.choose(trace, [])
    assert (explorer.chosen, explorer.only) == ([], "all")
    assert [trace.selectedpoints for trace in live.figure.data[:3]] == [None] * 3


def test_a_click_opens_a_case_and_the_ring_follows(live, explorer):
    _, members, _ = live.map.groups()[1]
    live.open(1, [2])
    assert explorer.case_index == members[2]
    explorer.case_index = 7
    ring = live.figure.data[-1]
    np.testing.assert_allclose([ring.x[0], ring.y[0]], live.map.positions.points[7])


def test_the_film_under_the_pointer_has_its_name(monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "0")
    explorer = MatchingExplorer([sample(0), sample(1, study_id=HOSTILE)])
    view = EmbeddingView(EmbeddingMap(explorer, VECTORS[:2], color="score"), "x")
    view.look(0, [1])
    assert "data:image/png;base64," in view.film.value
    assert "&lt;img src=x onerror" in view.film.value
    assert "<img src=x" not in view.film.value
    assert "<img" not in "".join(view.figure.data[0].text)


def test_another_color_draws_other_groups(live):
    assert len(live.figure.data) == 4
    live.menu.value = "score"
    assert live.map.color == "score"
    assert len(live.figure.data) == 2
    assert list(live.figure.data[0].marker.color) == [float(k) for k in range(12)]
