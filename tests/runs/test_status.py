"""The state of a run whose process could not write it: it follows from the disk."""

import pytest

from reclf.runs.status import is_complete, true_status

HALF = {"step": 5, "total_steps": 10, "out_of_time": False, "seconds": 2.0}
WHOLE = {**HALF, "step": 10}
LATE = {**HALF, "out_of_time": True}
START = {"step": 0, "total_steps": 10, "out_of_time": False, "seconds": 0.0}


@pytest.mark.parametrize(
    ("progress", "complete"),
    [({}, False), (START, False), (HALF, False), (WHOLE, True), (LATE, True),
     ({"step": 3, "total_steps": 0}, False), ({"step": 12, "total_steps": 10}, True)],
)  # fmt: skip
def test_what_is_complete(progress, complete):
    assert is_complete(progress) == complete


@pytest.mark.parametrize(
    ("said", "progress", "held", "state", "step"),
    [
        ({}, {}, False, "new", None),
        ({"state": "running", **START}, HALF, True, "running", 5),  # has saved since
        ({"state": "running", **START}, HALF, False, "interrupted", 5),  # killed
        ({"state": "running", **START}, {}, False, "interrupted", 0),  # before anything was saved
        ({"state": "running", **START}, WHOLE, False, "trained", 10),  # before it said so
        ({"state": "interrupted", **WHOLE}, WHOLE, False, "trained", 10),  # in the last step
        ({"state": "interrupted", **HALF}, HALF, False, "interrupted", 5),
        ({"state": "failed", "error": "e", **HALF}, HALF, False, "failed", 5),
        ({"state": "failed", "error": "e", **HALF}, WHOLE, False, "trained", 10),
        ({}, HALF, False, "interrupted", 5),  # status.json is lost
        ({}, WHOLE, False, "trained", 10),
        ({"state": "trained", **WHOLE}, WHOLE, False, "trained", 10),
        ({"state": "done", **WHOLE}, HALF, True, "done", 10),
        # A sitting with more steps was killed before it saved.
        ({"state": "running", **WHOLE, "total_steps": 20}, WHOLE, False, "interrupted", 10),
        ({"state": "failed", "error": "e"}, {}, False, "failed", None),  # of its data, say
    ],
)
def test_the_state_follows_from_the_disk(said, progress, held, state, step):
    status = true_status(said, progress, held)
    assert (status["state"], status.get("step")) == (state, step)
    assert ("error" in status) == (state == "failed")
