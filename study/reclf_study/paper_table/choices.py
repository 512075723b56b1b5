"""The choices of a protocol by one vocabulary, for published numbers and for results of ours.

result file --choices_of--> {"test_studies": 4003, "classifier": "logistic regression", ...}
"""

from collections.abc import Callable, Mapping
from typing import Any

_PUBLISHED_NAMES = {"mimic_cxr": "MIMIC-CXR"}  # data sets as sources call them
_PROBES = ("linear_probe", "fine_tune")
TASKS = (*_PROBES, "segmentation", "zero_shot", "retrieval", "grounding")
# Choice -> its name for people, and the tasks in which it always counts; in others it counts where
# a published number mentions it.
CHOICES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pretraining": ("pre-training data", TASKS),
    "release": ("release of the data", ()),
    "test_split": ("test split", ()),
    "test_studies": ("test studies", (*_PROBES, "segmentation", "zero_shot")),
    "negatives": ("negatives", ()),
    "image_size": ("image size", TASKS),
    "encoder": ("encoder", (*_PROBES, "segmentation")),
    "classifier": ("classifier", _PROBES),
    "batch_norm": ("BatchNorm", _PROBES),
    "decoder": ("decoder", ("segmentation",)),
    "training": ("training", ("fine_tune", "segmentation")),
    "background": ("background class", ("segmentation",)),
    "empty_masks": ("empty masks", ("segmentation",)),
    "prompts": ("prompts", ("zero_shot",)),
    "pooling": ("pooling of prompts", ("zero_shot",)),
    "normalization": ("normalization of scores", ("zero_shot",)),
    "decision": ("decision", ()),
    "relevance": ("relevance", ("retrieval",)),
    "candidates": ("candidates", ("retrieval",)),
    "direction": ("direction", ("retrieval",)),
    "phrases": ("phrases", ("grounding",)),
    "map": ("map", ("grounding",)),
}


def choices_of(task: str, result: Mapping[str, Any], measure: str = "") -> dict[str, Any]:
    """The choices of a result of ours by the names of CHOICES. Those that it does not state are
    left out.

    Args:
        task: as in the name of the result file; a fine-tuned segmentation is a segmentation, whose
            encoder is a choice.
        result: content of the file, see `reclf.tasks.results.read_result`.
        measure: of the result, where a choice depends on it.
    """
    p = result["protocol"]
    options, split = p.get("options") or {}, p.get("split")
    if (options.get("splits"), split) == ("probe", "test"):  # of CheXpert
        split = "official valid"
    of_task = _OF_TASK.get(task.removesuffix("_fine_tuned"))
    found = {
        "pretraining": _PUBLISHED_NAMES.get(p.get("trained_on", ""), p.get("trained_on")),
        "release": options.get("version"),
        "test_split": split,
        "test_studies": result.get("metrics", {}).get(measure, result).get("n"),
        "negatives": options.get("negatives"),
        "image_size": p.get("image_size"),
        "encoder": p.get("encoder"),
        **(of_task(result, p, measure) if of_task else {}),
    }
    return {name: value for name, value in found.items() if value is not None}


_Json = Mapping[str, Any]


def _linear_probe(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    norm = p.get("batch_norm", "").partition(":")[0]  # what follows is of the untrained baseline
    return {"classifier": "logistic regression", "batch_norm": norm or None}


def _fine_tune(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    return {"classifier": "linear layer", "training": _listed(p, "epochs")}


def _segmentation(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    return {
        "decoder": p.get("decoder", "").partition(" ")[0] or None,
        "training": _listed(p, "steps", "batch_size", "learning_rate"),
        "background": "none" if "no background class" in p.get("metric", "") else None,
        "empty_masks": p.get("empty_mask_rule"),
    }


def _zero_shot(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    pooling = p["pooling"].partition(":")[0]
    many = {"mean": "all", "one": "1 a class"}.get(pooling, f"{p['sampled_prompts']} a class")
    return {
        "prompts": f"{many} of our set {p['prompt_set']!r}",
        "pooling": pooling.removesuffix("_z"),
        "normalization": p["normalization"],
        "decision": p["rule_for_accuracy"],
    }


def _retrieval(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    relevance, _, by_class = p["relevance"].partition("; precision: ")
    is_precision = measure.startswith("precision_at_")
    if is_precision:
        # An image of CheXpert 5x200 has one of five classes: the same labels are the same class.
        relevance = "the same class" if p["split"].endswith("x200") else by_class
    tables = result["precision" if is_precision else "recall"].values()  # all of one gallery
    return {
        "relevance": relevance,
        "candidates": next((table["n"] for table in tables), None),
        "direction": "mean of both",
    }


def _grounding(result: _Json, p: _Json, measure: str) -> dict[str, Any]:
    return {"phrases": result["n"], "map": p["heat"]}


_OF_TASK: dict[str, Callable[[_Json, _Json, str], dict[str, Any]]] = {
    "linear_probe": _linear_probe,
    "fine_tune": _fine_tune,
    "segmentation": _segmentation,
    "zero_shot": _zero_shot,
    "retrieval": _retrieval,
    "grounding": _grounding,
}


def _listed(p: _Json, *names: str) -> str | None:
    """ "steps 200, batch size 8", as far as it is stated."""
    return ", ".join(f"{name.replace('_', ' ')} {p[name]}" for name in names if name in p) or None
