"""Zero-shot classification of a run: every published pooling of one matrix of logits.

parameters --open_task--> TaskRun --score every study with every prompt--> logits, labels
    --each pooling and score--> table, and the reported value with that of the baseline
"""

from itertools import chain
from types import SimpleNamespace
from typing import Any

from reclf.runs.notebook import check_parameters
from reclf.tasks.prompt_sets import check_prompts, load_prompts, shipped_set
from reclf.tasks.results import format_value
from reclf.tasks.task_run import TaskRun
from reclf.tasks.zero_shot import (
    METRICS,
    POOLINGS,
    RULES,
    SCORES,
    score_studies,
)
from reclf.tasks.zero_shot import evaluate as measure

from . import Evaluation


def open_task(p: SimpleNamespace) -> TaskRun:
    """The run under test.

    Args:
        p: parameters of notebooks/zero_shot.ipynb.

    Raises:
        ValueError: a choice that does not exist, or a label that was asked for without prompts.
    """
    choices = {"pooling": POOLINGS, "score": SCORES, "rule": RULES, "metric": METRICS}
    check_parameters(p, **choices, studies=0, sampled=1)
    if p.prompts:
        check_prompts(p.prompts, p.labels)
    task_run = TaskRun.open(p)
    check_prompts(p.prompts or shipped_set(task_run.loader), p.labels)
    return task_run


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Score the studies by all prompts with the trained model and its untrained baseline.

    Returns:
        An evaluation whose `shown` has prompts (class -> polarity -> sentences), source (of the
        prompts), without (labels that have none), labels float (n, classes), rows (of the table of
        all poolings and scores) and reported (model -> metric -> result).
    """
    labels = task_run.choose_labels(p.labels)
    spec = p.prompts or shipped_set(task_run.loader)
    prompts, source = load_prompts(spec, labels, p.sampled, p.seed)
    without = sorted(set(labels) - set(prompts))
    studies = task_run.read(p.studies)
    prompted, truth, ids = score_studies(task_run.models, studies, prompts, progress="studies")

    def by_model(pooling: str, score: str) -> dict[str, dict[str, Any]]:
        return {
            who: measure(logits, truth, pooling, score, p.rule, p.sampled, p.seed)
            for who, logits in prompted.items()
        }

    rows = []
    for pooling in POOLINGS:
        for score in prompted["trained"].logits:
            found = by_model(pooling, score)
            values = {metric: format_value(found["trained"][metric]) for metric in METRICS}
            baseline = format_value(found["random"]["auroc"])
            rows.append(
                {
                    "pooling": pooling,
                    "score": score,
                    **values,
                    "AUROC, untrained baseline": baseline,
                }
            )
    reported = by_model(p.pooling, p.score)
    best = reported["trained"][p.metric]
    task_run.require_value(best)
    result = {
        **best,
        "untrained_baseline": reported["random"][p.metric],
        "all": rows,
        "metrics": reported["trained"],
        "metrics_untrained_baseline": reported["random"],
    }
    choice_rule = "positive prompts, exclusive choice" if len(prompts) > 1 else "difference"
    protocol = task_run.protocol(
        ids,
        studies=p.studies,
        prompt_set=source,
        prompts=prompts,
        labels_without_prompts=without,
        metric=p.metric,
        pooling=f"{p.pooling}: {POOLINGS[p.pooling]}",
        sampled_prompts=p.sampled,
        transductive=p.pooling == "max_z",
        score=p.score,
        rule=p.rule,
        rule_for_accuracy=choice_rule,
        normalization="z over the test set" if p.pooling == "max_z" else "none",
    )
    if p.pooling.startswith("max"):
        drawn = prompted["trained"].drawn(p.sampled, p.seed)
        texts = [text for prompt in prompts.values() for text in chain(*prompt.values())]
        protocol["prompts_drawn"] = {
            name: {polarity: [texts[k] for k in columns] for polarity, columns in of_class.items()}
            for name, of_class in drawn.items()
        }
    shown = SimpleNamespace(
        prompts=prompts, source=source, without=without, labels=truth, rows=rows, reported=reported
    )
    return Evaluation("zero_shot", result, protocol, shown)
