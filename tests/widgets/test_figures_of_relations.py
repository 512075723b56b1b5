"""Relations in print: beyond their prior, in the order of types, without filler words."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample, with_prior

from reclf_widgets import RelationGraphView, plot_relations, reading


def matrix_of(figure):
    (image,) = [image for axis in figure.axes for image in axis.get_images()]
    return image.get_array(), image


def said_by(figure):
    return " ".join(text.get_text() for axis in figure.axes for text in axis.texts)


def test_beyond_the_prior_the_matrix_has_both_signs_on_one_scale():
    one = with_prior()
    figure = plot_relations(one, beyond_prior=True)
    drawn, image = matrix_of(figure)
    expected = one.relations() - one.prior()
    assert drawn.mask.diagonal().all()  # gray: a node itself
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(drawn.filled(0), expected, atol=1e-6)
    low, high = image.get_clim()
    assert -low == high == pytest.approx(np.abs(expected).max())
    assert "minus its distance prior" in said_by(figure)
    plt.close(figure)


def test_nodes_in_the_order_of_types_without_fillers():
    one = with_prior()
    nodes = reading.nodes(one, "type", fillers=False)
    words = [one.words[n - 1] for n in nodes[1:]]
    assert words == ["effusion", "pneumothorax", "left", "large", "heart", "no"]
    assert reading.nodes(one) == list(range(10))
    figure = plot_relations(one, order="type", fillers=False)
    expected = one.relations()[np.ix_(nodes, nodes)]
    np.testing.assert_array_equal(matrix_of(figure)[0].data, expected)
    assert "words without a type are left out" in said_by(figure)
    plt.close(figure)


def test_a_view_prints_what_it_shows():
    view = RelationGraphView([with_prior()], beyond_prior=True, order="type", fillers=False)
    figure = view.figure()
    nodes = reading.nodes(with_prior(), "type", fillers=False)
    expected = reading.edges(with_prior(), beyond_prior=True)[np.ix_(nodes, nodes)]
    np.testing.assert_array_equal(matrix_of(figure)[0].data, expected)
    plt.close(figure)
    strongest = reading.strongest_edges(reading.edges(with_prior(), beyond_prior=True), 1)[0]
    assert f"minus its distance prior {strongest[2]:.3f}" in view.alt_text()


def test_a_prior_that_is_not_known_is_said():
    with pytest.raises(ValueError, match="study-0: the distance prior of this model is not known"):
        plot_relations(sample(), beyond_prior=True)
    view = RelationGraphView([sample()], beyond_prior=True)
    assert view.alt_text() == "study-0: model has no known distance prior"


def test_an_unknown_order_is_named():
    with pytest.raises(ValueError, match="order must be one of text, type, got 'types'"):
        plot_relations(sample(), order="types")
