"""Phrase grounding by a run and its untrained baseline: see `reclf.tasks.grounding`."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from reclf.runs.notebook import check_parameters
from reclf.stats.per_study import StudyRatio
from reclf.tasks.grounding import (
    HEATS,
    MEASURES,
    PHRASES,
    center_maps,
    find_items,
    grounding_result,
    heat_maps,
    is_of_another_label,
    measure,
    noise_maps,
    other_phrases,
    study_numbers,
)
from reclf.tasks.task_run import TaskRun

from . import Evaluation


def open_task(p: SimpleNamespace) -> TaskRun:
    """Check the parameters of grounding.ipynb and open the run.

    Raises:
        ValueError: a choice that does not exist.
    """
    check_parameters(p, phrases=PHRASES, heat=HEATS, metric=MEASURES, studies=0)
    return TaskRun.open(p)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Maps of all phrases by both models, and of the controls.

    The controls with another phrase are over the items that have one (`other_phrase.n` of them),
    and None where no item has: the data set then has one phrase.

    Returns:
        shown: items (n); maps, name -> float32 (items, H, W); found, name -> result; chance by
            measure.
    """
    phrases = "report" if p.phrases == "auto" and task_run.loader == "ms_cxr" else p.phrases
    items = find_items(task_run.studies(p.studies), phrases)
    others = [(i, other) for i, other in enumerate(other_phrases(items, p.seed)) if other]
    rows = [i for i, _ in others]
    seen, spoken = [items[i] for i in rows], [other for _, other in others]
    maps: dict[str, np.ndarray] = {}
    found: dict[str, Any] = {}
    for who, name in (("trained", "trained"), ("random", "untrained baseline")):
        model, shuffled = task_run.models[who], f"{who}, shuffled phrases"
        maps[name] = heat_maps(model, items, heat=p.heat, progress=f"maps, {who}")
        found[name] = grounding_result(items, maps[name], p.metric, p.seed)
        found[shuffled] = None
        if others:
            maps[shuffled] = heat_maps(model, seen, spoken, p.heat, progress=shuffled)
            found[shuffled] = grounding_result(seen, maps[shuffled], p.metric, p.seed)
    maps["center of the image"] = center_maps(items)
    maps["noise"] = noise_maps(task_run.model, items, p.seed)
    for name in ("center of the image", "noise"):
        found[name] = grounding_result(items, maps[name], p.metric, p.seed)
    chance = {name: found["noise"]["measures"][name]["value"] for name in MEASURES}
    chance |= {"pointing": found["trained"]["area"], "cnr_signed": 0.0}  # which are known exactly
    protocol = task_run.protocol(
        sorted({item.study.study_id for item in items}),
        studies=p.studies,
        metric=p.metric,
        phrases=phrases,
        heat=p.heat,
        pooling="mean of the maps of the phrase's words",
        interpolation="linear between the pixels that regions are centered on",
        score="word-region logits over the attention scale" if p.heat == "score" else "attention",
        miou="thresholds 0.1 to 0.5, each map scaled to 0-1 by its own minimum and maximum",
        cnr="absolute, and signed",
        several_boxes="union of the boxes of one label",
        shuffled="another phrase of another study, of no label of the study where there is one; "
        "drawn by the seed",
        bootstrap="over studies",
    )
    controls = {
        name: found[name] for name in found if name not in ("trained", "untrained baseline")
    }
    other_phrase: dict[str, Any] = {
        "n": len(others),
        "n_of_another_label": sum(map(is_of_another_label, seen, spoken)),
        "trained_minus_other": None,
    }
    if others:  # paired, in the metric
        mine, theirs = maps["trained"][rows], maps["trained, shuffled phrases"]
        gains = measure(seen, mine)[p.metric] - measure(seen, theirs)[p.metric]
        gain = StudyRatio.by_study(gains, study_numbers(seen))
        other_phrase["trained_minus_other"] = gain.result(p.seed)
    result = {
        **found["trained"],
        "untrained_baseline": found["untrained baseline"],
        "chance": chance[p.metric],
        "controls": controls,
        "other_phrase": other_phrase,
    }
    shown = SimpleNamespace(items=items, maps=maps, found=found, chance=chance)
    return Evaluation("grounding", result, protocol, shown)
