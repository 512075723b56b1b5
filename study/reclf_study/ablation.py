"""The ablation: every aggregator with equal training and evaluation, over seeds, compared in pairs.

    settings, variants, seeds --train, one run after the other--> <variant>-seed<k>
    --evaluation suite--> results per study --> means, paired differences, verdicts

Equal training means: the same initial weights of both encoders for a seed, the same studies in the
same order, and the same number of optimizer steps. A time limit would favor cheap variants and give
another run on another machine; the time of a step is reported separately. A comparison at equal
time gives variants steps of their own, in the ratio of their measured speed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reclf.config import RunConfig, override
from reclf.config.foreign_files import DamagedFile, check_kinds, read_json
from reclf.models.baselines import start_of
from reclf.models.memo import shared_memos
from reclf.pretrain import pretrain
from reclf.runs.files import write_json
from reclf.runs.run import Run
from reclf.stats.estimate import Estimate
from reclf.stats.tables import short
from reclf.training.runtime import remember

from .evaluation_suite import EvaluationSuite, StudyResults, load_results, save_results
from .films.film_benchmark import MEASURES as FILM_MEASURES
from .relation_benchmark import MEASURES
from .seeds import Resampled, holm, mean_over_seeds, paired_difference
from .treatment import TREATMENTS, not_moved
from .variants import RENAMED, TITLES, comparisons, variant_config

SPEED_STEPS = 40  # of the first run, the second half of which is timed
LEVEL = 0.05  # of the family-wise error
UNLIMITED = 60.0 * 24 * 365  # minutes: steps end a run, not time

# measure -> title, in the order of the tables
ABLATION_MEASURES = {
    **{name: measure.title for name, measure in MEASURES.items()},
    "recall_at_5_global": "recall@5, global score",
    "recall_at_5_local": "recall@5, local score",
    "binding_accuracy_local": "minimal pairs: binding, local score",
    **{
        name: FILM_MEASURES[name].title
        for name in (
            "p_at_5_abnormal",
            "p_at_5_abnormal_difference",
            "denied_swap_conditional",
            "side_swap_conditional",
            "zone_swap_conditional",
            "severity_swap_conditional",
            "negation_swap_conditional",
        )
    },
    "zero_shot_auroc": "zero-shot, macro AUROC",
    "linear_probe_auroc": "quick linear probe (at most 100 labeled studies), macro AUROC",
    **TREATMENTS,
}
# What verdicts are given on; more of them would only be more chances to be lucky.
VERDICT_MEASURES = (
    "recall_at_5",
    "binding_accuracy",
    "pointing_hit",
    "relation_auroc",
    "importance_auroc",
    "p_at_5_abnormal",
    "denied_swap_conditional",
    "linear_probe_auroc",
    "zero_shot_auroc",
)


def plan(folder: Path, config: RunConfig, minutes: float, steps: int = 0) -> int:
    """Steps of every run: given, or as many as the settings' own aggregator makes in `minutes`.

    The speed is measured once and kept in plan.json, so that a resumed ablation goes on alike.

    Raises:
        ValueError: the folder was begun with another plan.
    """
    path = folder / "plan.json"
    if path.exists():
        found = {"steps": None, "minutes": None} | read_json(path)
        check_kinds(found, {"minutes": int | float}, path)
        if not isinstance(found["steps"], int):
            raise DamagedFile(path, f"steps is {found['steps']!r}", "restore it from a copy")
        if (steps and steps != found["steps"]) or (not steps and minutes != found["minutes"]):
            wanted = f"{steps} steps" if steps else f"{minutes:g} minutes"
            raise ValueError(
                f"{folder} holds an ablation of {found['steps']} steps a run (minutes "
                f"{found['minutes']}), and {wanted} were asked for. Give another folder, or the "
                "same budget."
            )
        return found["steps"]
    if steps:
        write_json(path, {"steps": steps, "minutes": None, "seconds_per_step": None})
        return steps
    pace = seconds_per_step(folder / "speed", config)
    steps = max(1, round(minutes * 60 / pace))
    write_json(path, {"steps": steps, "minutes": minutes, "seconds_per_step": pace})
    return steps


def seconds_per_step(folder: Path, config: RunConfig) -> float:
    """Train a few steps in a folder that is deleted afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    settings = {
        "train.max_steps": SPEED_STEPS,
        "train.max_minutes": UNLIMITED,
        "train.val_studies": 8,
        "train.evaluate_every": SPEED_STEPS,
    }
    run = Run(folder, override(config, settings))
    pretrain(run, progress_bar=False)
    at = {r["step"]: r["seconds"] for r in run.history() if "seconds" in r}
    shutil.rmtree(folder)
    return (at[SPEED_STEPS] - at[SPEED_STEPS // 2]) / (SPEED_STEPS // 2)


@dataclass(frozen=True)
class Ablation:
    """Runs of variants over seeds in one folder.

    Attributes:
        folder: runs lie in it as <variant>-seed<k>.
        config: settings that all runs share.
        names: variants, see `reclf_study.variants`.
        seeds: runs of each variant, seeds 0, 1, ...
        steps: optimizer steps of each run,
        steps_of: but of these variants.
    """

    folder: Path
    config: RunConfig
    names: Sequence[str]
    seeds: int
    steps: int
    steps_of: Mapping[str, int] = field(default_factory=dict)
    results: dict[tuple[str, int], StudyResults] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for name, steps in self.steps_of.items():
            if name not in self.names or not isinstance(steps, int) or steps < 1:
                raise ValueError(
                    f"steps_of must give some of {', '.join(self.names)} a whole number of steps "
                    f"above 0, got {name!r}: {steps!r}"
                )

    def run_config(self, name: str, seed: int) -> RunConfig:
        """Settings of one run."""
        settings = {
            "train.max_steps": self.steps_of.get(name, self.steps),
            "train.max_minutes": UNLIMITED,
            "train.seed": seed,
        }
        return override(variant_config(name, self.config), settings)

    def run_folder(self, name: str, seed: int) -> Path:
        """Folder of one run; one that version 0.1 trained under an older name is taken over."""
        older = [old for old, new in RENAMED.items() if new == name]
        folders = [self.folder / f"{known}-seed{seed}" for known in (name, *older)]
        return next((folder for folder in folders if folder.exists()), folders[0])

    def complete(self, suite: EvaluationSuite, show: Callable[[str], None] = print) -> None:
        """Train and evaluate what is missing; the same call goes on after a kill.

        All variants of a seed come before the next seed, so that an ablation that is stopped has
        whole seeds.

        Raises:
            KeyboardInterrupt: on Ctrl-C or SIGTERM, after saving the run in progress.
        """
        with shared_memos():
            self._complete(suite, show)

    def _complete(self, suite: EvaluationSuite, show: Callable[[str], None]) -> None:
        runs = [(name, seed) for seed in range(self.seeds) for name in self.names]
        for number, (name, seed) in enumerate(runs, 1):
            run = Run(self.run_folder(name, seed), self.run_config(name, seed))
            path = run.folder / "results" / "ablation-per_study.npz"
            found = load_results(path, suite.key)
            if found is None:
                model = pretrain(run, progress_bar=False)
                try:
                    start = start_of(model, run)
                except OSError as error:
                    start = None
                    show(f"{name}, seed {seed}: how far its modules moved is not known: {error}")
                for one in (model, start):  # equal frozen towers, which have seen the studies
                    if one is not None:
                        remember(one, run.config)
                found = suite.evaluate(model, start)
                save_results(found, path, suite.key)
                trained = run.status
                details = {k: v for k, v in trained.items() if k not in ("state", "time")}
                run.set_status("done", **details)
                show(
                    f"{number} of {len(runs)}: {name}, seed {seed}: {trained['step']} steps in "
                    f"{trained['seconds']:.0f} s, recall@5 {short(found['recall_at_5'].value)}"
                )
            self.results[name, seed] = found

    def training(self, name: str) -> dict[str, Any]:
        """What training a variant took: `steps` of each run, `seconds` of the mean run, and
        `seconds_of_runs`."""
        runs = [Run(self.run_folder(name, seed)) for seed in range(self.seeds)]
        seconds = [run.status["seconds"] for run in runs]
        return {
            "steps": self.steps_of.get(name, self.steps),
            "seconds": sum(seconds) / len(seconds),
            "seconds_of_runs": seconds,
        }


@dataclass(frozen=True)
class AblationSummary:
    """Means, paired differences and verdicts over the runs of an ablation."""

    means: dict[str, dict[str, Estimate]]  # variant -> measure -> over seeds
    differences: dict[str, dict[str, Estimate]]  # "srm - mean" -> measure -> paired
    questions: dict[str, str]  # "srm - mean" -> what it asks
    baselines: dict[str, dict[str, float]]  # measure -> baseline -> value, of the first run's suite

    @property
    def adjusted(self) -> dict[tuple[str, str], float]:
        """(Comparison, one of VERDICT_MEASURES) -> p-value adjusted for all of them by `holm`."""
        found = {
            (pair, measure): p
            for pair, by_measure in self.differences.items()
            for measure in VERDICT_MEASURES
            if measure in by_measure and (p := by_measure[measure].p) is not None
        }
        return dict(zip(found, holm(list(found.values())), strict=True))

    @property
    def verdicts(self) -> dict[str, list[str]]:
        """Comparison -> a sentence for each of VERDICT_MEASURES, as the intervals say."""
        said: dict[str, list[str]] = {pair: [] for pair in self.differences}
        for (pair, measure), p in self.adjusted.items():
            said[pair].append(
                sentence(pair, measure, self.differences[pair][measure], p, self.not_moved(pair))
            )
        return said

    def not_moved(self, pair: str) -> list[str]:
        """Relation modules that a comparison asks about, and that training left at their start."""
        name, _, control = pair.partition(" - ")
        means = self.means[name]
        return not_moved(name, control, {m: means[m].value for m in TREATMENTS if m in means})

    def result(self) -> dict[str, Any]:
        """What results/ablation.json holds beside the protocol: variant -> measure -> mean, and
        "comparisons", the difference of each in recall@5 first."""
        compared: dict[str, Any] = {}
        adjusted = self.adjusted
        for pair, by_measure in self.differences.items():
            entries = {
                measure: {
                    **estimate.result("difference"),
                    "verdict": verdict(estimate, self.not_moved(pair)),
                    **({"p_holm": adjusted[pair, measure]} if (pair, measure) in adjusted else {}),
                }
                for measure, estimate in by_measure.items()
            }
            compared[pair] = {
                "question": self.questions[pair],
                "not_moved": self.not_moved(pair),
                "measure": "recall_at_5",
                **entries["recall_at_5"],
                "measures": entries,
            }
        return {
            **{
                name: {measure: estimate.result("mean") for measure, estimate in row.items()}
                for name, row in self.means.items()
            },
            "comparisons": compared,
            "baselines": self.baselines,
            "verdicts": self.verdicts,
        }


def summarize(
    results: Mapping[tuple[str, int], StudyResults], config: RunConfig, seed: int = 0
) -> AblationSummary:
    """Means and paired differences of the results of runs.

    Args:
        results: (variant, seed) -> results, every variant with the same seeds.
        config: of the ablation, which decides what controls what.
        seed: of the resamples.
    """
    names = list(dict.fromkeys(name for name, _ in results))
    seeds = sorted({number for _, number in results})
    draws: dict[str, dict[str, list[Resampled]]] = {}
    for name in names:
        for measure in ABLATION_MEASURES:
            runs = [results[name, number].get(measure) for number in seeds]
            known = [run for run in runs if run is not None and run.n]
            if len(known) == len(seeds):
                row = draws.setdefault(name, {})
                row[measure] = [Resampled.of(run, seed) for run in known]
    asked = comparisons(names, config)
    some = next(iter(results.values()))
    return AblationSummary(
        means={
            name: {measure: mean_over_seeds(runs) for measure, runs in row.items()}
            for name, row in draws.items()
        },
        differences={
            f"{name} - {control}": {
                measure: paired_difference(runs, draws[control][measure])
                for measure, runs in draws[name].items()
                if measure in draws[control] and measure not in TREATMENTS
            }
            for name, control, _ in asked
        },
        questions={f"{name} - {control}": question for name, control, question in asked},
        baselines={
            name: {
                (b if isinstance(b, str) else "chance"): some[b].value if isinstance(b, str) else b
                for b in measure.baselines
                if not isinstance(b, str) or b in some
            }
            for name, measure in MEASURES.items()
        },
    )


def shareable(settings: Any) -> Any:
    """Settings for a protocol that others read: of an absolute path its last part alone."""
    if isinstance(settings, Mapping):
        return {key: shareable(value) for key, value in settings.items()}
    if isinstance(settings, list | tuple):
        return [shareable(value) for value in settings]
    if isinstance(settings, str | Path) and Path(settings).is_absolute():
        return Path(settings).name
    return settings


def verdict(estimate: Estimate, not_moved: Sequence[str] = ()) -> str:
    """ "real", "not shown", or "not trained" where modules stayed at their start."""
    said = estimate.verdict
    return "not trained" if said == "not shown" and not_moved else said


def sentence(
    pair: str,
    measure: str,
    estimate: Estimate,
    p_holm: float | None = None,
    not_moved: Sequence[str] = (),
) -> str:
    """ "SRM over mean + global node: recall@5 +.030 [+.010, +.050], real"

    Args:
        p_holm: adjusted for all comparisons of a table: what is real says whether it stays so.
        not_moved: modules asked about that stayed at their start.
    """
    name, _, control = pair.partition(" - ")
    said = verdict(estimate, not_moved)
    if said == "not trained":
        said += f" ({' and '.join(not_moved)} stayed at their start)"
    if said == "real" and estimate.value < 0:
        said = "real, and worse"
    if p_holm is not None and estimate.verdict == "real":
        said += ", also after" if p_holm < LEVEL else ", but not after"
        said += f" Holm's correction (p {short(p_holm)})"
    title = ABLATION_MEASURES[measure]
    return f"{TITLES[name]} over {TITLES[control]}: {title} {estimate:+}, {said}"
