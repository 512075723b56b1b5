"""Several words as one phrase: their mean map, in print and in the state of the explorer."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import traitlets
from matplotlib.text import Text
from sample_explanations import sample

from reclf_widgets import MatchingExplorer, MatchingView, plot_matchings, reading


def texts(figure):
    return [" ".join(text.get_text().split()) for text in figure.findobj(Text)]


def test_the_map_is_the_mean_of_its_words_as_in_grounding():
    one = sample()
    found = reading.region_map(one, (0, 1, 2))
    expected = sum(one.attention[w].astype(np.float64) for w in (0, 1, 2)) / 3
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert reading.word_name(one, (0, 1, 2)) == "“large left effusion”"
    assert reading.mask_of_word(one, (4, 2)) == "pleural_effusion"
    assert reading.mask_of_word(one, (3, 4)) is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ([("left", "effusion")], [(1, 2)]),
        ([("effusion", 1, "left"), "heart"], [(1, 2), 6]),
        ([("heart",)], [6]),
    ],
)
def test_phrases_are_tuples_of_words(asked, found):
    assert reading.find_selections(sample(), asked) == found


def test_a_word_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="'right' is not a word of this report"):
        plot_matchings(sample(), words=[("right", "effusion")])


def test_print_has_the_phrase_as_its_title_and_hit_or_miss():
    figure = plot_matchings(sample(), words=[("left", "effusion"), "heart"])
    said = texts(figure)
    assert any("left effusion" in text for text in said)
    inside = reading.mass_inside(
        reading.region_map(sample(), (1, 2)), sample().masks["pleural_effusion"]
    )
    assert any(text.startswith(f"{inside:.0%} inside, ") for text in said)
    plt.close(figure)


def test_an_explorer_prints_and_describes_its_phrase():
    explorer = MatchingExplorer([sample()], word=2, phrase=[1])
    assert explorer.selection == (1, 2)
    assert "attention map of “left effusion”" in explorer.alt_text()
    figure = explorer.figure()
    assert any("left effusion" in text for text in texts(figure))
    plt.close(figure)
    assert MatchingExplorer([sample()], **explorer.state()).selection == (1, 2)
    view = MatchingView(explorer)
    explorer.phrase = [0, 1]
    assert view.selection == (0, 1, 2)


def test_another_case_has_no_phrase():
    explorer = MatchingExplorer([sample(), sample(1)], word=2, phrase=[1])
    explorer.case_index = 1
    assert (explorer.selection, explorer.phrase) == (reading.PAIR, [])


@pytest.mark.parametrize("words", [(), (-1, 2)])
def test_what_is_no_phrase_is_refused(words):
    with pytest.raises(ValueError, match="a phrase is one or more words of the report"):
        plot_matchings(sample(), words=[words])


def test_a_phrase_with_a_word_that_is_not_there_is_refused():
    explorer = MatchingExplorer([sample()], word=2, phrase=[99])
    with pytest.raises(ValueError, match="word 99 is outside the 9 words of this report"):
        explorer.figure()
    with pytest.raises(traitlets.TraitError, match="phrase"):
        explorer.phrase = [-1]
