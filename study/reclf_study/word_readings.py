"""What a model makes of the words of studies, beside what is known about those words.

    studies --RECLF.relate, each image with its own report--> Reading per study

`reclf.explain` gives the same numbers for one study with everything that a picture needs; here many
studies go through at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from reclf.data.study import Study, Word
from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.inference import encode_images, encode_texts, take_images
from reclf.models.reclf import RECLF
from reclf.runs.progress import track


@dataclass(frozen=True)
class Reading:
    """One study. W = words that the model reads of the report, K = SRM steps."""

    words: tuple[Word, ...]  # W, what is known of them
    vectors: np.ndarray  # float32 (W, D), what the matchings are made from
    graph: np.ndarray | None  # float32 (K, 1 + W, 1 + W), rows sum to 1; node 0 is read out
    weights: np.ndarray | None  # float32 (W,), importance


@torch.no_grad()
def read(
    model: RECLF,
    studies: Sequence[Study],
    images: ImageFeatures | None = None,
    batch_size: int = 64,
    progress: str = "",
) -> list[Reading]:
    """Readings of studies whose words are known.

    Args:
        images: features of the studies, if they are at hand.

    Raises:
        ValueError: a study whose words are not known; the phantom knows them, and
            `Lexicon.with_words` guesses their types.
    """
    unknown = [study.study_id for study in studies if study.words is None]
    if unknown:
        raise ValueError(
            f"the words of {len(unknown)} of {len(studies)} studies are not known, first "
            f"{unknown[0]!r}: the phantom knows them; reclf.data.lexicon guesses their types"
        )
    model.eval()
    images = encode_images(model, studies) if images is None else images
    texts = encode_texts(model, [study.report for study in studies])
    readings = []
    for start in track(range(0, len(studies), batch_size), progress):
        rows = slice(start, start + batch_size)
        reports = TextFeatures(*(part[rows].to(model.device) for part in texts))
        related, _ = model.relate(take_images(images, rows, model.device), reports)
        graphs, weights = (
            None if part is None else part.float().cpu().numpy()
            for part in (related.graph, related.weights)
        )
        for i, study in enumerate(studies[rows]):
            count = int(texts.word_mask[start + i].sum())
            readings.append(
                Reading(
                    words=(study.words or ())[:count],
                    vectors=texts.words[start + i, :count].float().numpy(),
                    graph=None if graphs is None else graphs[i][:, : count + 1, : count + 1],
                    weights=None if weights is None else weights[i, :count],
                )
            )
    return readings
