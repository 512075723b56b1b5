"""All task results of a run as one table in Markdown, with baselines and chance.

    results/<task>-<data set>.json -> Line per number -> python -m reclf.tasks.scoreboard RUN

Nothing is computed here: every number was written by a task notebook together with its protocol.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, short

from .results import REQUIRED, read_result

HEADER = ("task", "data", "n", "trained encoder", "untrained baseline", "chance")
NOT_APPLICABLE = {"value": None, "n": 0}  # of a control that the data set does not allow
_METRICS = {"auroc": "macro AUROC", "accuracy": "accuracy", "macro_f1": "macro F1"}
_MEASURE_OF = {"macro AUROC": "auroc", "Dice": "dice"}  # metric of a protocol -> measure
_MEASURES = {"pointing": "pointing game", "cnr": "CNR", "cnr_signed": "signed CNR", "miou": "mIoU"}


@dataclass(frozen=True)
class Line:
    """One number of a task.

    Attributes:
        what: the task, its metric, and what distinguishes this line from its others.
        trained, random: results with value and, if known, interval and n; random may be None.
        chance: None where it is not known.
        measure: name of the measure in result files, such as "auroc" or "recall_at_5".
        fraction: of the labels that were learned from; None where none are.
        start: the same of the pretrained towers before the training; None where there are none.
    """

    what: str
    trained: Mapping[str, Any]
    random: Mapping[str, Any] | None
    chance: float | None
    measure: str
    fraction: float | None = None
    start: Mapping[str, Any] | None = None


def lines_of(task: str, result: Mapping[str, Any]) -> list[Line]:
    """The lines of a result file; one for a task that is not known here."""
    make = _LINES.get(task)
    if make is None:
        metric = result["protocol"].get("metric", "")
        what = f"{task}, {metric}".rstrip(", ")
        return [Line(what, result, result["untrained_baseline"], result["chance"], metric)]
    return list(make(task, result))


def _zero_shot(task: str, result: Mapping[str, Any]) -> Iterator[Line]:
    choices = result["protocol"]
    pooling = choices["pooling"].partition(":")[0]
    for metric, name in _METRICS.items():
        mine, theirs = (result[key][metric] for key in ("metrics", "metrics_untrained_baseline"))
        what = f"zero-shot, {name} ({choices['score']} score, {pooling})"
        yield Line(what, mine, theirs, mine["chance"], metric)


def _fractions(task: str, result: Mapping[str, Any]) -> Iterator[Line]:
    """Of a linear probe, a fine-tuned one, and segmentation: a line per label fraction."""
    choices = result["protocol"]
    name, metric = task.replace("_", " "), choices["metric"].partition(",")[0]
    for fraction, found in result["fractions"].items():
        studies = choices["label_fractions"][fraction]["n"]
        what = f"{name}, {metric}, {100 * float(fraction):g} % of the labels ({studies:,})"
        chance = found["trained"].get("chance", result["chance"])
        measure = _MEASURE_OF.get(metric, metric)
        yield Line(
            what, found["trained"], found["random"], chance, measure, float(fraction),
            found.get("start"),
        )  # fmt: skip


def _segmentation(task: str, result: Mapping[str, Any]) -> Iterator[Line]:
    yield from _fractions(task, result)
    name = task.replace("_", " ")
    prior = {"value": result["place_prior"], "n": result["n"]}
    what = f"{name}, Dice of one mask for all, by place"
    yield Line(what, prior, None, result["chance"], "dice_place_prior")


def _retrieval(task: str, result: Mapping[str, Any]) -> Iterator[Line]:
    """Recall by identity or precision by class, whichever is reported."""
    measure, _, k = result["protocol"]["metric"].partition(" ")[0].partition("@")
    tables, by = result[measure], " by class" if measure == "precision" else ""
    mine, theirs = (tables[f"{who}, shortlist"] for who in ("trained", "random"))
    for key in (key for key in mine if key.startswith(f"{measure}_at_")):
        name = key.replace("_at_", "@")
        what = f"retrieval, {name}{by}, shortlist re-ranked by relations"
        n = {"n": mine["n"]}
        yield Line(what, {**mine[key], **n}, {**theirs[key], **n}, mine[key]["chance"], key)
    key = f"{measure}_at_{k}"
    what = f"retrieval, {measure}@{k}{by}, global score alone"
    entry, other = (tables[f"{who}, global"][key] for who in ("trained", "random"))
    yield Line(what, {**entry, "n": mine["n"]}, other, entry["chance"], f"{key}_global")


def _grounding(task: str, result: Mapping[str, Any]) -> Iterator[Line]:
    controls, noise = result["controls"], result["controls"]["noise"]["measures"]
    exact = {"pointing": result["area"], "cnr_signed": 0.0}
    for measure, name in _MEASURES.items():
        mine, theirs = (r["measures"][measure] for r in (result, result["untrained_baseline"]))
        chance = exact.get(measure, noise[measure]["value"])
        yield Line(f"grounding, {name}", {**mine, "n": result["n"]}, theirs, chance, measure)
    measure = result["metric"]
    name, chance = _MEASURES[measure], exact.get(measure, noise[measure]["value"])
    mine, theirs = (controls[f"{who}, shuffled phrases"] for who in ("trained", "random"))
    # In results of version 0.2 the phrase of another study could be the same phrase.
    other = "another phrase" if "other_phrase" in result else "phrases of other studies"
    what = f"grounding, {name}, {other}"
    yield Line(what, mine or NOT_APPLICABLE, theirs, chance, f"{measure}_other_phrase")
    center = controls["center of the image"]
    what = f"grounding, {name}, center of the image"
    yield Line(what, center, None, chance, f"{measure}_center")


_LINES: dict[str, Callable[[str, Mapping[str, Any]], Iterator[Line]]] = {
    "zero_shot": _zero_shot,
    "linear_probe": _fractions,
    "fine_tune": _fractions,
    "segmentation": _segmentation,
    "segmentation_fine_tuned": _segmentation,
    "retrieval": _retrieval,
    "grounding": _grounding,
}


def results_of(folder: str | Path) -> dict[str, dict[str, Any]]:
    """ "<task>-<data set>" -> result, of every task notebook that was run on a run; in the order of
    the data sets and tasks.

    Raises:
        FileNotFoundError: there is none.
    """
    found = {}
    for path in (Path(folder) / "results").glob("*-*.json"):
        result = read_result(path)
        if set(REQUIRED) <= result.keys():
            found[path.stem] = result
    if not found:
        raise FileNotFoundError(
            f"no task results in {Path(folder).absolute() / 'results'}: run a task notebook on the "
            "run first (`make evaluate` in a checkout runs all five)"
        )
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """The results as a table in Markdown."""
    rows = []
    for stem, result in results.items():
        task, _, data = stem.partition("-")
        try:
            lines = lines_of(task, result)
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"results/{stem}.json is no result of {task}: {error!r}. Run its notebook again, "
                "which replaces it"
            ) from error
        for line in lines:
            n = line.trained.get("n", result["n"])
            numbers = _cell(line.trained), _cell(line.random), short(line.chance)
            rows.append((line.what, data, f"{n:,}", *numbers))
    return markdown(HEADER, rows)


def _place(stem: str) -> tuple[str, int]:
    task, _, data = stem.partition("-")
    order = list(_LINES)
    return data, order.index(task) if task in order else len(order)


def _cell(result: Mapping[str, Any] | None) -> str:
    """ ".678 [.633, .727]", as far as it is known."""
    if result is NOT_APPLICABLE:
        return "not applicable"
    return "" if result is None else str(Estimate.of(result))


def main(arguments: list[str] | None = None) -> None:
    """Print the table of one run or several."""
    parser = argparse.ArgumentParser(prog="python -m reclf.tasks.scoreboard", description=__doc__)
    parser.add_argument("run", nargs="+", help="folder of a run, such as runs/first")
    for folder in parser.parse_args(arguments).run:
        try:
            print(f"{table(results_of(folder))}\n")
        except (OSError, ValueError) as error:
            parser.exit(2, f"{parser.prog}: error: {error}\n")


if __name__ == "__main__":
    main()
