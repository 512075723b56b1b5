"""Counterfactual pairs: of two reports that differ in one fact, which one matches the image?

    study and counterfactual --> 2 x 2 scores --> comparisons won, of each pair

The reports of a pair agree word for word outside the fact, so a correct choice needs the fact in
the image. Both images are scored: a score that prefers shorter reports, for example, wins one
comparison and loses the other.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from reclf.data.study import Study
from reclf.models.inference import encode_images, encode_texts
from reclf.models.reclf import RECLF
from reclf.stats.per_study import StudyRatio
from reclf.tasks.rerank import pair_scores

Pair = tuple[Study, Study]


def score_pairs(model: RECLF, pairs: Sequence[Pair], progress: str = "") -> dict[str, np.ndarray]:
    """Scores of both images of a pair with both of its reports.

    Returns:
        "combined", "global" and, where there is one, "local": float32 (n, 2, 2), rows images, the
        study first and its counterfactual second.
    """
    studies = [study for pair in pairs for study in pair]
    images = encode_images(model, studies, progress=progress)
    texts = encode_texts(model, [study.report for study in studies])
    first = 2 * np.arange(len(pairs))[:, None]
    image_rows, text_rows = first + np.array([0, 0, 1, 1]), first + np.array([0, 1, 0, 1])
    scores = pair_scores(model, images, texts, image_rows.ravel(), text_rows.ravel())
    return {name: found.reshape(-1, 2, 2) for name, found in scores.items()}


def comparisons_won(scores: np.ndarray) -> dict[str, StudyRatio]:
    """How many comparisons of each pair the right one wins; a tie is half won, chance is 0.5.

    Args:
        scores: float (n, 2, 2), see `score_pairs`.

    Returns:
        "to_report" (each image chooses between the reports), "to_image" (each report between the
        images), "both".

    Raises:
        ValueError: NaN among the scores.
    """
    if np.isnan(scores).any():
        bad = int(np.isnan(scores).any((1, 2)).sum())
        raise ValueError(f"scores must not be NaN; {bad} of {len(scores)} pairs have NaN scores")
    right = scores[:, [0, 1], [0, 1]]  # (n, 2)
    to_report = right - scores[:, [0, 1], [1, 0]]
    to_image = right - scores[:, [1, 0], [0, 1]]
    two = np.full(len(scores), 2.0)
    report, image = (((np.sign(d) + 1) / 2).sum(1) for d in (to_report, to_image))
    return {
        "to_report": StudyRatio(report, two),
        "to_image": StudyRatio(image, two),
        "both": StudyRatio(report + image, 2 * two),
    }


def fact_ratios(
    model: RECLF, pairs: Mapping[str, Sequence[Pair]], progress: str = ""
) -> dict[str, dict[str, dict[str, StudyRatio]]]:
    """Fact -> score -> direction -> comparisons won; facts without pairs are left out."""
    found = {}
    for fact, chosen in pairs.items():
        if chosen:
            scores = score_pairs(model, chosen, f"{progress} {fact}" * bool(progress))
            found[fact] = {name: comparisons_won(matrix) for name, matrix in scores.items()}
    return found
