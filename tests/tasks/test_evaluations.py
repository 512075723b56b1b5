"""Task evaluations as functions: what they say of data that a notebook test has not."""

from importlib import import_module
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from notebook_runs import NOTEBOOKS, untrained_run

from reclf.datasets import ms_cxr, rsna
from reclf.datasets.tiny import draw_chest, write_image, write_table
from reclf.stats.estimate import Estimate
from reclf.stats.tables import plain
from reclf.tasks import zero_shot as prompted
from reclf.tasks.evaluations import grounding, linear_probe, retrieval, segmentation, zero_shot
from reclf.tasks.features import held_out
from reclf.tasks.grounding import find_items
from reclf.tasks.linear_probe import first_part, ids_hash, stratified_order
from reclf.tasks.linear_probe import linear_probe as fit
from reclf.tasks.prompt_sets import POLARITIES, load_prompts
from reclf.tasks.scoreboard import table
from reclf.tasks.segmentation import dice_result, marking_all_or_nothing, place_prior

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
    check_protocol(evaluation, task_run)
    return evaluation, task_run.run.result(evaluation.write(task_run).stem)


LEAST = {
    "zero_shot": {"studies": 0, "sampled": 1},
    "linear_probe": {"train_studies": 0, "val_studies": 0, "studies": 0, "epochs": 1},
    "retrieval": {"studies": 0, "shortlist": 1, "k": 1, "score_all_up_to": 0},
    "segmentation": {
        "train_studies": 0, "val_studies": 0, "studies": 0, "steps": 1, "batch_size": 1,
        "learning_rate": 1e-9,
    },
    "grounding": {"studies": 0},
}  # fmt: skip
CHOICES = {
    "zero_shot": ("pooling", "score", "rule", "metric"),
    "linear_probe": (),
    "retrieval": ("metric", "index"),
    "segmentation": ("empty_masks",),
    "grounding": ("phrases", "heat", "metric"),
}


@pytest.mark.parametrize("task", sorted(LEAST))
def test_numbers_below_their_least_and_unknown_choices_are_refused_together(choose, task):
    module = import_module(f"reclf.tasks.evaluations.{task}")
    assert module.open_task(choose(task, **LEAST[task])).split == "test"
    below = {
        name: least * 0.5 if 0 < least < 1 else least - 1 for name, least in LEAST[task].items()
    }
    with pytest.raises(ValueError, match=r"must be") as refused:
        module.open_task(choose(task, **below | dict.fromkeys(CHOICES[task], "nosuch")))
    said = str(refused.value)
    for name, least in LEAST[task].items():
        assert f"{name} must be at least {least:g}, got {below[name]}" in said
    for name in CHOICES[task]:
        assert f"{name} must be one of " in said
    assert said.count(" must be ") == len(LEAST[task]) + len(CHOICES[task])


PROTOCOLS = {
    "zero_shot": "labels_without_prompts metric normalization pooling prompt_set prompts rule "
    "rule_for_accuracy sampled_prompts score studies transductive",
    "linear_probe": "head hyper_parameters label_fractions labels metric stratified studies "
    "train_split train_studies unlearnable_label val_studies",
    "retrieval": "index metric per_class relevance score shortlist studies ties",
    "segmentation": "batch_size classes decoder empty_mask_rule label_fractions learning_rate loss "
    "metric model_selection steps studies threshold train_split train_studies val_studies",
    "grounding": "bootstrap cnr heat interpolation metric miou phrases pooling score "
    "several_boxes shuffled studies",
}


def check_protocol(evaluation, task_run):
    """Every choice of the task is stated, beside what all tasks state."""
    shared = task_run.protocol([]).keys()
    own = evaluation.protocol.keys() - shared - {"epochs", "prompts_drawn"}
    assert own == {*PROTOCOLS[evaluation.task.replace("_fine_tuned", "")].split()}


@pytest.mark.parametrize("named", ["auto", "labels"])
def test_grounding_of_ms_cxr_looks_for_its_phrases_and_of_others_for_their_words(
    choose, tmp_path, named
):
    given = {"dataset": "ms_cxr", "data_root": str(ms_cxr.write_tiny(tmp_path)), "split": "train"}
    p = choose("grounding", **given, phrases=named)
    task_run = grounding.open_task(p)
    evaluation = grounding.evaluate(task_run, p)
    phrases = "report" if named == "auto" else "labels"
    assert evaluation.protocol["phrases"] == phrases
    items = find_items(task_run.studies(0), phrases)
    assert [i.text for i in evaluation.shown.items] == [i.text for i in items]
    check_protocol(evaluation, task_run)


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
    for name, control in written["controls"].items():
        assert control == plain(shown.found[name])
    controls = ["center of the image", "noise", "random, shuffled phrases"]
    assert sorted(written["controls"]) == [*controls, "trained, shuffled phrases"]
    assert written["chance"] == shown.found["noise"]["measures"]["miou"]["value"]
    assert shown.chance["pointing"] == written["area"]  # known exactly, as is a sign
    assert shown.chance["cnr_signed"] == 0.0
    assert written["untrained_baseline"] == plain(shown.found["untrained baseline"])
    assert written["value"] == shown.found["trained"]["measures"]["miou"]["value"]
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
    given = {"fractions": [0.6], "empty_masks": "one", "seed": 1}
    p = choose("segmentation", **FEW_STEPS | given, fine_tune=fine_tune)
    evaluation, written = evaluate(segmentation, p)
    shown = evaluation.shown
    assert evaluation.task == ("segmentation_fine_tuned" if fine_tune else "segmentation")
    assert written["protocol"]["encoder"] == ("fine-tuned" if fine_tune else "frozen")
    assert ("encoder: running statistics" in written["protocol"]["batch_norm"]) == fine_tune
    ids = [set(part.ids) for part in (shown.train, shown.val, shown.test)]
    assert [len(one) for one in ids] == [20, 6, 6]
    assert len(set.union(*ids)) == 32
    assert written["protocol"]["model_selection"] == (
        "the best Dice of 10 evaluations, on split 'val'"
    )
    assert written["steps"] in (1, 2, 3, 4)
    assert written["untrained_baseline"]["steps"] in (1, 2, 3, 4)
    # the reported numbers are those of the masks that are shown
    found = plain(dice_result(shown.predicted, shown.test, "one", seed=1))
    assert {name: written[name] for name in found if name != "per_study"} == {
        name: value for name, value in found.items() if name != "per_study"
    }
    np.testing.assert_array_equal(plain(shown.dice), found["per_study"])
    assert "per_study" not in written["untrained_baseline"]
    assert written["chance"] == marking_all_or_nothing(shown.test, "one")
    assert written["place_prior"] == place_prior(shown.train, shown.test, "one")
    order = stratified_order(shown.train.presence(), seed=1)
    assert [rows.tolist() for rows in shown.parts.values()] == [
        first_part(order, fraction).tolist() for fraction in p.fractions
    ]
    assert {f: given["n"] for f, given in written["protocol"]["label_fractions"].items()} == {
        "0.6": 12,
    }  # fmt: skip
    last = written["fractions"]["0.6"]
    assert last["trained"] == {name: written[name] for name in last["trained"]}
    assert last["random"] == written["untrained_baseline"]


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


@pytest.fixture
def quick(monkeypatch):
    """Mean scores in place of zero-shot's metrics, whose intervals take a second a way to pool."""

    def measure(logits, truth, pooling, score, rule, sampled, seed):
        value = float(logits.class_scores(pooling, score, rule, sampled, seed)[:, 0].mean())
        result = {"interval": None, "n": len(truth), "chance": 0.5, "per_class": {}}
        return {name: result | {"value": value + i} for i, name in enumerate(prompted.METRICS)}

    monkeypatch.setattr(zero_shot, "measure", measure)
    return measure


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        (
            ["edema", "consolidation", "nodule"],
            {"pooling": "max_z", "score": "global", "metric": "accuracy", "rule": "positive"},
        ),
        (["edema"], {"metric": "macro_f1"}),
        (["nodule", "edema"], {"pooling": "max"}),
    ],
)
def test_zero_shot_reports_the_way_that_was_asked_for_beside_all_others(
    choose, quick, labels, given
):
    p = choose("zero_shot", labels=labels, studies=20, sampled=3, seed=2, **given)
    evaluation, written = evaluate(zero_shot, p)
    protocol, shown = written["protocol"], evaluation.shown
    task_run = zero_shot.open_task(p)
    prompts, source = load_prompts("phantom", labels, 3, 2)
    assert (shown.prompts, shown.source, shown.without) == (prompts, source, [])
    logits, truth, ids = prompted.score_studies(task_run.models, task_run.studies(20), prompts)
    assert len(ids) == 20
    np.testing.assert_array_equal(shown.labels, truth)

    def found(who, pooling, score):
        return quick(logits[who], truth, pooling, score, p.rule, 3, 2)

    mine, other = (found(who, p.pooling, p.score) for who in ("trained", "random"))
    assert mine != other
    assert {name: written[name] for name in mine[p.metric]} == mine[p.metric]
    assert written["untrained_baseline"] == other[p.metric]
    assert (written["metrics"], written["metrics_untrained_baseline"]) == (mine, other)
    ways = [(pool, score) for pool in prompted.POOLINGS for score in prompted.SCORES]
    assert [(row["pooling"], row["score"]) for row in written["all"]] == ways
    for row, way in zip(written["all"], ways, strict=True):
        assert row["auroc"] == str(Estimate.of(found("trained", *way)["auroc"]))
        assert row["AUROC, untrained baseline"] == str(Estimate.of(found("random", *way)["auroc"]))
    transductive = p.pooling == "max_z"
    assert protocol["transductive"] is transductive
    assert protocol["normalization"] == ("z over the test set" if transductive else "none")
    assert protocol["rule_for_accuracy"] == (
        "positive prompts, exclusive choice" if len(labels) > 1 else "difference"
    )
    assert ("prompts_drawn" in protocol) == p.pooling.startswith("max")
    for name, of_class in protocol.get("prompts_drawn", {}).items():
        for polarity in POLARITIES:
            assert len(of_class[polarity]) == 3
            assert set(of_class[polarity]) <= set(prompts[name][polarity])
    for name, value in (("studies", 20), ("prompt_set", source), ("sampled_prompts", 3)):
        assert protocol[name] == value


def test_zero_shot_of_labels_without_prompts_names_them(choose, quick, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"classes": {"edema": {"positive": ["Edema."], "negative": ["Clear."]}}}')
    evaluation, written = evaluate(zero_shot, choose("zero_shot", prompts=str(path), studies=10))
    lacking = written["protocol"]["labels_without_prompts"]
    assert lacking == evaluation.shown.without == sorted(lacking)
    assert "nodule" in lacking
    assert "edema" not in lacking
    assert list(written["protocol"]["prompts"]) == ["edema"]
    with pytest.raises(ValueError, match="no prompts for nodule in"):
        zero_shot.open_task(choose("zero_shot", prompts=str(path), labels=["nodule"]))
    with pytest.raises(ValueError, match=r"no prompts for fracture in .*phantom"):
        zero_shot.open_task(choose("zero_shot", labels=["fracture"]))


@pytest.mark.parametrize("val_split", ["val", "test"])
def test_a_probe_of_each_fraction_is_fitted_on_its_studies(choose, val_split):
    names = ["edema", "nodule"]
    p = choose(
        "linear_probe", labels=names, fractions=[0.5, 1.0], train_studies=25, val_studies=20,
        studies=30, val_split=val_split, seed=1,
    )  # fmt: skip
    evaluation, written = evaluate(linear_probe, p)
    protocol, shown = written["protocol"], evaluation.shown
    task_run = linear_probe.open_task(p)
    train, test = task_run.pooled(25, "train"), task_run.pooled(30)
    if val_split == "test":
        held = held_out(train.patients)
        train, val = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
        assert protocol["hyper_parameters"].startswith("chosen on a fifth of the patients of 'tr")
    else:
        val = task_run.pooled(20, "val")
        assert protocol["hyper_parameters"] == "chosen on split 'val'"
    assert shown.sizes == [len(train.ids), len(val.ids), 30]
    assert [protocol["train_studies"], protocol["val_studies"], protocol["studies"]] == shown.sizes
    labels = train.columns(names)
    order = stratified_order(labels, seed=1)
    for fraction in (0.5, 1.0):
        rows = first_part(order, fraction)
        assert shown.positives[fraction].tolist() == labels[rows].sum(0).tolist()
        assert protocol["label_fractions"][str(fraction)] == {
            "n": len(rows), "hash": ids_hash(train.ids, rows),
        }  # fmt: skip
        for who in ("trained", "random"):
            parts = [(part.features[who], part.columns(names)) for part in (train, val, test)]
            parts[0] = parts[0][0][rows], parts[0][1][rows]
            expected = plain(fit(*parts, names, False, seed=1))
            assert written["fractions"][str(fraction)][who] == expected
    assert {name: written[name] for name in expected} == written["fractions"]["1.0"]["trained"]
    assert written["untrained_baseline"] == written["fractions"]["1.0"]["random"]
    assert (protocol["metric"], protocol["encoder"]) == (
        "macro AUROC, NaN labels left out",
        "frozen",
    )
    assert "recipe" not in protocol
    assert "epochs" not in protocol


@pytest.mark.parametrize("val_split", ["val", "test"])
def test_fine_tuning_reads_the_studies_of_each_fraction_when_they_are_needed(
    choose, monkeypatch, val_split
):
    calls = []

    def tune(model, some, others, report, names, **given):
        calls.append((model, [[s.study_id for s in part] for part in (some, others, report)]))
        assert names == ["nodule", "edema"]
        assert {**given, "progress": ""} == {
            "exclusive": False, "epochs": 3, "seed": 2, "workers": 0, "progress": "",
        }  # fmt: skip
        return {"value": len(calls) / 10, "interval": None, "n": 9, "chance": 0.5, "per_class": {}}

    monkeypatch.setattr(linear_probe, "fine_tune", tune)
    p = choose(
        "linear_probe", fine_tune=True, labels=["nodule", "edema"], fractions=[0.3, 1.0], epochs=3,
        train_studies=20, val_studies=8, studies=9, val_split=val_split, seed=2,
    )  # fmt: skip
    task_run = linear_probe.open_task(p)
    evaluation = linear_probe.evaluate(task_run, p)
    assert evaluation.task == "fine_tune"
    train, test = task_run.pooled(20, "train"), task_run.pooled(9)
    val = task_run.pooled(8, "val")
    if val_split == "test":
        held = held_out(train.patients)
        train, val = train.take(np.flatnonzero(~held)), train.take(np.flatnonzero(held))
    order = stratified_order(train.columns(["nodule", "edema"]), seed=2)
    for (model, ids), (fraction, who) in zip(
        calls, [(f, who) for f in (0.3, 1.0) for who in ("trained", "random")], strict=True
    ):
        assert model is task_run.models[who]
        few = [train.ids[i] for i in first_part(order, fraction)]
        assert ids == [few, list(val.ids), list(test.ids)]
    assert (evaluation.result["value"], evaluation.result["untrained_baseline"]["value"]) == (
        0.3,
        0.4,
    )
    protocol = evaluation.protocol
    assert (protocol["encoder"], protocol["epochs"]) == ("fine-tuned", 3)
    assert protocol["batch_norm"] == "train mode while fine-tuning"
