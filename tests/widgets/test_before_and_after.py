"""An edited version beside the study as given: words of both texts, and films that differ."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sample_explanations import REPORT, sample

from reclf_widgets import MatchingExplorer, RelationGraphView, as_given, reading
from reclf_widgets.as_given import in_words_of

EDITED = "No moderate effusion. The pneumothorax is large."


def words_paired_by_hand(old, new):
    """As `in_words_of`: the longest common run first, then left and right of it."""
    best = (0, 0, 0)
    for i in range(len(old)):
        for j in range(len(new)):
            size = 0
            while i + size < len(old) and j + size < len(new) and old[i + size] == new[j + size]:
                size += 1
            if size > best[2]:
                best = (i, j, size)
    i, j, size = best
    if not size:
        return []
    right = words_paired_by_hand(old[i + size :], new[j + size :])
    return (
        words_paired_by_hand(old[:i], new[:j])
        + [(i + k, j + k) for k in range(size)]
        + [(i + size + a, j + size + b) for a, b in right]
    )


def every_pair_by_hand(old, new):
    """New word -> old word: in order, then what has changed places, then what stands twice."""
    pairs = {j: i for i, j in words_paired_by_hand(old, new)}
    for j, word in enumerate(new):
        if j not in pairs:
            unused = [i for i, x in enumerate(old) if x == word and i not in pairs.values()]
            used = [i for i, x in enumerate(old) if x == word]
            if unused or used:
                pairs[j] = (unused or used)[0]
    return pairs


@pytest.fixture
def explorer():
    def on_edit(index, edit):
        if isinstance(edit, str):
            read = {name: sample(index, 5 + k, report=edit) for k, name in enumerate("ab")}
            return {n: replace(read[n], image=sample(index, k).image) for k, n in enumerate("ab")}
        return {name: replace(sample(index, k), image=edit) for k, name in enumerate("ab")}

    return MatchingExplorer(
        {name: [sample(i, k) for i in range(3)] for k, name in enumerate("ab")}, on_edit=on_edit
    )


def panels_of(explorer):
    """Panels of the figure: title, what stands below, and the film."""
    drawn = explorer.figure()
    axes = [axis for axis in drawn.axes if axis.get_label() == "panel"]
    found = [(a.get_title(), a.get_xlabel(), a.get_images()[0].get_array()) for a in axes]
    plt.close(drawn)
    return found


EXCHANGED = "The heart is normal, no pneumothorax. Large left effusion, large heart."


@pytest.mark.parametrize("text", [EDITED, REPORT, "Clear.", "Effusion left large.", EXCHANGED])
def test_each_word_has_what_it_had_and_new_words_have_nothing(text):
    given, edited = sample(), sample(model=5, report=text)
    made = in_words_of(given, edited)
    pairs = every_pair_by_hand(given.words, edited.words)
    assert made.words == edited.words
    for j in range(len(made.words)):
        i = pairs.get(j)
        nothing = np.zeros_like(given.attention[0])
        np.testing.assert_array_equal(
            made.attention[j], nothing if i is None else given.attention[i]
        )
        assert made.importance[j] == (0 if i is None else given.importance[i])
        assert made.cosines[j] == (0 if i is None else given.cosines[i])
        assert as_given.says(made, j) == (i is not None)
        for k in range(len(made.words)):
            both = i is not None and k in pairs
            weight = given.graph[:, i + 1, pairs[k] + 1] if both else 0
            np.testing.assert_array_equal(made.graph[:, j + 1, k + 1], weight)
        edge = 0 if i is None else given.graph[:, 0, i + 1]
        np.testing.assert_array_equal(made.graph[:, 0, j + 1], edge)
    assert made.scores == given.scores


def test_the_mean_map_leaves_out_words_that_are_not_in_the_text():
    given = sample(importance=None)
    made = in_words_of(given, sample(model=5, report="Large left effusion and more."))
    np.testing.assert_allclose(
        reading.region_map(made, reading.PAIR), given.attention[:3].mean(0), atol=1e-7
    )


def test_an_edited_case_has_each_model_twice(explorer):
    assert explorer.case["models"] == ["a", "b"]
    explorer.edit = {"text": EDITED}
    assert explorer.status == ""
    assert explorer.case["models"] == explorer.names == ["a", "b", "a, as given", "b, as given"]
    assert explorer.models == ["a", "b"]  # of the explorer, and of the rows of its table
    assert explorer.case["films"] == [0, 0, 0, 0]
    absent = explorer.case["absent"]
    assert absent[0] == absent[1] == []
    assert [explorer.case["pieces"][w][1].lower() for w in absent[2]] == ["moderate"]
    sent = np.frombuffer(explorer.attention, "<f4").reshape(4, 7, 6, 5)
    np.testing.assert_array_equal(sent[0], explorer.explanations["a"].attention)
    np.testing.assert_array_equal(sent[2], explorer.together["a, as given"].attention)
    explorer.view, explorer.model, explorer.other, explorer.word = "compare", 2, 0, 6
    assert "study-0" in explorer.alt_text()
    assert RelationGraphView(explorer, model=2).alt_text()  # a view can show it, too
    titles = [title for title, *_ in panels_of(explorer)]
    assert titles[1:] == ["“large”\na, as given", "“large”\na", "“large”\ndifference"]


def test_one_model_as_given_needs_no_other_name():
    explorer = MatchingExplorer([sample()], on_edit=lambda index, text: sample(1, report=text))
    explorer.edit = {"text": EDITED}
    assert explorer.names == ["model", "as given"]


def test_a_word_that_is_new_says_so_in_print(explorer):
    explorer.edit = {"text": EDITED}
    explorer.view, explorer.model, explorer.other, explorer.word = "compare", 2, 0, 1
    assert [below for _, below, _ in panels_of(explorer)] == ["", "not in its text", "", ""]
    drawn = explorer.figure()
    bars = [axis for axis in drawn.axes if axis.get_label() == "bar"]
    assert [text.get_text() for text in bars[-1].texts if text.get_text()] == ["not in both texts"]
    plt.close(drawn)


def test_what_is_chosen_goes_back_when_the_version_does(explorer):
    view = RelationGraphView(explorer)
    explorer.edit = {"text": EDITED}
    explorer.model, explorer.other, view.model = 3, 2, 2
    explorer.edit = {"version": 0, "serial": 1}
    assert (explorer.model, explorer.other, view.model) == (0, 1, 0)
    explorer.edit = {"version": 1, "serial": 2}
    explorer.model, explorer.other, explorer.view = 3, 2, "compare"
    explorer.case_index = 1
    assert (explorer.model, explorer.other) == (0, 1)
    assert len(panels_of(explorer)) == 4


def test_an_edited_image_and_the_film_as_given_are_two_pictures(explorer):
    image = np.ascontiguousarray(np.flip(explorer.explanation.image, 1))
    explorer.cases.edit(0, explorer._on_edit(0, image), "mirrored")
    explorer.edits += 1
    assert explorer.case["films"] == [0, 0, 1, 1]
    pixels = np.frombuffer(explorer.image, np.uint8).reshape(2, 96, 80)
    np.testing.assert_array_equal(pixels[0], np.round(np.clip(image, 0, 1) * 255))
    np.testing.assert_array_equal(pixels[0, :, ::-1], pixels[1])
    explorer.view, explorer.model, explorer.other, explorer.word = "compare", 2, 0, 1
    films = [film for *_, film in panels_of(explorer)]
    np.testing.assert_array_equal(films[1], films[2][:, ::-1])
    np.testing.assert_array_equal(films[0], films[1])  # the first column shows A's


def test_an_export_of_what_is_compared_opens_again(explorer, tmp_path):
    from reclf_widgets import open_session

    explorer.edit = {"text": EDITED}
    explorer.view, explorer.model, explorer.other, explorer.word = "compare", 2, 0, 1
    explorer.export(tmp_path / "out", "all")
    opened = open_session(tmp_path / "out")
    assert opened.explanation.provenance["edited"] == "own text"
    caption = (tmp_path / "out" / "figures.tex").read_text()
    assert f"Edited (own text): ``{EDITED}''" in caption
    assert opened.explanation.words == explorer.explanations["a"].words
    assert (opened.model, opened.other) == (0, 1)
    explorer.case_index = 1
    explorer.export(tmp_path / "other", [0])  # not the one that is shown
