"""Print figures: panels, reproducible bytes, embedded fonts, clear errors."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from sample_explanations import sample

from reclf_widgets import plot_importance, plot_matchings, plot_relations, save_figure
from reclf_widgets.palette import DIFFERENCE, colormap
from reclf_widgets.scales import painted


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("ending", [".pdf", ".svg", ".png"])
@pytest.mark.parametrize("plot", [plot_matchings, plot_relations, plot_importance])
def test_files_are_reproducible_byte_for_byte(plot, ending, tmp_path):
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
    panels = [axis for axis in figure.axes if axis.get_label() == "panel"]
    assert len(panels) == 3 * 3
    assert [axis.get_ylabel() for axis in panels[::3]] == ["RECLF", "GLoRIA", "difference"]
    heat = panels[1].get_images()[1]
    cells = models["RECLF"].attention[2]
    end = max(cells.max(), models["GLoRIA"].attention[2].max())  # the models share a scale
    blocks = np.kron(cells, np.ones((16, 16))) / end
    np.testing.assert_allclose(heat.get_array(), painted(blocks, "viridis", 0.75), rtol=1e-5)
    entries = colormap("viridis")(np.floor(255 * blocks + 0.5).astype(int))
    np.testing.assert_allclose(heat.get_array()[..., :3], entries[..., :3], atol=1 / 255)
    np.testing.assert_allclose(heat.get_array()[..., 3], 0.75 * blocks, rtol=1e-5)
    assert heat.get_extent() == [-0.5, 79.5, 95.5, -0.5]
    cells = models["RECLF"].attention[2] - models["GLoRIA"].attention[2]
    row, column = np.unravel_index(np.abs(cells).argmax(), cells.shape)
    strongest = panels[7].get_images()[1].get_array()[16 * row, 16 * column]
    expected = colormap(DIFFERENCE)(float(cells[row, column] > 0))
    np.testing.assert_allclose(strongest, [*expected[:3], 0.75], rtol=1e-5)


def test_in_print_the_radiograph_shines_through(tmp_path):
    """A PDF or SVG of an image with an array of alphas would have none of them."""
    save_figure(plot_matchings(sample(), ["effusion"]), tmp_path / "figure.svg")
    content = (tmp_path / "figure.svg").read_text()
    images = re.findall(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", content)
    alphas = []
    for image in images:
        with Image.open(io.BytesIO(base64.b64decode(image))) as opened:
            alphas.append(np.asarray(opened.convert("RGBA"))[..., 3])
    assert sum(alpha.min() < 10 < alpha.max() < 200 for alpha in alphas) == 1  # the map
    save_figure(plot_matchings(sample(), ["effusion"]), tmp_path / "figure.pdf")
    assert (tmp_path / "figure.pdf").read_bytes().count(b"/SMask") == 1


@pytest.mark.parametrize("width", [3.3, 5.0, 6.9])
@pytest.mark.parametrize("word", ["w", "electroencephalographically-triggered"])
def test_arcs_stay_in_their_axes_beside_the_words(width, word):
    """However many rows lie between two words, and however long these are."""
    words = 40
    graph = np.full((1, words + 1, words + 1), 0.001, dtype=np.float32)
    graph[0, 1, words] = graph[0, words, 2] = 0.9
    many = sample(
        words=[word] * words,
        report=f"{word} " * words,
        attention=np.full((words, 6, 5), 1 / 30, dtype=np.float32),
        cosines=np.zeros(words, dtype=np.float32),
        graph=graph,
        importance=None,
        word_types=None,
        word_findings=None,
    )
    figure = plot_relations(many, edges=40, width=width)
    figure.canvas.draw()
    axis = figure.axes[1]
    box = axis.get_window_extent()
    names = [text.get_window_extent() for text in axis.texts if text.get_text()]
    left, right = min(name.x0 for name in names), max(name.x1 for name in names)
    for patch in axis.patches:
        extent = patch.get_window_extent()
        assert box.x0 - 1 <= extent.x0
        assert extent.x1 <= box.x1 + 1
        assert extent.x1 <= left or extent.x0 >= right


def said_by(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_names_that_do_not_fit_are_left_out_but_those_of_the_strongest_edges():
    names = [f"w{i}" for i in range(120)]
    graph = np.full((1, 121, 121), 0.001, dtype=np.float32)
    graph[0, 7, 90] = 0.9
    many = plot_relations(sample(report=" ".join(names), graph=graph), edges=1)
    said = said_by(many)
    rows_and_columns = [name for name in said if name in names]
    assert 60 < len(rows_and_columns) < 120
    assert {"w6", "w89"} <= set(rows_and_columns)
    assert any(re.fullmatch(r"names of up to \d+ of 121 nodes, .*", s) for s in said)
    assert "1 strongest edges, weight ≤ 0.900" in said
    assert "0 strongest edges" in said_by(plot_relations(sample(report="")))


@pytest.mark.parametrize("width", [3.3, 6.9])
def test_forty_rows_have_their_names(width):
    names = [f"w{i}" for i in range(39)]
    said = said_by(plot_relations(sample(report=" ".join(names)), edges=1, width=width))
    assert set(names) <= set(said)


def test_edges_whose_words_do_not_fit_are_not_drawn_and_the_title_says_so():
    words = 120
    graph = np.full((1, words + 1, words + 1), 0.001, dtype=np.float32)
    graph[0, np.arange(0, words, 2), np.arange(1, words, 2)] = 0.5
    report = " ".join(f"w{i}" for i in range(words))
    figure = plot_relations(sample(report=report, graph=graph), edges=60, width=3.3)
    arcs = len(figure.axes[1].patches)
    assert 10 < arcs < 60
    assert f"{arcs} strongest edges, weight ≤ 0.500\n(the words of more do not fit)" in said_by(
        figure
    )


@pytest.mark.parametrize("plot", [plot_relations, plot_importance])
@pytest.mark.parametrize("source", ["data set", "lexicon chest"])
def test_letters_are_explained_and_the_lexicon_is_named(plot, source):
    figure = plot(sample(provenance={"word_types": source}))
    said = {text.get_text() for text in figure.findobj(Text)}
    letters = "F finding, L location, S severity, A anatomy, N negation"
    assigned = f"{letters};\nassigned by lexicon chest, not annotated"
    assert (letters in said, assigned in said) == (source == "data set", source != "data set")
    unknown = plot(sample(word_types=None))
    assert not [text for text in unknown.findobj(Text) if "finding" in text.get_text()]


def test_letters_that_are_not_shown_are_not_explained():
    figure = plot_importance(sample(), ["heart", "is"])
    assert "A anatomy" in {text.get_text() for text in figure.findobj(Text)}


def test_words_that_are_not_shown_are_counted():
    said = ["\n".join(said_by(plot_importance(sample(), top=top))) for top in (9, 4)]
    assert "; 4 of 9 words" in said[1]
    assert "of 9 words" not in said[0]


@pytest.mark.parametrize("smooth", [False, True])
def test_maps_are_centered_on_the_receptive_fields(smooth):
    """Centered at their corners, regions of 16 pixels are highest at pixels 0, 16, 32."""
    cells = np.zeros((9, 6, 5), dtype=np.float32)
    cells[:, 2, 3] = 1
    one = sample(attention=cells, center=0.5 / 16)
    drawn = plot_matchings(one, ["effusion"], smooth=smooth).axes[1]
    heat = np.asarray(drawn.get_images()[1].get_array())[..., 3] / 0.75
    rows, columns = np.nonzero(heat > 0.999)
    if smooth:
        assert (rows.tolist(), columns.tolist()) == ([32], [48])
        assert heat[40, 48] == heat[32, 40] == pytest.approx(0.5)
    else:
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (25, 40, 41, 56)
    mask = one.masks["pleural_effusion"]
    assert drawn.get_xlabel() == f"{heat[mask].sum() / heat.sum():.0%} inside, miss" or smooth


def test_a_word_of_a_finding_is_labeled_with_its_mass_inside():
    figure = plot_matchings(sample(), ["effusion"])
    assert "inside, " in figure.axes[1].get_xlabel()


def test_errors_name_the_reason():
    bare = sample(graph=None, importance=None)
    with pytest.raises(ValueError, match="no relation graph"):
        plot_relations(bare)
    with pytest.raises(ValueError, match="no importance weights"):
        plot_importance(bare)
    with pytest.raises(ValueError, match="a difference needs two models, got 1"):
        plot_matchings(bare, difference=True)
    with pytest.raises(ValueError, match="words of 'b' and 'a' differ"):
        plot_matchings({"a": sample(), "b": sample(report="Another one.")})
    with pytest.raises(ValueError, match=r"not 'x\.jpg'"):
        save_figure(plot_matchings(bare, ["heart"]), "x.jpg")


def test_long_and_empty_reports_can_be_drawn():
    long = sample(report=" ".join(f"word{i}" for i in range(120)))
    for plot in (plot_matchings, plot_relations, plot_importance):
        plot(long).canvas.draw()
        plot(sample(report="")).canvas.draw()
