"""Result files of tasks: what each of them holds, as JSON can hold it, and their earlier names.

results/<task>-<data set>.json -> read_result -> the present names, whoever wrote it
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reclf.config.foreign_files import DamagedFile, check_kinds, read_json
from reclf.stats.estimate import Estimate

REQUIRED = ("value", "interval", "n", "untrained_baseline", "chance", "per_class")
RENAMED = {
    "random_encoder": "untrained_baseline",
    "metrics_random_encoder": "metrics_untrained_baseline",
    "random_encoder_seed": "untrained_baseline_seed",
    "image_normalisation": "image_normalization",
    "normalisation": "normalization",
    "centre of the image": "center of the image",
    "pointing_centre": "pointing_center",
    "cnr_centre": "cnr_center",
    "cnr_signed_centre": "cnr_signed_center",
    "linear_probe_auroc_1pct": "quick_linear_probe_auroc",
    "linear_probe_auroc_1pct_random": "quick_linear_probe_auroc_untrained",
    "linear_probe_auroc_1pct_untrained": "quick_linear_probe_auroc_untrained",
}


def read_result(path: Path) -> Any:
    """The content of a result file by its present names.

    Raises:
        DamagedFile: it does not hold what was written.
    """
    found = read_json(path)
    _check_numbers(found, path)
    return present_names(found)


def _check_numbers(value: Any, path: Path) -> None:
    """What tables and figures read as numbers must be some, at any depth."""
    if isinstance(value, Mapping):
        check_kinds(value, {"value": int | float, "interval": list, "protocol": Mapping}, path)
        ends = value.get("interval") or ()
        if len(ends) not in (0, 2) or not all(isinstance(e, int | float | None) for e in ends):
            raise DamagedFile(path, f"interval is {ends!r:.60}")
        for name, inner in value.items():
            if name not in ("protocol", "protocols"):
                _check_numbers(inner, path)


def present_names(value: Any) -> Any:
    """A result in which the keys of earlier versions have their present names, at any depth."""
    if isinstance(value, Mapping):
        return {RENAMED.get(name, name): present_names(item) for name, item in value.items()}
    return [present_names(item) for item in value] if isinstance(value, list) else value


def short_hash(*texts: str) -> str:
    """16 hexadecimal digits of a list of texts."""
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()


def format_value(result: Mapping[str, Any]) -> str:
    """ ".812 [.790, .834]" from a value and its interval."""
    return str(Estimate.of(result))
