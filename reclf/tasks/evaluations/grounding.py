"""Phrase grounding by a run and its untrained baseline: see `reclf.tasks.grounding`."""

from types import SimpleNamespace

from reclf.runs.notebook import check_parameters
from reclf.tasks.grounding import (
    HEATS,
    MEASURES,
    PHRASES,
    center_maps,
    find_items,
    grounding_result,
    heat_maps,
    noise_maps,
    shuffled,
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

    Returns:
        shown: items (n); maps, name -> float32 (n, H, W); found, name -> result; chance by measure.
    """
    phrases = "report" if p.phrases == "auto" and task_run.loader == "ms_cxr" else p.phrases
    items = find_items(task_run.studies(p.studies), phrases)
    others = shuffled(items, p.seed)
    model, untrained = task_run.model, task_run.models["random"]
    maps = {
        "trained": heat_maps(model, items, heat=p.heat, progress="maps, trained"),
        "trained, shuffled phrases": heat_maps(model, items, others, p.heat, progress="shuffled"),
        "untrained baseline": heat_maps(untrained, items, heat=p.heat, progress="maps, random"),
        "random, shuffled phrases": heat_maps(
            untrained, items, others, p.heat, progress="shuffled, random"
        ),
        "center of the image": center_maps(items),
        "noise": noise_maps(model, items, p.seed),
    }
    found = {name: grounding_result(items, heat, p.metric, p.seed) for name, heat in maps.items()}
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
        shuffled="each phrase from another study, one permutation by the seed",
        bootstrap="over studies",
    )
    controls = {
        name: found[name] for name in found if name not in ("trained", "untrained baseline")
    }
    result = {
        **found["trained"],
        "untrained_baseline": found["untrained baseline"],
        "chance": chance[p.metric],
        "controls": controls,
    }
    shown = SimpleNamespace(items=items, maps=maps, found=found, chance=chance)
    return Evaluation("grounding", result, protocol, shown)
