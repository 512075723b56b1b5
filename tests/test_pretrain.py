"""The main job without its notebook: its command line, and the words of its tokenizer."""

import pytest

import reclf.pretrain
from reclf.datasets.phantom import Phantom
from reclf.datasets.phantom import dataset as phantom
from reclf.datasets.selection import open_splits
from reclf.pretrain import TOKENIZER_REPORTS, main, make_tokenizer, pretrain
from reclf.runs.run import Run
from reclf.tasks.overview import few_labeled
from reclf.training.presets import make_config

CONFIG = make_config(**{"data.vocab_size": 400})


class OnlyStudies:
    """A data set that offers nothing beside its studies, and remembers which were asked for."""

    def __init__(self, data, length):
        self.data, self.length, self.seen = data, length, []

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.seen.append(index)
        return self.data[index]


class Listed(OnlyStudies):
    @property
    def reports(self):
        return [self.data[index].report for index in range(self.length)]


def written(tokenizer):
    return tokenizer.backend_tokenizer.to_str()


def test_a_tokenizer_is_the_same_bit_for_bit_without_the_images(monkeypatch):
    data = Phantom(image_size=32, length=60)
    plain, listed = OnlyStudies(data, 60), Listed(data, 60)
    from_studies, from_a_list = make_tokenizer(CONFIG, plain), make_tokenizer(CONFIG, listed)
    assert (plain.seen, listed.seen) == (list(range(60)), [])
    monkeypatch.setattr(phantom, "render", None)  # whoever draws fails
    without_images = make_tokenizer(CONFIG, data)
    assert written(without_images) == written(from_studies) == written(from_a_list)
    assert written(make_tokenizer(CONFIG, Phantom(length=61))) != written(from_studies)


@pytest.mark.parametrize("hospital", ["A", "C"])
def test_reports_of_the_phantom_are_those_of_its_studies(hospital):
    data = Phantom(split="val", image_size=32, hospital=hospital)
    assert [data.report(i) for i in range(40)] == [data[i].report for i in range(40)]
    with pytest.raises(IndexError, match="index 500 is outside the 500 studies"):
        data.report(500)


def test_an_endless_data_set_gives_its_first_reports(monkeypatch):
    asked = []
    report = Phantom.report
    monkeypatch.setattr(Phantom, "report", lambda self, i: asked.append(i) or report(self, i))
    make_tokenizer(CONFIG, Phantom())
    assert asked == list(range(TOKENIZER_REPORTS))


@pytest.mark.parametrize("workers", [0, 1])
def test_workers_read_the_studies_that_are_validated_on(tmp_path, monkeypatch, workers):
    few = {"train.max_steps": 1, "train.batch_size": 4, "train.val_studies": 8}
    small = {"model.image_size": 32, "data.vocab_size": 400, "data.counterfactuals": {}}
    run = Run(tmp_path, make_config("phantom_small", **few, **small, **{"data.workers": workers}))
    monkeypatch.setattr(reclf.pretrain, "TOKENIZER_REPORTS", 40)
    train_set, val_set = Phantom(image_size=32, length=20), Phantom(split="val", image_size=32)
    validated = OnlyStudies(val_set, 30)
    pretrain(run, progress_bar=False, data={"train": train_set, "val": validated})
    read = [] if workers else [i * 30 // 8 for i in range(8)]
    assert validated.seen == read  # in this process
    assert "val_recall_at_5" in run.history()[-1]


def test_workers_read_the_labeled_studies_of_an_overview():
    plain, watched = (OnlyStudies(Phantom(image_size=32, length=300), 300) for _ in range(2))
    alone, read = few_labeled(plain, 5), few_labeled(watched, 5, workers=1)
    for mine, theirs in zip(alone, read, strict=True):
        assert [study.study_id for study in mine] == [study.study_id for study in theirs]
    assert (len(plain.seen), watched.seen) == (300, [])


def test_the_command_line_reads_dicts_as_json(tmp_path, monkeypatch):
    runs = []
    monkeypatch.setattr(
        reclf.pretrain, "pretrain", lambda run, progress_bar, data: runs.append((run, progress_bar))
    )
    given = ["--run-dir", str(tmp_path / "run"), "--set", "train.seed=7"]
    main([*given, "--set", "model.aggregator_options={}", "--set", "data.options.length=40"])
    ((run, shows_bar),) = runs
    assert shows_bar
    assert run.config.model.aggregator_options == {}
    assert run.config.data.options == {"length": 40}
    assert run.config.train.seed == 7


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.device=gpu", "train.device must be one of auto, cpu, cuda, got 'gpu'"),
        ("data.options.lenth=3", "data set 'phantom' has no option 'lenth'; did you mean 'length'"),
        ("data.val_split=vla", "data.val_split must be one of train, val, test, got 'vla'"),
        ("train.seed=1 train.seed=2", "train.seed is given twice, as '1' and as '2'"),
        ("model.text_tower.name=./nowhere", "set model.text_tower.name to that folder"),
        (
            "model.aggregator_options=steps=1",
            "model.aggregator_options must be dict, got 'steps=1'",
        ),
        ("train.pair_chunk=-1", "train.pair_chunk must not be negative, got -1"),
        ("train.pair_chunks=1", "did you mean 'train.pair_chunk'?"),
    ],
)
def test_a_wrong_setting_is_one_line_on_the_command_line(tmp_path, capsys, setting, message):
    with pytest.raises(SystemExit):
        main(["--run-dir", str(tmp_path / "run"), *(f"--set={s}" for s in setting.split())])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("data.root=FOLDER", "there is no table FOLDER/manifest.csv; set the root to"),
        ("data.root=FOLDER/none.csv", "there is no table FOLDER/none.csv/manifest.csv; set the"),
        ("data.root=FOLDER data.options.cache=disk", "cache must be one of ('memory', None), got"),
        ("data.root=FOLDER data.options.on_problem=x", "on_problem must be one of ('refuse', 's"),
    ],
)
def test_data_that_cannot_be_opened_are_one_line_on_the_command_line(
    tmp_path, capsys, settings, message
):
    run = ["--run-dir", str(tmp_path / "run"), "--preset", "table_small"]
    given = settings.replace("FOLDER", str(tmp_path)).split()
    with pytest.raises(SystemExit) as stopped:
        main([*run, *(f"--set={one}" for one in given)])
    said = capsys.readouterr().err
    assert (stopped.value.code, said.count("\n")) == (2, 1)
    assert message.replace("FOLDER", str(tmp_path)) in said


def test_too_few_studies_for_a_batch_are_one_line_and_the_folder_takes_another_size(
    tmp_path, capsys
):
    run = ["--run-dir", str(tmp_path / "run"), "--quiet", "--set=model.image_size=32"]
    few = ["--set=data.options.length=20", "--set=data.counterfactuals={}"]
    short = ["--set=train.max_steps=1", "--set=train.val_studies=4", "--set=data.vocab_size=400"]
    with pytest.raises(SystemExit) as stopped:
        main([*run, *few, *short])
    said = capsys.readouterr().err
    assert (stopped.value.code, said.count("\n")) == (2, 1)
    assert "set train.batch_size to 20 or less" in said
    main([*run, *few, *short, "--set=train.batch_size=10"])
    assert "is trained: 1 steps" in capsys.readouterr().out


def test_a_validation_on_what_is_trained_on_is_warned_of():
    config = make_config("phantom_small", **{"data.val_split": "train", "model.image_size": 32})
    with pytest.warns(UserWarning, match="chosen on studies that are trained on"):
        open_splits(config)
