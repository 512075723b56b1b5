"""Studies that only decoding shows to be damaged, and runs that go on with another budget."""

import pytest
import torch
from squares import Squares, comparable, run_training, start

from reclf.config import override
from reclf.data.collate import Pairs
from reclf.data.image_files import ImageError
from reclf.runs.run import Run
from reclf.training.loop import train
from reclf.training.reader import left_out

BAD = (3, 4, 11)


class Damaged(Squares):
    """Some studies cannot be decoded."""

    def __init__(self, on_problem, bad=BAD):
        self.on_problem, self.bad = on_problem, bad

    def __getitem__(self, index):
        if index in self.bad:
            raise ImageError(f"cannot read film {index}.png: half of it is missing")
        return super().__getitem__(index)


@pytest.fixture
def val():
    return [Squares()[i] for i in range(6)]


def train_with(folder, config, studies, val):
    run = Run(folder, config)
    return run, train(start(run, Squares()), run, studies, val, progress_bar=False)


def test_a_batch_stays_full_and_says_what_is_left_out():
    pairs = Pairs(Damaged("skip")).__getitems__([2, 3, 4, 5])
    good = Squares()
    # 3 and 4 become the next ones that are whole and not in the batch
    for pair, index in zip(pairs, [2, 6, 7, 5], strict=True):
        assert (pair.image == good[index].image).all()
        assert pair.report == good[index].report
    assert [bool(pair.instead_of) for pair in pairs] == [False, True, True, False]
    assert "film 3.png" in pairs[1].instead_of
    assert "film 4.png" in pairs[2].instead_of


def test_where_nothing_can_be_read_that_is_said():
    with pytest.raises(ImageError, match=r"film 1\.png.*no other study"):
        Pairs(Damaged("skip", range(20))).__getitems__([1, 2])


@pytest.mark.parametrize("workers", [0, 2])
def test_skip_goes_on_and_counts(tmp_path, config, val, workers):
    config = override(config, {"data.workers": workers})
    with pytest.warns(UserWarning, match=r"left out of the training: .*film"):
        run, _ = train_with(tmp_path, config, Damaged("skip"), val)
    assert run.status["state"] == "trained"
    assert run.status["left_out"] == len(BAD)
    reasons = (tmp_path / "left_out.txt").read_text()
    (tmp_path / "left_out.txt").write_text(reasons * 2)  # as a second process would
    assert sorted(left_out(tmp_path)) == sorted(
        f"cannot read film {index}.png: half of it is missing" for index in BAD
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_refuse_saves_and_the_mended_run_equals_an_uninterrupted_one(
    tmp_path,
    config,
    val,
    workers,
):
    config = override(config, {"data.workers": workers})
    whole, _ = train_with(tmp_path / "whole", config, Squares(), val)
    with pytest.raises(ImageError) as stopped:
        train_with(tmp_path / "stopped", config, Damaged("refuse"), val)
    message = str(stopped.value)
    assert message.startswith("cannot read film ")
    assert "on_problem skip" in message
    assert "Traceback" not in message
    run = Run(tmp_path / "stopped")
    assert run.status["state"] == "failed"
    assert (run.checkpoint("last") / "trainer.pt").exists()
    again, _ = train_with(tmp_path / "stopped", config, Squares(), val)
    weights = [
        torch.load(r.checkpoint("last") / "trainer.pt", weights_only=True)["optimizer"]
        for r in (whole, again)
    ]
    for one, other in zip(*(w["state"].values() for w in weights), strict=True):
        assert torch.equal(one["exp_avg"], other["exp_avg"])


@pytest.mark.parametrize("version", ["now", "0.2.0"])
def test_a_finished_run_goes_on_with_more_steps(tmp_path, config, version):
    run_training(tmp_path, config, Squares())
    if version == "0.2.0":
        path = tmp_path / "checkpoints/last/trainer.pt"
        state = torch.load(path, weights_only=True)
        del state["budget"]
        torch.save(state, path)
    longer = override(config, {"train.max_steps": 12})
    with pytest.warns(UserWarning, match=r"step 8 of 12 .*planned for 8.* from 1\.00 to 0\.67"):
        run, _ = run_training(tmp_path, longer, Squares())
    assert run.status["step"] == 12
    rates = {r["step"]: r["learning_rate"] for r in run.history() if "learning_rate" in r}
    assert rates[12] < 3e-3 / 2
    steps = [record["step"] for record in comparable(run)]
    assert steps == sorted(steps)
    assert steps[-1] == 12
