"""Color scales, by hand: where they end, who shares them, and what is not tinted."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import sample

from reclf_widgets import MatchingExplorer, plot_attributions, plot_matchings, reading, scales
from reclf_widgets.palette import DIFFERENCE, READABLE, WORD_TYPES, contrast, text_color
from reclf_widgets.rules import RULES


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def bars_of(figure):
    bars = [axis for axis in figure.axes if axis.get_label() == "bar"]
    return [[text.get_text() for text in axis.texts] for axis in bars]


def alphas_of(figure):
    """Opacity of every map of a figure, (maps, H, W_px)."""
    panels = [axis for axis in figure.axes if len(axis.get_images()) == 2]
    return np.array([np.asarray(axis.get_images()[1].get_array())[..., 3] for axis in panels])


def models_by_hand():
    """One word has .5 and .2 in two models, the other .1 and .9."""
    maps = np.zeros((2, 2, 6, 5), dtype=np.float32)
    maps[0, :, 1, 1], maps[1, :, 1, 1] = (0.5, 0.1), (0.2, 0.9)
    return [
        sample(report="Left effusion", attention=one, importance=None, graph=None) for one in maps
    ]


def test_models_that_are_shown_together_share_the_end_of_a_scale():
    a, b = models_by_hand()
    assert scales.color_end([a], "word", 0) == pytest.approx(0.5)
    assert scales.color_end([b], "word", 0) == pytest.approx(0.2)
    assert scales.color_end([a, b], "word", 0) == pytest.approx(0.5)
    assert scales.color_end([a, b], "word", 1) == pytest.approx(0.9)
    assert scales.color_end([a], "case", 1) == pytest.approx(0.5)
    assert scales.color_end([a, b], "case", 0) == pytest.approx(0.9)
    assert scales.color_end([a, b], "case", reading.PAIR) == pytest.approx(0.55)
    assert scales.color_end([a, b], "rank", 0) == 1
    assert scales.difference_end(a, b, 0) == pytest.approx(0.3)
    assert scales.difference_end(a, a, 0) == 0
    empty = sample(report="")
    assert scales.color_end([empty], "case", reading.PAIR) == 0


def test_color_bars_have_numbers_and_say_what_they_show():
    models = dict(zip("ab", models_by_hand(), strict=True))
    word = plot_matchings(models, [0, 1], difference=True)
    assert bars_of(word) == [
        ["0", "attention", "0.500"],
        ["0", "attention", "0.900"],
        ["−0.300", "0", "+0.300"],
        ["−0.800", "0", "+0.800"],
    ]
    assert bars_of(plot_matchings(models, [0, 1], scale="case")) == [["0", "attention", "0.900"]]
    assert bars_of(plot_matchings(models, [0, 1], scale="rank")) == [["median", "rank", "maximum"]]
    equal = plot_matchings({"a": models["a"], "b": models["a"]}, [0], difference=True)
    assert bars_of(equal)[1] == ["", "0: equal", ""]
    assert not alphas_of(equal)[2].any()


def test_the_map_of_the_weaker_model_is_paler_in_print():
    models = dict(zip("ab", models_by_hand(), strict=True))
    first, second = alphas_of(plot_matchings(models, [0])).max((1, 2))
    assert first == pytest.approx(0.75)
    assert second == pytest.approx(0.75 * 0.2 / 0.5)


def test_ranks_by_hand_and_equal_values_have_the_mean_of_their_ranks():
    ranks = scales.upper_ranks(np.array([[0.5, 0.1], [0.2, 0.2], [0.0, 0.9]]))
    np.testing.assert_allclose(ranks, [[0.6, 0], [0, 0], [0, 1]], atol=1e-6)
    ties = scales.upper_ranks(np.array([3.0, 3.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(ties, [0.75, 0.75, 0, 0, 0])
    assert not scales.upper_ranks(np.full((6, 5), 0.3)).any()


def test_a_scale_is_refused_by_name():
    with pytest.raises(ValueError, match="scale must be one of word, case, rank, got 'ranks'"):
        plot_matchings(sample(), scale="ranks")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.331, "0.331"), (12.5, "12.500"), (1.23e-4, "1.2e-4"), (np.nan, "n/a")],
)
def test_numbers_are_written_as_in_the_browser(value, text):
    assert scales.number(value) == text


def test_attributions_keep_their_sign_and_tint_nothing_near_zero():
    cells = np.zeros((6, 5))
    cells[1, 2], cells[4, 3], cells[0, 0] = 2.0, -1.0, 1e-9
    positive = np.abs(cells)
    maps = {"phrase": {"signed": cells, "positive": positive, "level": np.zeros((6, 5))}}
    figure = plot_attributions(sample().image, maps)
    assert bars_of(figure) == [["−2.000", "0", "+2.000"], ["0", "", "2.000"], ["0", "", "0"]]
    signed, unsigned, level = (
        np.asarray(axis.get_images()[1].get_array())[8::16, 8::16] for axis in figure.axes[1:4]
    )
    assert signed[1, 2, 3] == pytest.approx(0.75)
    assert signed[4, 3, 3] == pytest.approx(0.375)
    assert (signed[..., 3] > 0.01).sum() == (unsigned[..., 3] > 0.01).sum() == 2
    orange, purple = signed[1, 2, :3], signed[4, 3, :3]
    assert orange[0] > orange[2]
    assert purple[2] > purple[0]
    assert not level[..., 3].any()
    assert figure.axes[3].get_xlabel() == "level map"


def test_a_gap_of_an_attribution_is_not_tinted():
    cells = np.zeros((6, 5))
    cells[0, 0], cells[1, 1] = np.nan, 1
    figure = plot_attributions(sample().image, {"pair": {"method": cells}})
    assert (alphas_of(figure) > 0).sum() == 16 * 16


def test_zero_is_the_middle_of_the_diverging_scale():
    red, green, blue, alpha = scales.painted(np.zeros(1), DIFFERENCE, 0.75)[0]
    assert alpha == 0
    assert max(red, green, blue) - min(red, green, blue) < 0.02


def test_colors_of_word_types_are_readable_on_white():
    for name in WORD_TYPES:
        assert contrast(text_color(name), "#ffffff") >= READABLE
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert text_color("anatomy") == WORD_TYPES["anatomy"][0].lower()  # was readable
    assert len({text_color(name) for name in WORD_TYPES}) == len(WORD_TYPES)


def test_the_figure_of_a_view_has_its_words_and_models():
    models = {"a": [sample()], "b": [sample(model=1)], "c": [sample(model=2)]}
    explorer = MatchingExplorer(models, scale="rank", word=-1)

    def titles():
        figure = explorer.figure(width=14)
        return [axis.get_title() for axis in figure.axes if axis.get_label() == "panel"]

    assert titles() == ["study-0", "image-report pair"]
    assert bars_of(explorer.figure()) == [["median", "rank", "maximum"]]
    explorer.view, explorer.word, explorer.other = "compare", 2, 2
    assert titles() == ["study-0", "“effusion”\na", "“effusion”\nc", "“effusion”\ndifference"]
    explorer.view, explorer.word = "multiples", 1
    one = sample()
    expected = reading.words_together(one, 1)
    assert len(expected) == RULES["multiples"] or len(expected) == len(reading.ranked_words(one))
    assert 1 in expected
    assert titles()[1 : 1 + len(expected)] == [f"“{one.words[w]}”" for w in expected]
    assert len(titles()) == 3 * (1 + len(expected))
    assert explorer.case["ranked"] == reading.ranked_words(one)


def test_words_shown_together_by_hand():
    one = sample(importance=np.array([5, 9, 1, 8, 2, 9, 3, 9, 4], dtype=np.float32))
    names = ["large", "left", "effusion", "no", "pneumothorax", "the", "heart", "is", "normal"]
    assert one.words == names
    assert reading.ranked_words(one) == [1, 0, 8, 6, 4, 2]
    assert reading.words_together(one, reading.PAIR) == [0, 1, 2, 4, 6, 8]
    assert reading.words_together(one, 3) == [0, 1, 3, 4, 6, 8]
