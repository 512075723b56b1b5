"""Explanations that are made when they are looked at, and the explorer of a gallery of them."""

import time

import numpy as np
import pytest
from sample_explanations import sample

from reclf.data.study import ImageError, Study
from reclf.datasets.selection import Caption, Picked, captions
from reclf.explain import OnDemand
from reclf_widgets import MatchingExplorer


class Films:
    """Studies that keep count of the images that are read."""

    def __init__(self, count):
        self.rows = [
            Caption(f"s{i}", f"Large effusion {i}.", {"effusion": i % 2}) for i in range(count)
        ]
        self.read = []

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        name, report, labels = self.rows[index]
        self.read.append(index)
        image = np.full((96, 80), index / len(self), np.float32)
        return Study(name, "", image, report, labels=labels)


def explained(study, model=0):
    one = sample(0, model, study_id=study.study_id, report=study.report)
    return sample(0, model, study_id=study.study_id, report=study.report, image=study.image * 1.0,
                  masks={}, words=one.words)  # fmt: skip


def test_each_is_made_once_and_the_oldest_is_let_go():
    films = Films(9)
    ones = OnDemand(explained, films, keep=2)
    assert len(ones) == 9
    assert [ones[k].study_id for k in (3, -1, 3)] == ["s3", "s8", "s3"]
    assert films.read == [3, 8]
    assert ones[4].study_id == "s4"  # 8 is the oldest now
    assert ones[3] is ones[3]
    assert films.read == [3, 8, 4]
    assert ones[8].study_id == "s8"
    assert films.read == [3, 8, 4, 8]
    assert [one.study_id for one in ones[1:3]] == ["s1", "s2"]
    with pytest.raises(IndexError):
        ones[9]
    assert [one.study_id for one in ones] == [f"s{k}" for k in range(9)]


def test_captions_read_no_image():
    films = Films(10)
    picked = Picked.evenly(films, 4)
    assert [caption.study_id for caption in captions(picked)] == ["s0", "s2", "s5", "s7"]
    assert films.read == []
    assert [study.study_id for study in picked[1:3]] == ["s2", "s5"]
    assert len(Picked.evenly(films, 0)) == len(Picked.evenly(films, 99)) == 10
    assert captions([films[1]]) == [films.rows[1]]  # of a list, from the studies


def test_of_data_without_a_list_of_captions_the_picked_studies_alone_are_read():
    films = Films(10)
    drawn = [films[k] for k in range(10)]
    read = []

    class Drawn:
        def __len__(self):
            return 10

        def __getitem__(self, index):
            read.append(index)
            return drawn[index]

    assert [c.study_id for c in captions(Picked(Drawn(), [7, 2]))] == ["s7", "s2"]
    assert read == [7, 2]


def test_the_explorer_lists_all_and_explains_what_is_opened():
    films = Films(500)
    made = []

    def explain(study):
        made.append(study.study_id)
        return explained(study)

    explorer = MatchingExplorer({"a": OnDemand(explain, films)}, table=True)
    assert made == ["s0"]
    assert films.read == [0]
    assert explorer.index[7] == {
        "study_id": "s7", "text": "s7 large effusion 7.", "labels": ["effusion"], "score": [None],
        "rank": [None], "hits": [[]], "disagreement": None,
    }  # fmt: skip
    assert explorer.index[0]["score"] == [4.0]  # it is open
    explorer.pictures_asked = {"cases": [3, 4]}
    assert films.read == [0, 3, 4]
    assert set(explorer.pictures[1600:]) <= {0, round(255 * 4 / 500)}
    explorer.case_index = 499
    assert made == ["s0", "s499"]
    assert explorer.index[499]["score"] == explorer.case["row"]["score"] == [4.0]


def test_models_must_explain_the_same_words_when_a_case_is_opened():
    films = Films(3)

    def other(study):
        return sample(0, 1, study_id=study.study_id)

    with pytest.raises(ValueError, match="s0: b has 9 words and a 3"):
        MatchingExplorer({"a": OnDemand(explained, films), "b": OnDemand(other, films)})


def test_a_film_that_cannot_be_read_is_named_when_it_is_opened():
    films = Films(5)
    read = films.__getitem__

    class Damaged(Films):
        def __getitem__(self, index):
            if index == 3:
                raise ImageError("3.png is no image")
            return read(index)

    explorer = MatchingExplorer(OnDemand(explained, Damaged(5)))
    explorer.pictures_asked = {"cases": [2, 3, 4]}
    pictures = np.frombuffer(explorer.pictures, np.uint8).reshape(3, -1)
    assert [bool(picture.any()) for picture in pictures] == [True, False, True]
    with pytest.raises(ImageError):
        explorer.case_index = 3
    assert explorer.failed == "ImageError: 3.png is no image"
    explorer.case_index = 2
    assert explorer.failed == ""
    assert explorer.case["study_id"] == "s2"


def test_a_page_has_the_rows_of_what_it_shows(tmp_path):
    explorer = MatchingExplorer(OnDemand(explained, Films(50)))
    text = explorer.to_html(tmp_path / "page.html", [1, 2]).read_text()
    assert '"study_id": "s1"' in text
    assert '"study_id": "s3"' not in text
    assert text.count('"score": [4.0]') >= 2


def test_twenty_thousand_cases_open_as_fast_as_they_are_listed():
    films = Films(20_000)
    ones = OnDemand(explained, films)
    began = time.process_time()
    MatchingExplorer(ones)
    took = time.process_time() - began
    began = time.process_time()
    MatchingExplorer(OnDemand(explained, Films(200)))
    assert took < 20 * (time.process_time() - began) + 2  # a hundred times as many
    assert len(films.read) == 1
