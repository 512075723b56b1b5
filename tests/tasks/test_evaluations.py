"""Task evaluations as functions: what they say of data that a notebook test has not."""

from types import SimpleNamespace

import nbformat
import pytest
from notebook_runs import NOTEBOOKS, untrained_run

from reclf.datasets import rsna
from reclf.datasets.tiny import draw_chest, write_image, write_table
from reclf.stats.estimate import Estimate
from reclf.tasks.evaluations import grounding, retrieval, segmentation
from reclf.tasks.scoreboard import table

SETTINGS = {"model.image_size": 64, "data.options": {"length": 30}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "first", SETTINGS)


@pytest.fixture
def choose(run):
    """The parameters of a task's notebook with some given."""

    def choose(task, **given):
        notebook = nbformat.read(NOTEBOOKS / f"{task}.ipynb", as_version=4)
        names = {}
        exec(next(cell.source for cell in notebook.cells if cell.cell_type == "code"), names)
        names = {name: names[name] for name in names["__annotations__"]}
        return SimpleNamespace(**names | {"run": str(run.folder), "device": "cpu"} | given)

    return choose


def evaluate(module, p):
    task_run = module.open_task(p)
    evaluation = module.evaluate(task_run, p)
    return evaluation, task_run.run.result(evaluation.write(task_run).stem)


def test_grounding_with_one_phrase_has_no_control_by_another(choose, tmp_path):
    root = str(rsna.write_tiny(tmp_path))
    p = choose("grounding", dataset="rsna", data_root=root, split="train")
    evaluation, written = evaluate(grounding, p)
    assert len({item.phrase for item in evaluation.shown.items}) == 1
    assert len(evaluation.shown.items) > 1
    for who in ("trained", "random"):
        assert written["controls"][f"{who}, shuffled phrases"] is None
    assert written["other_phrase"] == {
        "n": 0, "n_of_another_label": 0, "trained_minus_other": None,
    }  # fmt: skip
    (line,) = (x for x in table({"grounding-rsna": written}).splitlines() if "another phrase" in x)
    assert "| not applicable |" in line


def test_grounding_by_another_phrase_is_paired_with_the_phrase_itself(choose):
    evaluation, written = evaluate(grounding, choose("grounding", studies=12, metric="miou"))
    other, shown = written["other_phrase"], evaluation.shown
    assert other["n"] == other["n_of_another_label"] == len(shown.items) > 10
    mine, theirs = written["value"], written["controls"]["trained, shuffled phrases"]["value"]
    gain = Estimate.of(other["trained_minus_other"])
    assert gain.value == pytest.approx(mine - theirs)
    assert gain.low < gain.value < gain.high
    assert gain.n == written["n_studies"]
    assert "another phrase" in table({"grounding-phantom": written})


def test_retrieval_by_class_is_what_is_reported_if_it_is_asked_for(choose):
    p = choose("retrieval", studies=20, shortlist=7, metric="precision", k=3)
    _, written = evaluate(retrieval, p)
    assert written["protocol"]["metric"] == "precision@3 by class, mean of both directions"
    tables = written["precision"]
    scores = [
        f"{who}, {score}" for who in ("trained", "random") for score in ("global", "shortlist")
    ]
    assert tables.keys() == {*scores, "trained, all pairs"}
    assert tables["trained, shortlist"]["n_per_class"]["none of the labels"] > 0
    entry = tables["trained, shortlist"]["precision_at_3"]
    assert {name: written[name] for name in entry} == entry
    assert written["n"] == tables["trained, shortlist"]["n"] == 20
    untrained = tables["random, shortlist"]["precision_at_3"]
    assert written["untrained_baseline"] == untrained | {"n": 20}
    assert entry["per_class"].keys() == tables["trained, shortlist"]["n_per_class"].keys()
    lines = table({"retrieval-phantom": written}).splitlines()[2:]
    assert [line.split("|")[1].strip() for line in lines] == [
        *(f"retrieval, precision@{k} by class, shortlist re-ranked by relations"
          for k in (1, 3, 5, 10)),
        "retrieval, precision@3 by class, global score alone",
    ]  # fmt: skip
    for line in lines:
        assert f"{entry['chance']:.3f}"[1:] in line


def test_precision_by_class_needs_labels(choose, tmp_path):
    (tmp_path / "images").mkdir()
    rows = []
    for i in range(4):
        write_image(tmp_path / f"images/{i}.png", draw_chest(i))
        rows.append((f"images/{i}.png", f"Report {i} of a chest."))
    write_table(tmp_path / "manifest.csv", "image,report", rows)
    p = choose(
        "retrieval", dataset="table", data_root=str(tmp_path), split="train", k=1,
        metric="precision", options={"split_column": None, "patient_column": None},
    )  # fmt: skip
    with pytest.raises(
        ValueError,
        match=r"precision@1 by class needs 1 studies .* and 0 of the 4",
    ):
        retrieval.evaluate(retrieval.open_task(p), p)


FEW_STEPS = {"steps": 4, "fractions": [1.0], "train_studies": 20, "val_studies": 6, "studies": 6}


@pytest.mark.parametrize("fine_tune", [False, True])
def test_segmentation_chooses_its_steps_on_validation(choose, fine_tune):
    evaluation, written = evaluate(
        segmentation, choose("segmentation", **FEW_STEPS, fine_tune=fine_tune)
    )
    shown = evaluation.shown
    ids = [set(part.ids) for part in (shown.train, shown.val, shown.test)]
    assert [len(one) for one in ids] == [20, 6, 6]
    assert len(set.union(*ids)) == 32
    assert written["protocol"]["model_selection"] == (
        "the best Dice of 10 evaluations, on split 'val'"
    )
    assert written["steps"] in (1, 2, 3, 4)
    assert written["untrained_baseline"]["steps"] in (1, 2, 3, 4)


@pytest.mark.parametrize("val_split", ["test", "train"])
def test_neither_the_reported_nor_the_learned_studies_choose_the_steps(choose, val_split):
    p = choose("segmentation", **FEW_STEPS, val_split=val_split)
    evaluation, written = evaluate(segmentation, p)
    shown = evaluation.shown
    ids = [set(part.ids) for part in (shown.train, shown.val, shown.test)]
    assert len(ids[0]) + len(ids[1]) == 20
    assert ids[1]
    assert not ids[1] & (ids[0] | ids[2])
    assert written["protocol"]["model_selection"].endswith(
        "a fifth of the patients of 'train', by hash"
    )


def test_studies_that_show_nothing_choose_no_steps(choose):
    p = choose("segmentation", **FEW_STEPS | {"val_studies": 1, "classes": ["cardiomegaly"]})
    task_run = segmentation.open_task(p)
    bare = next(i for i in range(30) if "cardiomegaly" not in task_run.open_split("val")[i].masks)
    task_run.subset = lambda data, n=0: [data[bare]] if n == 1 else [data[i] for i in range(n)]
    with pytest.raises(ValueError, match="none of 1 studies of split 'val' shows cardiomegaly"):
        segmentation.evaluate(task_run, p)
