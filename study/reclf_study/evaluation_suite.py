"""The evaluation suite: every run of an ablation is evaluated on the same studies.

    gallery, benchmark, labeled studies --model--> name -> StudyRatio or Ranking --> .npz

Differences between runs are paired over studies, so the results are kept per study.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from reclf.config import RunConfig
from reclf.config.foreign_files import DamagedFile, read_arrays
from reclf.data.lexicon import load_lexicon
from reclf.data.study import Study
from reclf.datasets.phantom import Phantom
from reclf.datasets.registry import load_dataset
from reclf.datasets.selection import gallery, open_split, read_studies
from reclf.models.inference import encode_images
from reclf.models.reclf import RECLF
from reclf.runs.files import write_atomically
from reclf.stats.per_study import StudyRatio
from reclf.stats.tables import json_text
from reclf.tasks.linear_probe import label_matrix, probe_scores
from reclf.tasks.overview import few_labeled
from reclf.tasks.prompt_sets import prompts_for
from reclf.tasks.results import RENAMED, short_hash
from reclf.tasks.zero_shot import score_prompts

from .films.questions import AskedSplit
from .films.retrieval_measures import film_retrieval
from .films.swap_measures import score_swaps, swap_ratios
from .relation_benchmark import BenchmarkData, benchmark, word_frequency, word_ratios
from .seeds import Ranking
from .treatment import treatment_ratios
from .word_importance import DocumentFrequency

StudyResults = dict[str, StudyRatio | Ranking]
TRAINING_REPORTS = 2000  # for the document frequency of words
# Raised when a measure changes, so that finished runs are asked again: of the phantom, of films.
MEASURED, MEASURED_FILMS = 4, 5


@dataclass(frozen=True)
class EvaluationSuite:
    """Studies of one split, drawn once for all runs.

    Attributes:
        gallery: for retrieval; with `benchmark_data`, its gallery.
        benchmark_data: of the relation benchmark, where the data set is the phantom.
        asked: elsewhere, what the reports of the gallery allow to ask.
        frequency: of words in training reports.
        labeled: studies for zero-shot and the linear probe; none where there are no labels.
        few, other: training studies that the probe learns from, and chooses its strength by.
        names: of the labels.
        choices: everything that decides the content, for the protocol.
    """

    gallery: Sequence[Study]
    benchmark_data: BenchmarkData | None
    asked: AskedSplit | None
    frequency: DocumentFrequency
    labeled: Sequence[Study]
    few: Sequence[Study]
    other: Sequence[Study]
    names: tuple[str, ...]
    choices: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def draw(
        cls,
        config: RunConfig,
        split: str = "",
        n_gallery: int = 300,
        n_pairs: int = 200,
        n_labeled: int = 500,
        phantom_seed: int = 0,
    ) -> EvaluationSuite:
        """Draw from the data set that the runs train on.

        Args:
            split: "val" while anything is being chosen; by default the settings' test split.
            n_gallery, n_pairs, n_labeled: how many studies, pairs of a fact, labeled studies.
            phantom_seed: another one gives fresh studies of the phantom.
        """
        data, split = config.data, split or config.data.test_split
        workers = data.workers
        train_set = open_split(config, data.train_split)
        options = dict(data.options)
        if data.dataset == "phantom":
            options["seed"] = phantom_seed
        test_set = load_dataset(data.dataset, data.root, split, config.model.image_size, **options)
        frequency = word_frequency(train_set, TRAINING_REPORTS)
        relations, asked, lexicon, words = None, None, load_lexicon(), "of the data set"
        names = tuple(getattr(train_set, "labels", ()))
        if isinstance(test_set, Phantom):
            relations = BenchmarkData.draw(test_set, n_gallery, n_pairs, frequency)
            shown = relations.gallery
        else:
            shown = gallery(test_set, n_gallery, workers)
            if any(study.words is None for study in shown):
                words = f"guessed by lexicon {lexicon.source} {lexicon.digest}"
            shown = [lexicon.with_words(study) for study in shown]
            asked = AskedSplit.of(shown, names, lexicon)
        chosen = range(min(n_labeled, len(test_set))) if names else []
        labeled = read_studies(test_set, chosen, workers)
        few, other = few_labeled(train_set, workers=workers) if names else ([], [])
        ids = [*(relations.ids if relations else [study.study_id for study in shown])]
        ids += [study.study_id for study in (*labeled, *few, *other)]
        choices = {
            "measured": MEASURED if relations else MEASURED_FILMS,
            "dataset": data.dataset,
            "split": split,
            "split_hash": short_hash(*ids),
            "data_fingerprint": getattr(test_set, "fingerprint", None),
            "phantom_seed": phantom_seed if relations else None,
            "gallery": len(shown),
            "pairs": {k: len(v) for k, v in relations.pairs.items()} if relations else None,
            "labelled": len(labeled),  # in the key of stored results
            "image_size": config.model.image_size,
            "prompts": "sentences made from the label names; mean of all, positive minus negative",
            "linear_probe": f"logistic regression on {len(few)} labelled training studies",
            "encoder": "frozen",
            "precision": "float32" if relations else "float32; frozen towers as in training",
            "ties": "count half",
            "words": words,
        }
        return cls(shown, relations, asked, frequency, labeled, few, other, names, choices)

    @property
    def key(self) -> str:
        """Changes with anything that the results depend on, except the model."""
        return short_hash(json_text(self.choices, sort_keys=True))

    def evaluate(self, model: RECLF, start: RECLF | None) -> StudyResults:
        """All measures of a model: those of the relation benchmark, or elsewhere of retrieval, of
        swaps, and of what the words allow (a lexicon's: importance); zero_shot_auroc and
        linear_probe_auroc where there are labels; and whether training moved its relation modules.

        Args:
            start: what its run began with, see `models.baselines.start_of`; None where that is not
                known, and left out.
        """
        results: StudyResults = {}
        if self.benchmark_data is not None:
            results |= benchmark(model, self.benchmark_data)
        elif self.asked is not None:
            scored = score_swaps(model, encode_images(model, self.gallery), self.asked)
            results |= film_retrieval(scored, self.asked, self.names)
            results |= swap_ratios(scored, self.asked)
            words = word_ratios(model, self.gallery, self.frequency)
            results |= {name: ratio for name, ratio in words.items() if ratio.n}
        if start is not None:
            results |= treatment_ratios(model, start, self.gallery)
        if not self.names:
            return results
        images = encode_images(model, self.labeled)
        labels = label_matrix(self.labeled, self.names)
        prompted = score_prompts(model, images, prompts_for(self.names))
        results["zero_shot_auroc"] = Ranking(labels, prompted.class_scores())
        few, other = (
            (encode_images(model, part).pooled.numpy(), label_matrix(part, self.names))
            for part in (self.few, self.other)
        )
        scores, _ = probe_scores(few, other, images.pooled.numpy())
        results["linear_probe_auroc"] = Ranking(labels, scores)
        return results


def save_results(results: StudyResults, path: Path, key: str) -> None:
    """Write one .npz without pickled objects; `key` says what was asked."""
    arrays: dict[str, np.ndarray] = {"key": np.array(key)}
    for name, result in results.items():
        if isinstance(result, StudyRatio):
            arrays |= {f"total/{name}": result.total, f"count/{name}": result.count}
        else:
            arrays |= {f"labels/{name}": result.labels, f"scores/{name}": result.scores}

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_atomically(path, write)


def load_results(path: Path, key: str) -> StudyResults | None:
    """What `save_results` wrote; None if it is not there, or something else was asked."""
    if not path.exists():
        path = path.with_name("ablation-answers.npz")  # as version 0.1 named it
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
        if str(arrays["key"]) != key:
            return None
    except (DamagedFile, KeyError) as error:
        warnings.warn(f"{path} holds no results, which are made again: {error}", stacklevel=2)
        return None
    results: StudyResults = {}
    for full, array in arrays.items():
        part, _, name = full.partition("/")
        present = RENAMED.get(name, name)
        if part == "total":
            results[present] = StudyRatio(array, arrays[f"count/{name}"])
        elif part == "labels":
            results[present] = Ranking(array, arrays[f"scores/{name}"])
    return results
