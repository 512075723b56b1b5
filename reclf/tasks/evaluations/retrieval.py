"""Cross-modal retrieval by a run and its untrained baseline: see `reclf.tasks.retrieval`."""

from types import SimpleNamespace

import numpy as np

from reclf.models.inference import encode_images, encode_texts, score_all
from reclf.models.recall import KS, Ranks, recall_summary, report_keys
from reclf.runs.notebook import check_parameters
from reclf.stats.ranking import rank_of_partner
from reclf.tasks.linear_probe import label_matrix
from reclf.tasks.rerank import INDEXES, lost_recall, nearest, rerank, uses_faiss
from reclf.tasks.retrieval import class_keys, global_ranks, precision_table, unit_vectors
from reclf.tasks.task_run import TaskRun

from . import Evaluation

EXAMPLES = 3  # reports that `shown.first` has of each image


def open_task(p: SimpleNamespace) -> TaskRun:
    """Check the parameters of retrieval.ipynb and open the run.

    Raises:
        ValueError: a choice that does not exist.
        ImportError: the index is to be made by a package that is not installed.
    """
    check_parameters(p, studies=0, shortlist=1, k=1, score_all_up_to=0, index=INDEXES)
    uses_faiss(p.index)
    return TaskRun.open(p)


def evaluate(task_run: TaskRun, p: SimpleNamespace) -> Evaluation:
    """Rank the gallery by the global vectors, a shortlist of each query by the combined score, and
    where the gallery is small enough every pair by it: what the shortlist loses.

    Returns:
        shown: studies (n), keys (n,), classes (n,), ks, ranks, (encoder, score) -> Ranks,
            first: int (n, EXAMPLES), the reports nearest to each image by the trained encoder.
    """
    studies = task_run.gallery(p.studies)
    keys = report_keys([study.report for study in studies])
    _, group = np.unique(keys, return_inverse=True)
    right_answers = np.bincount(group)[group]
    names = list(dict.fromkeys(name for study in studies for name in study.labels))
    labels = label_matrix(studies, names)
    classes = class_keys(labels) if names else np.full(len(studies), -1)
    ks = sorted({*KS, p.k})
    ranks, precision = {}, {}
    for who, model in reversed(
        task_run.models.items()
    ):  # whose features are kept: the trained one's
        images = encode_images(model, studies, progress=f"images, {who}")
        texts = encode_texts(model, [study.report for study in studies])
        vectors = unit_vectors(images.global_embedding), unit_vectors(texts.global_embedding)
        ranks[who, "global"] = global_ranks(*vectors, keys)
        ranks[who, "shortlist"] = rerank(
            model, images, texts, keys, ranks[who, "global"], p.shortlist, p.index,
            f"shortlist, {who}",
        )  # fmt: skip
        if (classes >= 0).any():
            precision[who] = precision_table(*vectors, classes, ks)
    lost = None
    if len(studies) <= p.score_all_up_to:
        scores = score_all(task_run.model, images, texts, progress="all pairs, trained")
        matrix, same = scores.logits.double().numpy(), keys[:, None] == keys[None]
        everything = Ranks(rank_of_partner(matrix, same), rank_of_partner(matrix.T, same))
        ranks["trained", "all pairs"] = everything
        lost = lost_recall(everything, ranks["trained", "shortlist"], ks)
    recall = {key: recall_summary(rank, right_answers, ks, p.seed) for key, rank in ranks.items()}
    hits = ranks["trained", "shortlist"].hits(p.k).mean(0)
    per_class = {
        name: float(hits[labels[:, c] == 1].mean())
        for c, name in enumerate(names)
        if (labels[:, c] == 1).any()
    }
    protocol = task_run.protocol(
        [study.study_id for study in studies],
        studies=p.studies,
        metric=f"recall@{p.k} by identity, mean of both directions",
        relevance="reports with the same words; precision: the same set of positive labels",
        ties="count half; precision: the mean over their orders",
        score="combined (global plus relations) within the shortlist, global behind it",
        shortlist=p.shortlist,
        index="faiss, flat" if uses_faiss(p.index) else "matrix product, exact",
        per_class="recall of the studies with the finding",
    )
    n = {"n": len(studies)}
    mine, theirs = (recall[who, "shortlist"][f"recall_at_{p.k}"] for who in ("trained", "random"))
    result = {
        **mine, **n, "per_class": per_class, "lost_by_shortlist": lost,
        "untrained_baseline": theirs | n,
        "recall": {f"{who}, {score}": table for (who, score), table in recall.items()},
        "precision": precision,
    }  # fmt: skip
    shown = SimpleNamespace(
        studies=studies, keys=keys, classes=classes, ks=ks, ranks=ranks,
        first=nearest(*vectors, EXAMPLES),
    )  # fmt: skip
    return Evaluation("retrieval", result, protocol, shown)
