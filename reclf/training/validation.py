"""How good a model in training is: recall and loss on the validation gallery.

studies -> scores of all pairs -> recall@k of combined and global scores, InfoNCE of the gallery
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from accelerate.utils import broadcast_object_list

from reclf.data.study import Study
from reclf.models.losses import info_nce
from reclf.models.recall import recall_table, same_report, score_studies
from reclf.models.reclf import RECLF, Scores

from .window import some


def validate(model: RECLF, studies: Sequence[Study]) -> dict[str, float]:
    """What metrics.jsonl gets: recall in [0, 1] as val_recall_at_k and val_global_recall_at_k, and
    the losses val_global_nce and val_local_nce.

    Raises:
        FloatingPointError: a score or a loss is not finite; names the studies.
    """
    scores = score_studies(model, studies)
    check_scores(scores, studies)
    positives = same_report([study.report for study in studies])
    record: dict[str, float] = {}
    for name, logits in (("val", scores.logits), ("val_global", scores.logits_global)):
        table = recall_table(logits, positives)
        record |= {f"{name}_{k}": v["value"] for k, v in table.items() if k != "n"}
    targets = torch.from_numpy(positives)
    record["val_global_nce"] = float(info_nce(scores.logits_global, targets))
    if scores.logits_local is not None:
        record["val_local_nce"] = float(info_nce(scores.logits_local, targets))
    if bad := [name for name, value in record.items() if not math.isfinite(value)]:
        raise FloatingPointError(f"{', '.join(bad)} of the validation gallery is not finite")
    return record


def validate_once(
    model: RECLF, studies: Sequence[Study], is_main: bool, when: str
) -> dict[str, float]:
    """`validate` by the first of all processes; the others get nothing, and wait.

    Args:
        when: begins the error.

    Raises:
        FloatingPointError: as of `validate`, on all processes.
    """
    record, refused = {}, [""]
    if is_main:
        try:
            record = validate(model, studies)
        except FloatingPointError as error:
            refused = [str(error)]
    if said := broadcast_object_list(refused)[0]:
        raise FloatingPointError(f"{when}, {said}")
    return record


def check_scores(scores: Scores, studies: Sequence[Study]) -> None:
    """Refuse scores that are not finite, by the studies whose image or report they come from."""
    bad = ~(scores.logits.isfinite() & scores.logits_global.isfinite()).cpu().numpy()
    if not bad.any():
        return
    images, reports = bad.all(1), bad.all(0)
    if not (images.any() or reports.any()):
        images = bad.any(1)
    ids = np.array([study.study_id for study in studies])
    parts = [
        f"the {name} of {some(ids[which].tolist())}"
        for name, which in (("images", images), ("reports", reports))
        if which.any()
    ]
    raise FloatingPointError(
        f"scores of the validation gallery are not finite ({bad.sum()} of {bad.size}): those of "
        f"{' and '.join(parts) if not bad.all() else f'all {len(ids)} studies'}"
    )
