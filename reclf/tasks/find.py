"""Films that a text describes, reports that a film could have, and the ranks of own reports.

studies --encoded once--> Gallery; query --nearest by the global score--> best by the combined one
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from reclf.data.reports import clean, split_words
from reclf.data.study import Study
from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.inference import encode_images, encode_pixels, encode_texts
from reclf.models.reclf import RECLF

from .rerank import nearest, pair_scores
from .retrieval import gallery_ranks, unit_vectors

AMONG = 100  # candidates that the relations rank again, at least


class Gallery:
    """Studies among which films and reports are found.

    Args:
        studies: read once; those without a report are no answer to a film.
        progress: title of a progress bar; empty shows none.
    """

    def __init__(self, model: RECLF, studies: Sequence[Study], progress: str = ""):
        self.model, self.progress = model, progress
        self.studies = list(studies)
        self.stating = _stating(self.studies)

    @cached_property
    def images(self) -> ImageFeatures:
        return encode_images(self.model, self.studies, progress=self.progress)

    @cached_property
    def texts(self) -> TextFeatures:
        return encode_texts(self.model, [self.studies[i].report for i in self.stating])

    @cached_property
    def vocabulary(self) -> set[str]:
        """The words of all reports of the gallery, in lower case."""
        return {word for number in self.stating for word in _words(self.studies[number].report)}

    def unread(self, text: str) -> list[str]:
        """Words of a query that no report here has. A model gives films for any text: of such words
        it may have learned nothing."""
        return [word for word in dict.fromkeys(_words(text)) if word not in self.vocabulary]

    def films(self, text: str, count: int = 12) -> list[tuple[int, float]]:
        """The studies whose films the text describes best: number and combined score, best first.

        Raises:
            ValueError: the text has no words.
        """
        if not _words(text):
            raise ValueError(f"a query needs words, got {text!r}")
        return self._best(self.images, encode_texts(self.model, [text]), count, by_text=True)

    def reports(self, image: np.ndarray, count: int = 12) -> list[tuple[int, float]]:
        """The studies whose reports describe a film best: number and combined score, best first.

        Args:
            image: float32 (H, W) in [0, 1], of the model's size.

        Raises:
            ValueError: no study of the gallery has a report.
        """
        if not self.stating:
            raise ValueError("no study of the gallery has a report")
        pixels = torch.as_tensor(image)[None, None].float()
        found = self._best(encode_pixels(self.model, pixels), self.texts, count, by_text=False)
        return [(self.stating[row], score) for row, score in found]

    def _best(
        self, images: ImageFeatures, texts: TextFeatures, count: int, by_text: bool
    ) -> list[tuple[int, float]]:
        sides = [unit_vectors(part.global_embedding.cpu()) for part in (images, texts)]
        query, candidates = sides[::-1] if by_text else sides
        rows = nearest(query, candidates, max(AMONG, count))[0]
        same = np.zeros_like(rows)
        pairs = (rows, same) if by_text else (same, rows)
        scores = pair_scores(self.model, images, texts, *pairs)["combined"]
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(rows[k]), float(scores[k])) for k in best]


def own_ranks(
    model: RECLF, studies: Sequence[Study], among: Sequence[Study] = ()
) -> list[tuple[float, int] | None]:
    """For each study the rank of its own report by the combined score, and among how many reports;
    None for a study without a report. It is `Explanation.rank`.

    Args:
        among: further studies; those that are in `studies`, by id, count once.
    """
    shown = {study.study_id for study in studies}
    everyone = [*studies, *(study for study in among if study.study_id not in shown)]
    stating = _stating(everyone)
    found = {}
    if stating:
        ranks = gallery_ranks(model, [everyone[i] for i in stating])[0]["combined"].to_report
        found = dict(zip(stating, ranks.tolist(), strict=True))
    return [(found[i], len(stating)) if i in found else None for i in range(len(studies))]


def _stating(studies: Sequence[Study]) -> list[int]:
    return [number for number, study in enumerate(studies) if _words(study.report)]


def _words(text: str) -> list[str]:
    return split_words(clean(text))
