"""Results of several runs in tables: those that were evaluated alike in one, the others apart.

    run folders --> results by file --groups of equal protocols--> a table per group, why they are
    apart, settings that differ

Two numbers may stand in one table only if they were evaluated alike: the same studies, prompts,
pooling, image size. Each results file states its choices ("protocol"); runs whose choices differ
get a table of their own, and the choice is named. What may differ within a table is what is
compared: the model and its training data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from reclf.config import to_dict
from reclf.runs.run import Run
from reclf.stats.estimate import Estimate
from reclf.tasks.results import read_result

# Of a protocol: what the run is, not how it was evaluated.
OF_THE_RUN = (
    "checkpoint_step",
    "checkpoint_hash",
    "trained_on",
    "initialization",
    "patients_in_training",
)
NOT_STATED = "not stated"


def find_runs(pattern: str) -> tuple[list[Run], dict[str, str]]:
    """Run folders that a glob pattern names, and the other folders' names with the reason.

    Raises:
        FileNotFoundError: the pattern names no run.
    """
    folders = [Path(path) for path in sorted(glob(pattern)) if Path(path).is_dir()]
    runs, others = [], {}
    for folder in folders:
        try:
            runs.append(Run(folder))
        except FileNotFoundError:
            others[folder.name] = "no config.json"
        except ValueError as error:
            others[folder.name] = f"its config.json cannot be read: {error}"
    if not runs:
        raise FileNotFoundError(
            f"{pattern} names no run: of {len(folders)} folders none has a config.json that can be "
            "read. Quote the "
            "pattern, so that the shell leaves it as it is: -p runs 'runs/*'"
        )
    return runs, others


def read_results(runs: Sequence[Run], patterns: Sequence[str] = ("*",)) -> dict[str, dict]:
    """Results file (without .json) -> run's folder name -> its content.

    Args:
        patterns: of file names without .json, e.g. "relations-*".

    Raises:
        ValueError: two runs have one name.
        FileNotFoundError: no run has such a results file.
    """
    names = [run.folder.name for run in runs]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"two runs have one folder name ({', '.join(twice)}): rename one")
    found: dict[str, dict] = {}
    for run in runs:
        paths = {p for pattern in patterns for p in run.folder.glob(f"results/{pattern}.json")}
        for path in sorted(paths):
            found.setdefault(path.stem, {})[run.folder.name] = read_result(path)
    if not found:
        raise FileNotFoundError(
            f"none of {len(runs)} runs has a results file like {' or '.join(patterns)}"
        )
    return dict(sorted(found.items()))


def protocol_of(run: Run, content: Mapping[str, Any]) -> dict[str, Any]:
    """How a result was evaluated: its protocol, by dotted name.

    The pretrain notebook's file has none; the settings of its run stand in.
    """
    if "protocol" in content:
        return flat(content["protocol"])
    config = run.config
    return {
        "dataset": config.data.dataset,
        "split": content.get("split", config.data.test_split),
        "image_size": config.model.image_size,
        "gallery": content.get("n_gallery"),
        **flat(config.data.options, "options"),
    }


def disagreements(
    name: str, protocols: Mapping[str, Mapping[str, Any]], allow: Sequence[str] = ()
) -> list[str]:
    """One sentence for each choice of a results file that differs between runs.

    Args:
        name: of the file.
        protocols: run -> choice -> value, see `protocol_of`.
        allow: choices that may differ; "options" stands for all that begin with "options.".
    """
    choices = dict.fromkeys(choice for protocol in protocols.values() for choice in protocol)
    found = []
    for choice in choices:
        if _is_named(choice, (*OF_THE_RUN, *allow)):
            continue
        by_value: dict[str, list[str]] = {}
        for run, protocol in protocols.items():
            value = repr(protocol[choice]) if choice in protocol else NOT_STATED
            by_value.setdefault(value, []).append(run)
        if len(by_value) > 1:
            parts = [f"{_short(value)} in {', '.join(runs)}" for value, runs in by_value.items()]
            found.append(f"{name}: {choice} is {' and '.join(parts)}")
    return found


def groups(
    protocols: Mapping[str, Mapping[str, Any]], allow: Sequence[str] = ()
) -> list[list[str]]:
    """Runs whose protocols agree, the largest group first.

    Args:
        protocols, allow: see `disagreements`.
    """
    found: list[list[str]] = []
    for run, protocol in protocols.items():
        for group in found:
            if not disagreements("", {group[0]: protocols[group[0]], run: protocol}, allow):
                group.append(run)
                break
        else:
            found.append([run])
    return sorted(found, key=len, reverse=True)


def numbers_of(content: Mapping[str, Any]) -> dict[str, Estimate]:
    """Every measure of a result by dotted name, with its interval where it has one.

    A dict with "value" is one measure; a bare number at the top is one too, with its interval
    beside it as <name>_interval. Missing values (null) are left out.
    """
    found: dict[str, Estimate] = {}

    def walk(node: Mapping[str, Any], path: str) -> None:
        value, interval = node.get("value"), node.get("interval")
        if value is not None and _is_number(value):
            found[path or "value"] = Estimate.of({"value": value, "interval": interval})
        for name, part in node.items():
            if isinstance(part, Mapping) and name != "protocol":
                walk(part, f"{path}.{name}" if path else name)

    walk(content, "")
    for name, value in content.items():
        if _is_number(value) and name not in ("value", "chance", "n"):
            interval = content.get(f"{name}_interval")
            found[name] = Estimate.of({"value": value, "interval": interval})
    return found


def headlines(names: Sequence[str]) -> list[str]:
    """Measures that are no detail of another: not "recall_at_5_global" beside "recall_at_5", and
    nothing nested where there is something at the top."""
    top = [name for name in names if "." not in name] or list(names)
    return [n for n in top if not any(n != o and n.startswith(f"{o}_") for o in top)]


@dataclass(frozen=True)
class Comparison:
    """Runs whose results stand side by side as far as they were evaluated alike.

    Attributes:
        runs: in the order of the columns.
        numbers: table -> run -> measure -> number. The largest group of runs of a results file has
            the table of its name, a second one "<file> (2)", and so on.
        settings: setting -> run -> value, for the settings that differ.
        apart: table of such a further group -> how its runs were evaluated differently from the
            first table's.
    """

    runs: list[str]
    numbers: dict[str, dict[str, dict[str, Estimate]]]
    settings: dict[str, dict[str, Any]]
    apart: dict[str, list[str]]

    @classmethod
    def of(
        cls, runs: Sequence[Run], patterns: Sequence[str] = ("*",), allow: Sequence[str] = ()
    ) -> "Comparison":
        """Compare runs.

        Args:
            patterns: see `read_results`.
            allow: see `disagreements`.
        """
        by_name = {run.folder.name: run for run in runs}
        numbers: dict[str, dict[str, dict[str, Estimate]]] = {}
        apart: dict[str, list[str]] = {}
        for name, by_run in read_results(runs, patterns).items():
            protocols = {run: protocol_of(by_name[run], c) for run, c in by_run.items()}
            first, *others = groups(protocols, allow)
            numbers[name] = {run: numbers_of(by_run[run]) for run in first}
            for k, group in enumerate(others, 2):
                table = f"{name} ({k})"
                numbers[table] = {run: numbers_of(by_run[run]) for run in group}
                compared = {run: protocols[run] for run in (*first, *group)}
                apart[table] = disagreements(name, compared, allow)
        configs = {run.folder.name: flat(to_dict(run.config)) for run in runs}
        every = dict.fromkeys(setting for config in configs.values() for setting in config)
        settings = {
            s: {run: config.get(s, NOT_STATED) for run, config in configs.items()}
            for s in every
            if len({repr(config.get(s, NOT_STATED)) for config in configs.values()}) > 1
        }
        return cls(list(by_name), numbers, settings, apart)

    def rows(self, name: str, details: bool = False) -> list[str]:
        """Measures of a results file, in its order."""
        by_run = self.numbers[name].values()
        measures = list(dict.fromkeys(m for measured in by_run for m in measured))
        return measures if details else headlines(measures)

    def table(self, name: str, details: bool = False) -> dict[str, dict[str, str]]:
        """Run -> measure -> number as text, "-" where a run has none."""
        rows = self.rows(name, details)
        return {
            run: {m: str(measured[m]) if m in measured else "-" for m in rows}
            for run, measured in self.numbers[name].items()
        }

    def result(self) -> dict[str, Any]:
        """What comparison.json holds: table -> measure -> run -> value and interval."""
        return {
            "runs": self.runs,
            "settings": self.settings,
            "apart": self.apart,
            "results": {
                name: {
                    measure: {
                        run: {"value": n.value, "interval": n.result()["interval"]}
                        for run in self.runs
                        if (n := self.numbers[name].get(run, {}).get(measure)) is not None
                    }
                    for measure in self.rows(name, details=True)
                }
                for name in self.numbers
            },
        }


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; an empty dict has no entry."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{prefix}.{name}" if prefix else str(name)
        found |= flat(value, path) if isinstance(value, Mapping) else {path: value}
    return found


def _is_named(choice: str, names: Sequence[str]) -> bool:
    return any(choice == name or choice.startswith(f"{name}.") for name in names)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
