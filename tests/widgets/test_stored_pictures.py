"""What a notebook stores of a widget: an image with its text, of the view as it was left."""

from html.parser import HTMLParser

import pytest
from sample_explanations import HOSTILE, sample

from reclf_widgets import ImportanceView, MatchingExplorer, still

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def outputs(monkeypatch):
    """What is displayed: (data, metadata, display id, whether it replaces an output)."""
    found = []

    def publish(data, metadata=None, *, transient=None, update=False):
        found.append((data, metadata, (transient or {}).get("display_id"), update))

    monkeypatch.setattr(still, "publish_display_data", publish)
    return found


def images_of(text):
    """Attributes of the images of a piece of HTML, which must have nothing else."""
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            assert tag == "img"
            found.append(dict(attributes))

    Reader().feed(text)
    return found


def test_where_nobody_can_click_there_is_the_picture_alone(outputs):
    explorer = MatchingExplorer([sample()], word=2)
    explorer._ipython_display_()
    ((data, metadata, _, update),) = outputs
    assert set(data) == {"text/plain", "text/html", "image/png"}
    assert "the attention map of “effusion”, 6 by 5 regions" in data["text/plain"]
    assert metadata == {"image/png": {"alt": explorer.alt_text()}}  # what nbconvert reads
    assert not update
    (image,) = images_of(data["text/html"])
    assert image["alt"] == explorer.alt_text()
    assert image["src"] == f"data:image/png;base64,{data['image/png']}"
    assert sum(map(len, data.values())) < 400_000


def test_a_study_id_cannot_leave_the_alternative_text(outputs):
    explorer = MatchingExplorer([sample(study_id=HOSTILE)])
    (image,) = images_of(explorer.still()[0]["text/html"])
    assert HOSTILE in image["alt"]


def test_the_live_view_is_an_output_of_its_own(outputs, monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "0")
    explorer = MatchingExplorer([sample()])
    explorer._ipython_display_()
    (picture, *_), (live, *_) = outputs
    assert VIEW not in picture
    assert set(live) == {VIEW, "text/plain"}
    assert explorer.hides in picture["text/html"]
    explorer.close()


def test_the_picture_follows_when_a_view_is_left(outputs, monkeypatch):
    monkeypatch.setenv("RECLF_STATIC", "0")
    explorer = MatchingExplorer([sample(0), sample(1)])
    for _ in range(2):  # displayed twice
        explorer._ipython_display_()
    first = outputs[0]
    explorer.case_index, explorer.word = 1, 2
    assert len(outputs) == 4  # nothing is drawn while somebody works
    explorer.left += 1
    ((data, _, display, update),) = outputs[4:]
    assert update
    assert display == first[2] == outputs[2][2]  # both are replaced
    assert "study-1" in data["text/plain"]
    assert "“effusion”" in data["text/plain"]
    assert data["image/png"] != first[0]["image/png"]
    explorer.close()


def test_a_view_that_was_never_displayed_stores_nothing(outputs):
    ImportanceView([sample()]).store()
    assert outputs == []
