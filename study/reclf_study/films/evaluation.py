"""What notebooks/study/films.ipynb computes, as functions.

parameters --open_task--> TaskRun --draw--> FilmData --evaluate--> results/films-<data>.json
"""

from dataclasses import replace
from types import SimpleNamespace

from reclf.data.lexicon import load_lexicon
from reclf.models.baselines import start_of
from reclf.runs.notebook import check_parameters, resolve
from reclf.tasks.evaluations import Evaluation
from reclf.tasks.grounding import find_items
from reclf.tasks.task_run import TaskRun

from .ceilings import POSITIVES
from .film_benchmark import FilmData, film_result, measure_films
from .pointing import OTHERS


def open_task(p: SimpleNamespace) -> TaskRun:
    """Check the parameters of films.ipynb and open the run.

    Raises:
        ValueError: a choice that does not exist.
        FileNotFoundError: no such lexicon.
    """
    check_parameters(p, studies=0, train_studies=0)
    load_lexicon(p.lexicon)
    return TaskRun.open(p, p.train_split)


def draw(task_run: TaskRun, p: SimpleNamespace) -> FilmData:
    """Read the films, their reports and the boxes."""
    boxes = []
    if p.boxes_root:
        other = replace(
            task_run, dataset="table", root=str(resolve(p.boxes_root)), options=p.boxes_options,
            split=p.boxes_split, opened={},
        )  # fmt: skip
        boxes = find_items(other.studies(), "labels")
    return FilmData.draw(
        task_run,
        load_lexicon(p.lexicon),
        p.studies,
        p.train_studies,
        p.train_split,
        p.codes,
        boxes,
    )


def evaluate(task_run: TaskRun, data: FilmData, p: SimpleNamespace) -> Evaluation:
    """Measure the run, and its untrained baseline where that is asked for: without ceilings."""
    model = task_run.model
    try:
        start = start_of(model, task_run.run)
    except OSError as error:  # a pretrained tower that is not at hand any more, or of version 0.5.0
        start = None
        print(f"How far the modules moved is not known: {error}")
    found = measure_films(model, data, start, p.ceilings, p.seed, "trained")
    untrained = {}
    if p.untrained:
        random = task_run.models["random"]
        untrained = measure_films(random, data, None, False, p.seed, "untrained")
    result = film_result(found, untrained, p.seed)
    swaps = {}
    for fact, reasons in data.shown.refused.items():
        read = result.get(f"{fact}_swap", {"n": 0})["n"]
        unread = reasons.get("", 0) - read
        swaps[fact] = {"asked": read, "behind the words that the model reads": unread}
        swaps[fact] |= {reason: n for reason, n in reasons.items() if reason}
    protocol = task_run.protocol(
        [study.study_id for study in data.studies],
        studies=p.studies,
        studies_without_report=data.left_out,
        train_split=p.train_split,
        train_studies=len(data.train_studies),
        lexicon={"name": data.lexicon.source, "digest": data.lexicon.digest},
        codes=p.codes or "none: swaps are checked by words alone",
        swaps=swaps,
        conditional="share of the other images, those with the same report left out, whose "
        "score(report) - score(swap) is below that of the own image; ties half; mean over studies",
        other_finding="of those, images whose report states findings, and none that is swapped",
        relevance="label sets, the own partner counts, and does not in ..._others",
        scores="combined = global weight * global logit + local logit",
        idf=f"ln((1 + n) / (1 + d)) over {data.frequency.reports} reports of {p.train_split!r}",
        ceilings="logistic regression on means of regions, strength chosen on a fifth of the "
        "training patients by hash; side on left and right halves, zone on upper and lower ones",
        probe_labels=f"those with {POSITIVES} or more studies reported on",
        boxes={"items": len(data.boxes), "other_phrases": OTHERS, "split": p.boxes_split}
        if data.boxes
        else None,
        metric=result["metric"],
    )
    return Evaluation("films", result, protocol, SimpleNamespace(found=found, untrained=untrained))
