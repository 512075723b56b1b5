"""The relation benchmark: what only a data set with planted truth can ask of a model.

    gallery, counterfactual pairs, known words and places --model--> name -> StudyRatio

Does the score tell which disease is where (minimal pairs), do words look at what they speak of
(pointing game), do SRM's edges join the words of one finding, do IRM's weights single out the words
that state one? Every measure has a baseline that needs no model, named in MEASURES. The phantom
makes the truth, so these numbers say nothing about real reports by themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reclf.data.study import Study
from reclf.datasets.phantom import FACTS, Phantom, counterfactual_pairs
from reclf.datasets.selection import first_reports
from reclf.models.recall import KS, Ranks
from reclf.models.reclf import RECLF
from reclf.stats.estimate import Estimate
from reclf.stats.per_study import StudyRatio
from reclf.stats.ranking import recall_chance
from reclf.tasks.grounding import center_maps, find_items, heat_maps, study_numbers
from reclf.tasks.grounding import measure as measure_maps
from reclf.tasks.retrieval import gallery_ranks

from .counterfactual_pairs import Pair, fact_ratios
from .word_importance import DocumentFrequency, importance_auroc
from .word_readings import Reading, read
from .word_relations import is_hard, relation_triples, share_in_order, text_distance, vector_cosines

HOSPITALS = ("A", "B", "C")
SCORES = ("combined", "global", "local")
GALLERIES = {"": "gallery", "device_free_": "device_free"}


class Measure(NamedTuple):
    """A line of the table: what is measured, and what it must beat."""

    title: str
    baselines: tuple[str | float, ...]  # names of ratios, or a number


MEASURES: dict[str, Measure] = {
    **{
        f"{gallery}recall_at_{k}": Measure(
            f"recall@{k}" + ", no devices" * bool(gallery), (f"{gallery}recall_at_{k}_chance",)
        )
        for gallery in GALLERIES
        for k in KS
    },
    **{f"{fact}_accuracy": Measure(f"minimal pairs: {fact}", (0.5,)) for fact in FACTS},
    "pointing_hit": Measure("pointing game", ("pointing_chance", "pointing_center")),
    "cnr_signed": Measure("contrast to noise, signed", (0.0, "cnr_signed_center")),
    "relation_auroc": Measure(
        "relations: SRM's edges", ("relation_auroc_text_distance", "relation_auroc_word_cosine")
    ),
    "relation_auroc_hard": Measure(
        "relations, nearer word wrong",
        ("relation_auroc_hard_text_distance", "relation_auroc_hard_word_cosine"),
    ),
    "importance_auroc": Measure("importance: IRM's weights", ("importance_auroc_idf",)),
    "importance_auroc_read_out": Measure(
        "importance: SRM's read-out row", ("importance_auroc_idf",)
    ),
}


@dataclass(frozen=True)
class BenchmarkData:
    """What the benchmark shows to a model; drawn once, shown to several."""

    gallery: list[Study]  # distinct specifications; their words and places are read too
    device_free: list[Study]
    pairs: dict[str, list[Pair]]  # fact -> minimal pairs
    frequency: DocumentFrequency  # of words in training reports

    @classmethod
    def draw(cls, data: Phantom, n_gallery: int, n_pairs: int, frequency: DocumentFrequency):
        """Draw from a split of the phantom: its seed, hospital and image size.

        Args:
            n_gallery: studies of each gallery.
            n_pairs: minimal pairs of each fact.
        """
        plain = Phantom(
            None, data.split, data.image_size, seed=data.seed, hospital=data.hospital, devices=False
        )
        pairs = {fact: list(counterfactual_pairs(data, n_pairs, fact)) for fact in FACTS}
        return cls(data.gallery(n_gallery), plain.gallery(n_gallery), pairs, frequency)

    @property
    def ids(self) -> list[str]:
        """Every study shown, in order."""
        shown = [*self.gallery, *self.device_free]
        shown += [study for pairs in self.pairs.values() for pair in pairs for study in pair]
        return [study.study_id for study in shown]


def word_frequency(data: Any, n: int) -> DocumentFrequency:
    """Document frequencies in the first n reports of a split."""
    return DocumentFrequency.of(first_reports(data, n))


def benchmark(model: RECLF, data: BenchmarkData, progress: str = "") -> dict[str, StudyRatio]:
    """All measures of a model and their baselines, by name: those of MEASURES, and in detail

    - recall_at_5_global, ..._to_report: by score and direction; device_free_recall_at_5, ...
    - binding_accuracy_local, ..._to_image: the same for minimal pairs
    - relation_auroc_step1, ...: edges of each SRM step

    Plain names are by the combined score and both directions. Relations and importance are of each
    report's own image; a model without a graph or weights has no such measure.
    """
    found: dict[str, StudyRatio] = {}
    for prefix, name in GALLERIES.items():
        title = f"{progress} {name}" * bool(progress)
        found |= recall_ratios(model, getattr(data, name), prefix, title)
    facts = fact_ratios(model, data.pairs, progress)
    for fact, by_score in facts.items():
        for score, by_direction in by_score.items():
            for direction, ratio in by_direction.items():
                found[_name(f"{fact}_accuracy", score, direction)] = ratio
    found |= _pointing(model, data.gallery)
    found |= word_ratios(model, data.gallery, data.frequency)
    return found


def used_steps(model: RECLF) -> list[bool]:
    """For each SRM step, whether edges between words reach the score; empty where that is not
    known. Where they never do, none is ever trained: they are computed for the eye alone."""
    read = model.aggregator.last_read()
    if read is None:
        return []
    return [read.words is not None and step <= read.words for step in range(read.total)]


def _name(measure: str, score: str, direction: str) -> str:
    parts = [measure, score * (score != "combined"), direction * (direction != "both")]
    return "_".join(part for part in parts if part)


def recall_ratios(
    model: RECLF, studies: Sequence[Study], prefix: str = "", progress: str = ""
) -> dict[str, StudyRatio]:
    """recall_at_1, ... of a gallery of any data set, by score and direction, beside chance.

    Args:
        prefix: of every name.
    """
    return ranked_recall(*gallery_ranks(model, studies, progress), prefix)


def ranked_recall(
    ranks: Mapping[str, Ranks], right_answers: np.ndarray, prefix: str = ""
) -> dict[str, StudyRatio]:
    """`recall_ratios` of ranks by score.

    Args:
        right_answers: int (n,), how many each query has.
    """
    found = {}
    for k in KS:
        name = f"{prefix}recall_at_{k}"
        found[f"{name}_chance"] = StudyRatio.of(recall_chance(right_answers, len(right_answers), k))
        for score, by_direction in ranks.items():
            to_report, to_image = by_direction.hits(k)
            hits = {"both": (to_report + to_image) / 2, "to_report": to_report}
            for direction, values in (hits | {"to_image": to_image}).items():
                found[_name(name, score, direction)] = StudyRatio.of(values)
    return found


def _pointing(model: RECLF, studies: Sequence[Study]) -> dict[str, StudyRatio]:
    items = find_items(studies, "words")
    numbers = study_numbers(items)
    found = {}
    for where, maps in (("hit", heat_maps(model, items)), ("center", center_maps(items))):
        values = measure_maps(items, maps)
        found[f"pointing_{where}"] = StudyRatio.by_study(values["pointing"], numbers)
        for name in ("cnr", "cnr_signed"):
            full = name if where == "hit" else f"{name}_center"
            found[full] = StudyRatio.by_study(values[name], numbers)
    area = np.array([item.mask.mean() for item in items])
    return found | {"pointing_chance": StudyRatio.by_study(area, numbers)}


def word_ratios(
    model: RECLF, studies: Sequence[Study], frequency: DocumentFrequency
) -> dict[str, StudyRatio]:
    """Relations and importance within reports, and their baselines.

    Args:
        studies: whose words are known. Where nothing is known of finding instances (a lexicon's
            words), there is no choice to order, and relations have n = 0.
    """
    values: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        values.setdefault(name, []).append(value)

    last = model.aggregator.last_read()
    # The edges that a model relies on; the last ones where it relies on none, or does not say.
    chosen = -1 if last is None or last.words is None else last.words
    reads_out = last is None or last.whole == last.total - 1
    for reading in read(model, studies):
        triples = relation_triples(reading.words)
        hard = triples[is_hard(triples)]
        edges = {
            "_text_distance": text_distance(len(reading.words)),
            "_word_cosine": vector_cosines(reading.vectors),
        }
        note("importance_auroc_idf", _auroc(frequency.idf(reading.words), reading))
        lengths = np.array([len(word.text) for word in reading.words], dtype=float)
        note("importance_auroc_word_length", _auroc(lengths, reading))
        note("importance_auroc_early", _auroc(-np.arange(len(lengths)), reading))
        if reading.weights is not None:
            note("importance_auroc", _auroc(reading.weights, reading))
        if reading.graph is not None:
            graphs = reading.graph[:, 1:, 1:]
            edges |= {f"_step{k + 1}": graph for k, graph in enumerate(graphs)}
            edges[""] = graphs[chosen]
            if reads_out:
                note("importance_auroc_read_out", _auroc(reading.graph[-1, 0, 1:], reading))
        for suffix, matrix in edges.items():
            note(f"relation_auroc{suffix}", share_in_order(matrix, triples))
            note(f"relation_auroc_hard{suffix}", share_in_order(matrix, hard))
    return {name: StudyRatio.of(np.array(value)) for name, value in values.items()}


def _auroc(weights: np.ndarray, reading: Reading) -> float:
    return importance_auroc(weights, reading.words)


def relation_result(
    ratios: dict[str, StudyRatio],
    untrained: dict[str, StudyRatio],
    used: Sequence[bool],
    seed: int = 0,
) -> dict[str, Any]:
    """What results/relations-<hospital>.json holds beside the protocol.

    Args:
        ratios: of `benchmark`.
        untrained: the same of the untrained baseline.
        used: see `used_steps`.

    Returns:
        Every ratio by name with value, interval, n and the untrained baseline's value (those of
        MEASURES also where this model has none: None); value, interval, n and per_class are those
        of the minimal pairs, binding first.
    """
    result: dict[str, Any] = {}
    for name in dict.fromkeys([*MEASURES, *ratios]):
        found = ratios[name].result(seed) if name in ratios else Estimate(float("nan")).result()
        baseline = untrained[name].value if name in ratios and name in untrained else None
        result[name] = {**found, "untrained_baseline": baseline}
    return {
        **{name: result["binding_accuracy"][name] for name in ("value", "interval", "n")},
        "untrained_baseline": untrained["binding_accuracy"].result(seed),
        "metric": "binding accuracy, both directions, by the combined score",
        "chance": 0.5,
        "per_class": {fact: result[f"{fact}_accuracy"]["value"] for fact in FACTS},
        "word_edges_reach_the_score": list(used),
        **result,
    }
