"""Figures for print: the right panels, the same bytes twice, fonts embedded, clear refusals."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample

from reclf_widgets import plot_importance, plot_matchings, plot_relations, save_figure


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("ending", [".pdf", ".svg", ".png"])
@pytest.mark.parametrize("plot", [plot_matchings, plot_relations, plot_importance])
def test_made_twice_it_is_the_same_bytes(plot, ending, tmp_path):
    for name in ("first", "second"):
        save_figure(plot(sample()), tmp_path / (name + ending))
        plt.close("all")
    content = (tmp_path / f"first{ending}").read_bytes()
    assert content == (tmp_path / f"second{ending}").read_bytes()
    assert len(content) > 3000
    if ending == ".pdf":
        assert b"/FontFile2" in content  # TrueType inside
        assert b"/Type3" not in content
    if ending == ".svg" and plot is plot_importance:
        assert b">effusion (F)</text>" in content


def test_matchings_have_a_row_for_each_model_and_a_difference():
    models = {"RECLF": sample(), "GLoRIA": sample(model=1)}
    figure = plot_matchings(models, ["effusion", "heart"], difference=True)
    panels = [axis for axis in figure.axes if axis.get_images()]
    assert len(panels) == 3 * 3
    assert [axis.get_ylabel() for axis in panels[::3]] == ["RECLF", "GLoRIA", "difference"]
    heat = panels[1].get_images()[1]
    cells = models["RECLF"].attention[2]
    blocks = np.kron(cells, np.ones((16, 16))) / cells.max()
    np.testing.assert_allclose(heat.get_array(), blocks, rtol=1e-5)
    np.testing.assert_allclose(heat.get_alpha(), 0.75 * blocks, rtol=1e-5)
    assert heat.get_extent() == [-0.5, 79.5, 95.5, -0.5]
    difference = panels[7].get_images()[1]
    assert difference.get_clim() == (-1, 1)


@pytest.mark.parametrize("smooth", [False, True])
def test_maps_lie_where_the_regions_look(smooth):
    """Centred at their corners, regions of 16 pixels are highest at pixels 0, 16, 32."""
    cells = np.zeros((9, 6, 5), dtype=np.float32)
    cells[:, 2, 3] = 1
    one = sample(attention=cells, centre=0.5 / 16)
    drawn = plot_matchings(one, ["effusion"], smooth=smooth).axes[1]
    heat = np.asarray(drawn.get_images()[1].get_array())
    rows, columns = np.nonzero(heat == 1)
    if smooth:
        assert (rows.tolist(), columns.tolist()) == ([32], [48])
        assert heat[40, 48] == heat[32, 40] == 0.5
    else:
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 40, 41, 56)
    mask = one.masks["pleural_effusion"]
    assert drawn.get_xlabel() == f"{heat[mask].sum() / heat.sum():.0%} inside, miss" or smooth


def test_under_a_word_of_a_finding_stands_its_mass_inside():
    figure = plot_matchings(sample(), ["effusion"])
    assert "inside, " in figure.axes[1].get_xlabel()


def test_refusals_name_the_reason():
    bare = sample(graph=None, importance=None)
    with pytest.raises(ValueError, match="relates no words"):
        plot_relations(bare)
    with pytest.raises(ValueError, match="weighs no words"):
        plot_importance(bare)
    with pytest.raises(ValueError, match="a difference needs two models, got 1"):
        plot_matchings(bare, difference=True)
    with pytest.raises(ValueError, match=r"look at the same places, got centres 0\.5 and 0\.25"):
        plot_matchings({"a": bare, "b": sample(centre=0.25)}, difference=True)
    with pytest.raises(ValueError, match="'b' explains other words than 'a'"):
        plot_matchings({"a": sample(), "b": sample(report="Another one.")})
    with pytest.raises(ValueError, match=r"not 'x\.jpg'"):
        save_figure(plot_matchings(bare, ["heart"]), "x.jpg")


def test_long_and_empty_reports_can_be_drawn():
    long = sample(report=" ".join(f"word{i}" for i in range(120)))
    for plot in (plot_matchings, plot_relations, plot_importance):
        plot(long).canvas.draw()
        plot(sample(report="")).canvas.draw()
