"""Cross-modal retrieval by a run and its untrained baseline: see `reclf.tasks.retrieval`."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from reclf.data.study import Study
from reclf.models.inference import encode_images, encode_texts, score_all
from reclf.models.recall import KS, Ranks, ranks_of, recall_summary, report_keys
from reclf.runs.notebook import check_parameters
from reclf.stats.ranking import precision_at_k
from reclf.tasks.linear_probe import label_matrix
from reclf.tasks.rerank import (
    INDEXES,
    lost_recall,
    nearest,
    rerank,
    shortlist_precision,
    shortlists,
)
from reclf.tasks.retrieval import (
    PRECISION_KS,
    Precision,
    class_keys,
    class_names,
    global_precision,
    global_ranks,
    precision_summary,
    unit_vectors,
)
from reclf.tasks.task_run import TaskRun

from . import Evaluation

METRICS = ("recall", "precision")
EXAMPLES = 3  # reports that `shown.first` has of each image


def open_task(p: SimpleNamespace) -> TaskRun:
    """Check the parameters of retrieval.ipynb and open the run.

    Raises:
        ValueError: a choice that does not exist.
    """
    check_parameters(
        p, studies=0, metric=METRICS, shortlist=1, k=1, score_all_up_to=0, index=INDEXES
    )
    return TaskRun.open(p)


@dataclass(frozen=True)
class _Gallery:
    """Studies that are query and candidate.

    Attributes:
        keys: int (n,), equal where two reports have the same words.
        names: of the labels.
        labels: float (n, names), NaN for no information.
        classes: int (n,), see `class_keys`; -1 where no label is known.
    """

    studies: list[Study]
    keys: np.ndarray
    names: list[str]
    labels: np.ndarray
    classes: np.ndarray

    @property
    def right_answers(self) -> np.ndarray:
        """int (n,): how many candidates have the report of the query."""
        _, group = np.unique(self.keys, return_inverse=True)
        return np.bincount(group)[group]

    def per_label(self, values: np.ndarray) -> dict[str, float]:
        """The mean of values (n,) over the studies with each label."""
        with_label = self.labels == 1
        return {
            name: float(values[with_label[:, c]].mean())
            for c, name in enumerate(self.names)
            if with_label[:, c].any()
        }


def _read_gallery(task_run: TaskRun, p: SimpleNamespace) -> _Gallery:
    studies = task_run.gallery(p.studies)
    keys = report_keys([study.report for study in studies])
    names = list(dict.fromkeys(name for study in studies for name in study.labels))
    labels = label_matrix(studies, names)
    classes = class_keys(labels) if names else np.full(len(studies), -1)
    if p.metric == "precision" and p.k > (known := int((classes >= 0).sum())):
        raise ValueError(
            f"precision@{p.k} by class needs {p.k} studies with labels or more, and {known} of "
            f"the {len(studies)} of {task_run.name!r} have any: take a smaller k, or more studies "
            "(-p studies 0), or report recall, which needs no labels (-p metric recall)"
        )
    return _Gallery(studies, keys, names, labels, classes)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Rank the gallery by the global vectors, a shortlist of each query by the combined score, and
    where the gallery is small enough every pair by it: what the shortlist loses.

    Returns:
        shown: studies (n), keys (n,), ks, ranks, (encoder, score) -> Ranks, first: int
            (n, EXAMPLES), the reports nearest to each image by the trained encoder.

    Raises:
        ValueError: a study has no report; precision is asked for of studies without labels, or at
            a k above their number.
    """
    gallery = _read_gallery(task_run, p)
    studies, keys, classes = gallery.studies, gallery.keys, gallery.classes
    with_class = np.flatnonzero(classes >= 0)
    ks, precision_ks = sorted({*KS, p.k}), sorted({*PRECISION_KS, p.k})
    ranks: dict[tuple[str, str], Ranks] = {}
    precise: dict[tuple[str, str], Precision] = {}
    for who in ("random", "trained"):  # the features of the last one are kept
        model = task_run.models[who]
        images = encode_images(model, studies, progress=f"images, {who}")
        texts = encode_texts(model, [study.report for study in studies])
        vectors = unit_vectors(images.global_embedding), unit_vectors(texts.global_embedding)
        title = f"shortlist, {who}"
        short = shortlists(model, images, texts, p.shortlist, progress=title)
        ranks[who, "global"] = global_ranks(*vectors, keys)
        ranks[who, "shortlist"] = rerank(short, keys, ranks[who, "global"])
        if len(with_class):
            chosen = torch.from_numpy(with_class)
            found = global_precision(
                vectors[0][chosen], vectors[1][chosen], classes[with_class], precision_ks
            )
            if len(with_class) < len(studies):
                title += " of the studies with labels"
                short = shortlists(model, images, texts, p.shortlist, with_class, title)
            precise[who, "global"] = found
            precise[who, "shortlist"] = shortlist_precision(short, classes, found)
    lost = None
    if len(studies) <= p.score_all_up_to:
        logits = score_all(task_run.model, images, texts, progress="all pairs, trained").logits
        everything = ranks_of(logits, keys[:, None] == keys[None])
        ranks["trained", "all pairs"] = everything
        lost = lost_recall(everything, ranks["trained", "shortlist"], ks)
        if len(with_class):
            matrix = logits.numpy()[np.ix_(with_class, with_class)]
            same = classes[with_class, None] == classes[None, with_class]
            precise["trained", "all pairs"] = {
                k: np.stack([precision_at_k(scores, same, k) for scores in (matrix, matrix.T)])
                for k in found
            }
    recall = {
        ", ".join(key): recall_summary(rank, gallery.right_answers, ks, p.seed)
        for key, rank in ranks.items()
    }
    named = class_names(gallery.labels[with_class], gallery.names)
    precision = {
        ", ".join(key): precision_summary(found, classes[with_class], named, p.seed)
        for key, found in precise.items()
    }
    key = f"{p.metric}_at_{p.k}"
    tables = recall if p.metric == "recall" else precision
    mine, theirs = (
        {**tables[f"{who}, shortlist"][key], "n": tables[f"{who}, shortlist"]["n"]}
        for who in ("trained", "random")
    )
    if p.metric == "recall":
        mine["per_class"] = gallery.per_label(ranks["trained", "shortlist"].hits(p.k).mean(0))
    by = {"recall": "identity", "precision": "class"}[p.metric]
    protocol = task_run.protocol(
        [study.study_id for study in studies],
        studies=p.studies,
        metric=f"{p.metric}@{p.k} by {by}, mean of both directions",
        relevance="reports with the same words; precision: the same set of positive labels",
        ties="count half; precision: the mean over their orders",
        score="combined (global plus relations) within the shortlist, global behind it",
        shortlist=p.shortlist,
        index="matrix product, exact",
        per_class="recall of the studies with the finding"
        if p.metric == "recall"
        else "precision of the queries of the class",
    )
    result = {
        **mine, "lost_by_shortlist": lost, "untrained_baseline": theirs, "recall": recall,
        "precision": precision,
    }  # fmt: skip
    shown = SimpleNamespace(
        studies=studies, keys=keys, ks=ks, ranks=ranks, first=nearest(*vectors, EXAMPLES)
    )
    return Evaluation("retrieval", result, protocol, shown)
