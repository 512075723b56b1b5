"""The real-film relation benchmark of one model: every measure with its chance and its ceiling.

    films with reports, training films --FilmData--> shown to several models
    model, FilmData --measure_films--> name -> ratio over studies, to compare runs by
    --film_result--> results/films-<data>.json

Real films have no planted truth. What is known of a report is that a fact of it can be changed so
that it is false (`reclf.data.report_swaps`), and what a trained indexer or a box says of the film.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reclf.data.lexicon import Lexicon
from reclf.data.reports import has_words
from reclf.data.study import Study
from reclf.models.inference import encode_images
from reclf.models.reclf import RECLF
from reclf.stats.bootstrap import percentiles
from reclf.stats.estimate import Estimate
from reclf.stats.per_study import StudyRatio
from reclf.tasks.grounding import Item
from reclf.tasks.task_run import TaskRun

from ..evaluation_suite import StudyResults
from ..relation_benchmark import word_ratios
from ..seeds import Ranking
from ..treatment import treatment_ratios
from ..word_importance import DocumentFrequency
from .ceilings import FilmFeatures, ceiling_ratios, few_label_probe, quarter_means
from .pointing import pointing_ratios
from .questions import ASKED, OPPOSITES, AskedSplit
from .retrieval_measures import film_retrieval
from .swap_measures import mirror_ratios, score_swaps, swap_ratios
from .word_ceiling import word_ceiling

LEARNED = ("denied", *OPPOSITES)  # facts that ceilings learn from training reports


class FilmMeasure(NamedTuple):
    """A line of the table.

    Attributes:
        chance: a number, or the name of another measure; None where there is none.
        ceiling: name of the measure of what a probe can do; "" where there is none.
        missing: why a model or a data set may not have it.
    """

    title: str
    chance: float | str | None = 0.5
    ceiling: str = ""
    missing: str = "no report has such a swap"


_NO_LABELS = "the data set has no labels, or too few"
_TOO_FEW = "too few training reports state one of the two"
MEASURES: dict[str, FilmMeasure] = {
    **{
        f"{fact}_swap_conditional": FilmMeasure(
            f"{title}, own image against others", 0.5, f"{fact}_swap_ceiling"
        )
        for fact, title in (
            ("denied", "who is denied"),
            ("side", "side"),
            ("zone", "zone"),
            ("severity", "severity"),
            ("negation", "stated finding denied"),
            ("finding", "another finding"),
        )
    },
    "side_mirrored": FilmMeasure("side, 2 x 2 with the mirrored film"),
    "recall_at_5": FilmMeasure("recall@5", "recall_at_5_chance", missing="fewer than two studies"),
    "p_at_5_abnormal": FilmMeasure(
        "precision@5 by label set, abnormal queries", "p_at_5_abnormal_chance", missing=_NO_LABELS
    ),
    "p_at_5_abnormal_difference": FilmMeasure(
        "the same, combined minus global score", 0.0, missing=_NO_LABELS
    ),
    "hubs_never_found": FilmMeasure("reports in no top five", None),
    "hubs_largest": FilmMeasure("top fives with the most frequent report", None),
    "importance_auroc": FilmMeasure(
        "importance: IRM's weights", 0.5, missing="the aggregator has no importance weights"
    ),
    "importance_auroc_read_out": FilmMeasure(
        "importance: SRM's read-out row", 0.5, missing="the aggregator has no read-out row"
    ),
    "importance_auroc_idf": FilmMeasure("importance: IDF", missing="no report states a finding"),
    "importance_difference": FilmMeasure(
        "importance: IRM's weights minus IDF", 0.0, missing="no importance weights"
    ),
    "importance_auroc_word_length": FilmMeasure("importance: length of the word"),
    "importance_auroc_early": FilmMeasure("importance: early in the report"),
    **{
        f"{fact}_ceiling{suffix}": FilmMeasure(f"ceiling: {title}, AUROC{where}", missing=_TOO_FEW)
        for fact, title in (
            ("side", "left or right"),
            ("zone", "upper or lower"),
            ("severity", "mild or severe"),
        )
        for suffix, where in (("", ""), ("_folds", ", on training films the run has seen"))
    },
    "denied_swap_ceiling_words": FilmMeasure(
        "ceiling: who is denied, by vectors of words", missing=_TOO_FEW
    ),
    "probe_10pct": FilmMeasure("linear probe, 10 % of the labels, AUROC", missing=_NO_LABELS),
    "irm_max_min": FilmMeasure(
        "IRM's weights: highest over lowest",
        1.0,
        missing="the aggregator has no importance weights",
    ),
    "srm_total_variation": FilmMeasure(
        "SRM's edges: total variation from their start", 0.0, missing="the aggregator has no edges"
    ),
    "pointing_hit": FilmMeasure("pointing game", "pointing_chance", missing="no boxes were given"),
    "pointing_difference": FilmMeasure(
        "pointing, own phrase minus others", 0.0, missing="no boxes were given"
    ),
}


@dataclass(frozen=True)
class FilmData:
    """What the benchmark shows to a model; read once, shown to several of one image size.

    Attributes:
        studies: reported on; their words are known, by the lexicon.
        shown: what is asked of them.
        train_studies, train: the same, to learn ceilings from.
        names: of the labels.
        boxes: phrases with boxes; none is no pointing.
        left_out: studies without a report.
    """

    studies: list[Study]
    shown: AskedSplit
    train_studies: list[Study]
    train: AskedSplit
    lexicon: Lexicon
    frequency: DocumentFrequency
    names: list[str]
    boxes: Sequence[Item] = ()
    left_out: int = 0

    @classmethod
    def draw(
        cls,
        task_run: TaskRun,
        lexicon: Lexicon,
        studies: int = 0,
        train_studies: int = 0,
        train_split: str = "train",
        codes: str = "",
        boxes: Sequence[Item] = (),
    ) -> "FilmData":
        """Read a task run's data set; images of both splits stay in memory.

        Args:
            studies, train_studies: how many; 0 takes all.
            codes: column of indexers' codes in the manifest, which refuse swaps that they
                contradict; "" takes the words alone.

        Raises:
            ValueError: a study has no column of codes; the phantom; no two studies with reports.
        """
        if task_run.loader == "phantom":
            raise ValueError(
                "the phantom knows its truth: ask notebooks/study/relations.ipynb, or name a data "
                "set of real films (dataset, data_root)"
            )
        read = task_run.studies(studies)
        train = task_run.studies(train_studies, train_split)
        if codes and any(codes not in study.meta for study in read):
            raise ValueError(
                f"{task_run.name!r} has no column {codes!r} of codes: name the one that it has "
                "(-p codes), or take the words alone (-p codes '')"
            )
        asked = [lexicon.with_words(study) for study in read if has_words(study.report)]
        learned = [study for study in train if has_words(study.report)]
        if len(asked) < 2 or not learned:
            raise ValueError(
                f"{len(asked)} studies of split {task_run.split!r} and {len(learned)} to learn "
                f"from have a report; the benchmark needs two and one: is {task_run.name!r} a data "
                "set with reports?"
            )
        names = list(dict.fromkeys(name for study in asked + learned for name in study.labels))
        return cls(
            asked,
            AskedSplit.of(asked, names, lexicon, codes, ASKED, task_run.seed),
            learned,
            AskedSplit.of(learned, names, lexicon, codes, LEARNED, task_run.seed),
            lexicon,
            DocumentFrequency.of([study.report for study in learned]),
            names,
            boxes,
            len(read) - len(asked),
        )


def measure_films(
    model: RECLF,
    data: FilmData,
    start: RECLF | None = None,
    ceilings: bool = True,
    seed: int = 0,
    progress: str = "",
) -> StudyResults:
    """All measures of a model by name: those of MEASURES that it has, and in detail

    - recall_at_5_global, ..._to_report, denied_swap_conditional_local: by score and direction
    - denied_swap: the own image alone; ..._conditional_other_finding: see `swap_ratios`
    - side_mirrored_to_image: see `mirror_ratios`; irm_moved, ...: see `treatment_ratios`
    - denied_swap_ceiling: see `ceiling_ratios`

    Ratios are over all studies shown, in their order, so that those of two runs can be paired; of
    pointing, over the studies with boxes, and of ..._folds, over training studies. They can be kept
    by `evaluation_suite.save_results` and compared over seeds by `seeds.paired_difference`.

    Args:
        start: what the run began with, for how far its modules moved; None leaves that out.
        ceilings: whether probes are fit, which reads all training films.
        seed: of the labels that the probe learns from, and of other phrases.
    """
    images = encode_images(model, data.studies, progress=f"{progress} images" * bool(progress))
    scored = score_swaps(model, images, data.shown, f"{progress} pairs" * bool(progress))
    found: StudyResults = dict(film_retrieval(scored, data.shown, data.names))
    found |= swap_ratios(scored, data.shown) | mirror_ratios(model, data.studies, data.shown)
    found |= _importance(model, data)
    if start is not None:
        found |= treatment_ratios(model, start, data.studies)
        if "srm_moved" in found:
            found["srm_total_variation"] = found["srm_moved"]
    if ceilings:
        title = f"{progress} training films" * bool(progress)
        learned = FilmFeatures.of(model, data.train_studies, progress=title), data.train
        quarters = quarter_means(images.regions.float().numpy(), images.grid)
        shown = FilmFeatures(images.pooled.numpy(), quarters), data.shown
        found |= ceiling_ratios(learned, shown, data.lexicon)
        found |= word_ceiling(model, data.train, data.shown)
        if probe := few_label_probe(learned, shown, seed):
            found["probe_10pct"] = probe
    if data.boxes:
        title = f"{progress} boxes" * bool(progress)
        found |= pointing_ratios(model, data.boxes, data.lexicon, seed, title)
    return found


def estimate(found: StudyRatio | Ranking, seed: int = 0) -> Estimate:
    """Value, interval and n of a measure."""
    if isinstance(found, StudyRatio):
        return found.estimate(seed)
    n = int((~np.isnan(found.labels)).any(1).sum())
    return Estimate(found.value, percentiles(found.resampled(seed), n), n)


def film_result(found: StudyResults, untrained: StudyResults, seed: int = 0) -> dict[str, Any]:
    """What results/films-<data>.json holds beside the protocol.

    Args:
        found, untrained: of `measure_films`, of the model and of its untrained baseline.

    Returns:
        Every measure by name with value, interval, n, untrained_baseline, and where they are known
        chance and ceiling; left_out, name -> why it is not there; value, interval, n, chance and
        untrained_baseline are those of who is denied, per_class those of each fact.
    """
    result: dict[str, Any] = {}
    for name, ratio in found.items():
        one = estimate(ratio, seed)
        if one.n and np.isfinite(one.value):
            baseline = estimate(untrained[name], seed).value if name in untrained else None
            result[name] = {**one.result(), "untrained_baseline": baseline}
    left_out = {name: row.missing for name, row in MEASURES.items() if name not in result}
    for name, row in MEASURES.items():
        if name in result:
            result[name] |= {
                key: result[other]["value"] if isinstance(other, str) else other
                for key, other in (("chance", row.chance), ("ceiling", row.ceiling))
                if not isinstance(other, str) or other in result
            }
    first = next((n for n in ("denied_swap_conditional", "recall_at_5") if n in result), "")
    leading: Mapping[str, Any] = result.get(first, Estimate(float("nan")).result())
    return {
        **{name: leading.get(name) for name in ("value", "interval", "n", "chance")},
        "untrained_baseline": estimate(untrained[first], seed).result()
        if first in untrained
        else None,
        "metric": MEASURES[first].title if first else "",
        "per_class": {
            fact: result[name]["value"]
            for fact in ASKED
            if (name := f"{fact}_swap_conditional") in result
        },
        "left_out": left_out,
        **result,
    }


def _importance(model: RECLF, data: FilmData) -> StudyResults:
    ratios = word_ratios(model, data.studies, data.frequency)
    found: StudyResults = {name: r for name, r in ratios.items() if name.startswith("importance")}
    idf = ratios["importance_auroc_idf"]
    for name in ("", "_read_out"):
        if (mine := ratios.get(f"importance_auroc{name}")) is not None:
            # Of a report that says nothing both are 0 of 0.
            found[f"importance_difference{name}"] = StudyRatio(mine.total - idf.total, idf.count)
    return found
