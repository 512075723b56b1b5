"""Damage has a name: a damaged file is one error, or one warning, with its name and the way on."""

import json
import random
import re
import shutil
import warnings
from contextlib import nullcontext

import pytest
from tiny_training import STEPS, train, weights

from reclf.config.foreign_files import DamagedFile
from reclf.models.reclf import RECLF
from reclf.runs.checksums import check_files
from reclf.runs.metrics_log import MetricsLog
from reclf.runs.run import Run
from reclf.runs.sittings import OtherResult
from reclf.runs.training_patients import recorded_patients
from reclf.training.presets import phantom_small
from reclf.training.reader import left_out


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


def missing(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def flip(path, seed=0):
    """One bit."""
    content = bytearray(path.read_bytes())
    bit = random.Random(seed).randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


pytest_plugins = ["tiny_runs"]
KINDS = [cut, empty, missing, flip]


def of_version_0_3(folder):
    """Without what that version did not write."""
    for name in ("checksums.json", "progress.json", "run.json"):
        for path in folder.rglob(name):
            path.unlink()
    (folder / "checkpoints" / "best" / "trainer.pt").unlink()


@pytest.mark.parametrize("damage", KINDS)
def test_damage_anywhere_in_a_checkpoint_is_found(folder, damage):
    best = folder / "checkpoints" / "best"
    check_files(best)
    for path in sorted(best.rglob("*")):
        if path.is_dir() or path.name == "checksums.json":
            continue
        good = path.read_bytes()
        damage(path)
        with pytest.raises(DamagedFile) as found:
            check_files(best)
        assert f"{path} is damaged" in str(found.value)
        assert "-p checkpoint last" in str(found.value)
        path.write_bytes(good)
    check_files(best)


@pytest.mark.parametrize("name", ["checkpoints/best/checksums.json", "config.json",
                                  "environment.json", "results/a.json"])  # fmt: skip
@pytest.mark.parametrize("content", [b"", b'{"files": {"a"', b"[]", b"\xff\x00", b"\x00" * 30])
def test_damaged_json_is_named_with_the_way_on(folder, name, content):
    (folder / name).write_bytes(content)

    def read():
        run = Run(folder)
        assert run.status
        assert run.sittings
        run.result("a")
        RECLF.from_pretrained(run.checkpoint("best"))

    if name != "results/a.json":
        (folder / "results" / "a.json").write_text("{}")
    with pytest.raises(DamagedFile) as found:
        read()
    text = str(found.value)
    assert f"{folder / name} is damaged" in text
    assert "\n" not in text
    assert any(way in text for way in ("set it", "set its", "restore it", "run its notebook"))


def test_where_status_is_damaged_the_checkpoint_says_how_far_it_came(folder):
    path = folder / "status.json"
    path.write_bytes(path.read_bytes()[:20])
    assert (Run(folder).status["state"], Run(folder).status["step"]) == ("trained", STEPS)
    of_version_0_3(folder)
    with pytest.raises(DamagedFile, match=r"status\.json is damaged .*: set it aside"):
        print(Run(folder).status)


def test_a_bit_of_the_checksums_is_found(folder):
    last = folder / "checkpoints" / "last"
    good = (last / "checksums.json").read_bytes()
    for seed in range(20):
        flip(last / "checksums.json", seed)
        if (last / "checksums.json").read_bytes().split() != good.split():
            with pytest.raises(ValueError, match="checkpoints/last"):
                check_files(last)
        (last / "checksums.json").write_bytes(good)


@pytest.mark.parametrize("damage", KINDS)
def test_weights_and_trainer_without_checksums(folder, damage):
    """A bit of the weights goes unseen there, as before."""
    of_version_0_3(folder)
    last = folder / "checkpoints" / "last"
    if damage is not flip:
        damage(last / "model.safetensors")
        with pytest.raises((DamagedFile, FileNotFoundError), match=r"model\.safetensors"):
            RECLF.from_pretrained(last)
    shutil.copy(folder / "checkpoints" / "best" / "model.safetensors", last)
    if damage in (cut, empty):
        damage(last / "trainer.pt")
        with pytest.raises(DamagedFile, match=r"trainer\.pt is damaged .*-p checkpoint best"):
            train(folder, **{"train.max_steps": STEPS + 1})


def test_a_run_of_version_0_3_opens_and_goes_on(folder):
    of_version_0_3(folder)
    RECLF.from_pretrained(folder / "checkpoints" / "best")
    assert Run(folder).resumable() == folder / "checkpoints" / "last"
    assert train(folder, **{"train.max_steps": STEPS + 1}).status["step"] == STEPS + 1


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (flip, "model.safetensors"),
        (cut, "trainer.pt"),
        (missing, "config.json"),
        (missing, ""),
        (empty, "progress.json"),
    ],
)
def test_training_goes_on_from_best_and_says_so(stopped, finished, tmp_path, damage, name):
    """Stopped after four steps, with `last` damaged: best is of the third step, and the weights
    become those of six steps in one go, to the bit."""
    run = shutil.copytree(stopped, tmp_path / "run")
    damage(run / "checkpoints" / "last" / name)
    words = rf"last/{name} is damaged .*goes on from .*best"
    with pytest.warns(UserWarning, match=words) if name else nullcontext():
        train(run)
    for checkpoint in ("last", "best"):
        assert weights(run, checkpoint) == weights(finished, checkpoint)
    assert [r["step"] for r in Run(run).history() if "val_recall_at_1" in r] == [3, 6]


@pytest.mark.parametrize("damage", [flip, missing])
def test_a_damaged_best_is_written_anew_by_the_next_validation(stopped, tmp_path, damage):
    run = shutil.copytree(stopped, tmp_path / "run")
    name = "model.safetensors" if damage is flip else ""
    damage(run / "checkpoints" / "best" / name)
    with pytest.warns(UserWarning, match=rf"best/?{name} is damaged .*next validation writes"):
        train(run)
    RECLF.from_pretrained(run / "checkpoints" / "best")


def test_training_stops_where_no_checkpoint_is_whole(stopped, tmp_path):
    run = shutil.copytree(stopped, tmp_path / "run")
    for name in ("best", "last"):
        cut(run / "checkpoints" / name / "trainer.pt")
    before = sorted(run.rglob("*"))
    with pytest.raises(DamagedFile, match=r"last/trainer\.pt is damaged \(it has "):
        train(run)
    assert sorted(run.rglob("*")) == before
    # The model itself is whole, and can be evaluated.
    RECLF.from_pretrained(run / "checkpoints" / "best")


def test_two_damaged_checkpoints_are_named_and_none_is_advised(stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for name in ("last", "best"):
        flip(folder / "checkpoints" / name / "model.safetensors")
    with pytest.raises(DamagedFile) as error:
        train(folder)
    said = str(error.value)
    assert said.startswith(f"{folder / 'checkpoints/last/model.safetensors'} is damaged")
    assert f"; and {folder / 'checkpoints/best/model.safetensors'}: its bytes" in said
    assert said.endswith("restore one of them from a copy, or begin another run")


def test_missing_records_are_told_of(stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for name in ("environment.json", "metrics.jsonl"):
        (folder / name).unlink()
    with (
        pytest.warns(UserWarning, match="metrics.jsonl is missing: its lines to step 4 are gone"),
        pytest.warns(UserWarning, match="environment.json is missing: data, number"),
    ):
        train(folder)


def test_weights_may_be_read_by_whom_the_settings_may_be_read(folder):
    for path in (folder / "checkpoints").rglob("model.safetensors"):
        assert path.stat().st_mode == path.with_name("config.json").stat().st_mode


def test_a_damaged_line_of_the_metrics_is_lost_alone(folder):
    path = folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b'{"step": 2, "lo\0\0\n', b"[1]\n", *lines[2:], b'{"st']))
    log = MetricsLog(path)
    with pytest.warns(UserWarning, match=r"metrics\.jsonl, line [23] is damaged") as said:
        assert [r["step"] for r in log.read()] == [1, 3, 3, 4, 5, 6, 6]
    assert len(said) == 2
    with path.open("ab") as file:
        file.write(b'ep": 7}\n')
    assert log.read()[-1] == {"step": 7}  # said once


def test_damaged_lists_of_studies_and_patients_are_named(folder):
    assert left_out(folder) == []
    (folder / "left_out.txt").write_bytes(b"a.png: no image\nb\xff\xfe\n\0\0\nc.png: no image\n")
    with pytest.warns(UserWarning, match=r"left_out\.txt: lines \[2, 3\] are damaged"):
        assert left_out(folder) == ["a.png: no image", "c.png: no image"]
    for content in (b"", b"0123456789abcdef\n0123", b"\0" * 17):
        (folder / "training_patients.txt").write_bytes(content)
        with pytest.raises(DamagedFile, match=r"training_patients\.txt is damaged .*set it aside"):
            recorded_patients(folder)


def test_a_run_without_its_settings_is_no_new_run(folder):
    (folder / "config.json").unlink()
    for settings in (None, phantom_small()):
        with pytest.raises(
            DamagedFile, match=r"config\.json is damaged \(it is missing.*run\.json"
        ):
            Run(folder, settings)
    shutil.copy(folder / "checkpoints" / "last" / "run.json", folder / "config.json")
    assert Run(folder).status["state"] == "trained"


@pytest.mark.parametrize(("setting", "said"), [("seed", True), ("max_minutes", False)])
def test_settings_that_were_changed_by_hand_are_said_and_not_gone_on_with(folder, setting, said):
    values = json.loads((folder / "config.json").read_text())
    values["train"][setting] += 1
    (folder / "config.json").write_text(json.dumps(values))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = Run(folder)
    text = rf"config\.json differs from .*last/run\.json.*: train\.{setting} is 0 there and 1 here"
    assert [bool(re.search(text, str(w.message))) for w in caught] == [True] * said
    if said:
        with pytest.raises(OtherResult, match=text):
            run.check_sitting()
        path = folder / "environment.json"
        sittings = json.loads(path.read_text())
        sittings["sittings"][-1]["changed"] = [f"train.{setting} is 0 there and 1 here"]
        path.write_text(json.dumps(sittings))
    Run(folder).check_sitting()  # what a sitting took up, and has not saved yet
