"""Numbers read off an explanation, against plain loops and values by hand."""

import numpy as np
import pytest
from sample_explanations import REPORT, sample

from reclf.data.reports import split_words
from reclf_widgets import reading


def test_the_map_of_the_pair_is_the_mean_weighted_by_importance():
    one = sample()
    expected = sum(
        weight * cells for weight, cells in zip(one.importance, one.attention, strict=True)
    )
    np.testing.assert_allclose(reading.region_map(one, reading.PAIR), expected, rtol=1e-5)
    plain = reading.region_map(sample(importance=None), reading.PAIR)
    np.testing.assert_allclose(plain, one.attention.mean(0), rtol=1e-5)
    assert plain.sum() == pytest.approx(1)


def test_an_empty_report_has_an_empty_map():
    empty = sample(report="")
    assert not reading.region_map(empty, reading.PAIR).any()
    assert reading.salient_words(empty, 4) == []


def test_report_pieces_put_together_are_the_report():
    text = "  " + REPORT + " Lines: 1.2 cm (T8)."
    words = split_words(text)
    pieces, rest = reading.report_pieces(text, words[:-2])
    assert "".join(gap + word for gap, word in pieces) + rest == text
    assert [word.lower() for _, word in pieces] == words[:-2]
    assert rest.endswith("cm (T8).")


def test_words_that_are_not_in_the_report_stand_alone():
    pieces, rest = reading.report_pieces("something else", ["left", "lung"])
    assert pieces == [("", "left"), (" ", "lung")]
    assert rest == ""


def test_mass_and_pointing_by_hand():
    cells = np.array([[0.5, 0.2, 0.0], [0.1, 0.2, 0.0]])
    mask = np.zeros((4, 6), dtype=bool)
    mask[:2, 1:4] = True  # right half of region (0, 0), all of region (0, 1)
    assert reading.mass_inside(cells, mask) == pytest.approx(0.5 * 0.5 + 0.2)
    assert reading.pointing_hit(cells, mask)  # the center of region (0, 0) is pixel (1, 1)
    assert not reading.pointing_hit(cells.T[::-1, ::-1].T, mask)


def test_mass_and_pointing_of_regions_centered_at_their_corners():
    """Regions of 4 pixels centered on pixels 0 and 4: their blocks are 3 and 5 pixels long."""
    cells = np.array([[0.5, 0.2], [0.2, 0.1]])
    mask = np.zeros((8, 8), dtype=bool)
    mask[:4, :4] = True  # region (0, 0), a row and a column beside it, and pixel (3, 3)
    total = 9 * 0.5 + 15 * 0.2 + 15 * 0.2 + 25 * 0.1
    inside = 9 * 0.5 + 3 * 0.2 + 3 * 0.2 + 0.1
    assert reading.mass_inside(cells, mask, 0.5 / 4) == pytest.approx(inside / total)
    corner = np.zeros((8, 8), dtype=bool)
    corner[0, 0] = corner[4, 4] = True
    assert reading.pointing_hit(cells, corner, 0.5 / 4)
    assert not reading.pointing_hit(cells, corner)  # pixel (2, 2)
    assert reading.mask_at_centers(corner, (2, 2), 0.5 / 4).tolist() == [
        [True, False],
        [False, True],
    ]


@pytest.mark.parametrize("center", [0.5, 0.5 / 16])
def test_mass_inside_equals_attention_in_pixels(center):
    one = sample(center=center)
    pixels = one.attention_in_pixels()
    for name, mask in one.masks.items():
        expected = (pixels[2] * mask).sum()
        found = reading.mass_inside(one.attention[2], mask, center)
        assert found == pytest.approx(expected, rel=1e-4)
        assert name in ("pleural_effusion", "cardiomegaly")


def test_strongest_edges_leave_out_the_diagonal():
    graph = np.array([[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.2, 0.0, 0.8]])
    assert reading.strongest_edges(graph, 2) == [(1, 0, 0.6), (2, 0, 0.2)]
    assert len(reading.strongest_edges(graph, 9)) == 4
    assert reading.strongest_edges(graph, 9, threshold=0.5) == [(1, 0, 0.6)]


def test_salient_words_begin_with_one_for_each_finding_and_end_with_short_ones():
    importance = np.array([0.1, 0.1, 0.02, 0.1, 0.1, 0.3, 0.2, 0.04, 0.04], dtype=np.float32)
    one = sample(importance=importance)
    chosen = [one.words[i] for i in reading.salient_words(one, 3)]
    assert "effusion" in chosen
    assert "heart" in chosen
    assert "the" not in chosen


def test_words_by_text_and_a_message_that_names_the_words():
    one = sample()
    assert reading.find_words(one, ["Heart", 1, -1]) == [6, 1, -1]
    with pytest.raises(ValueError, match=r"'lung' is not a word of this report; it has: large"):
        reading.find_words(one, ["lung"])
    with pytest.raises(ValueError, match="word 9 is outside the 9 words"):
        reading.find_words(one, [9])
