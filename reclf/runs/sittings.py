"""What may change when a run goes on: what changes nothing may, the rest is refused by name.

    config.json there, settings here --refused_changes--> those that change what is learned
    last sitting, this one --result_changes--> ACCEPTABLE by name

Data, processes and precision are compared as they are found, not as they are set: another folder
with the same studies changes nothing, and "auto" means something else on another machine.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from reclf.config import RunConfig, to_dict

ACCEPTABLE = ("data", "processes", "precision", "learning_rate")
RATES = (  # what can be lowered where a training came to numbers that are not finite
    "train.learning_rate",
    "train.tower_learning_rate",
    "train.warmup_steps",
    "train.clip_norm",
)
CHANGES_NOTHING = (
    "model.image_tower.revision",  # the checkpoint holds the tower
    "model.text_tower.revision",
    "data.workers",
    "train.pair_chunk",
    "train.encoder_chunk",  # batch norms see a chunk as their batch
    "train.text_chunks",
    "train.checkpoint_pairs",
    "train.device",
    "train.trackers",
    "train.checkpoint_minutes",
    # The schedule follows, see `reclf.training.checkpoints.change_budget`.
    "train.max_steps",
    "train.max_minutes",
)
# Their effect is compared by `result_changes`.
FOUND_OUT_LATER = ("data.root", "data.options", "train.precision")


class OtherResult(ValueError):
    """Going on with a run would change its result."""


def differences(there: Any, here: Any, path: str = "") -> dict[str, str]:
    """Dotted path -> "<path> is <value> there and <value> here", of nested dicts."""
    if not (isinstance(there, dict) and isinstance(here, dict)):
        return {} if there == here else {path: f"{path} is {there!r} there and {here!r} here"}
    found: dict[str, str] = {}
    for name in sorted(there.keys() | here.keys()):
        found |= differences(there.get(name), here.get(name), f"{path}.{name}" if path else name)
    return found


def refused_changes(there: RunConfig, here: RunConfig, accept: Sequence[str]) -> list[str]:
    """Those differences of settings that a run which has begun cannot take up, in words."""
    allowed = (*CHANGES_NOTHING, *FOUND_OUT_LATER, *["data.dataset"] * ("data" in accept))
    allowed += RATES * ("learning_rate" in accept)
    return [
        f"{text} (can be accepted: learning_rate)" if path in RATES else text
        for path, text in differences(to_dict(there), to_dict(here)).items()
        if not any(f"{path}.".startswith(f"{name}.") for name in allowed)
    ]


def check_accept(accept: Sequence[str]) -> None:
    """Refuse names that are not ACCEPTABLE."""
    for name in accept:
        if name not in ACCEPTABLE:
            near = get_close_matches(str(name), ACCEPTABLE, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"accept must be some of {', '.join(ACCEPTABLE)}, got {name!r}{hint} Other "
                "settings of a run that has begun cannot change"
            )


def describe_data(**data: Any) -> dict[str, dict[str, Any]]:
    """Of the data sets "train" and "val": fingerprint, None where there is none, and length."""
    return {
        name: {"fingerprint": getattr(one, "fingerprint", None), "studies": len(one)}
        for name, one in data.items()
    }


def result_changes(
    there: Mapping[str, Any], here: Mapping[str, Any], changed: Mapping[str, str]
) -> dict[str, str]:
    """What differs between two sittings and changes the result: one of ACCEPTABLE -> in words.

    Args:
        there, here: sittings with "data" (see `describe_data`), "processes" and "precision"; what
            one of them does not have is not compared.
        changed: `differences` of the settings. They count where a data set has no fingerprint, or
            an old sitting no precision, that could show them to change nothing.
    """
    found: dict[str, str] = {}
    if rates := [text for path, text in changed.items() if path in RATES]:
        found["learning_rate"] = "; ".join(rates)
    data, unknown = [], False
    for name, now in here.get("data", {}).items():
        then = there.get("data", {}).get(name, now)
        unknown = unknown or None in (now["fingerprint"], then["fingerprint"])
        if then["fingerprint"] != now["fingerprint"]:
            data.append(f"{name} is {_of_data(then)} there and {_of_data(now)} here")
    if unknown:
        data = [text for path, text in changed.items() if path.startswith("data.")]
        data += ["the data set has no fingerprint that could show it to be the same"] * bool(data)
    if data:
        found["data"] = "; ".join(data)
    for name in ("processes", "precision"):
        then, now = there.get(name), here.get(name)
        if None not in (then, now) and then != now:
            found[name] = f"{name}: {then!r} there and {now!r} here"
    if "precision" in here and "precision" not in there and "train.precision" in changed:
        found["precision"] = changed["train.precision"]
    return found


def _of_data(one: Mapping[str, Any]) -> str:
    studies = "" if one["studies"] is None else f"{one['studies']:,} studies, "
    return f"{studies}fingerprint {one['fingerprint']}"


def of_version_0_1(sitting: dict[str, Any]) -> dict[str, Any]:
    """An environment.json of version 0.1 or 0.2, without sittings: fingerprints stood in a list."""
    data = sitting.get("data", {})
    if not isinstance(data, list):
        for one in data.values():  # a damaged file fails here, where it is named
            one["fingerprint"], one["studies"]
        return sitting
    named = dict(zip(("train", "val"), data, strict=True))
    return sitting | {"data": {n: {"fingerprint": f, "studies": None} for n, f in named.items()}}
