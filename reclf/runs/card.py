"""The card of a run, its README.md: what it is, how it was made, how good it is, and what for."""

from collections.abc import Mapping
from typing import Any

from reclf.config import RunConfig
from reclf.stats.tables import markdown, no_html, short


def card(name: str, config: RunConfig, verdict: str, results: Mapping[str, Any]) -> str:
    """Markdown.

    Args:
        name: of the run.
        verdict: one sentence, see `reclf.tasks.verdict`.
        results: name -> number, interval or text.
    """
    lines = [
        f"# {name}",
        "",
        verdict,
        "",
        "A RECLF model of radiographs and reports, by the open reconstruction in the package "
        "`reclf`. Research only, not for diagnosis.",
        "",
        f"- data: `{config.data.dataset}`, trained on split `{config.data.train_split}`",
        f"- image tower: {config.model.image_tower.name or 'from scratch'}, "
        f"{config.model.image_size} px; text tower: "
        f"{config.model.text_tower.name or 'from scratch'}",
        f"- aggregator: `{config.model.aggregator}` {config.model.aggregator_options}",
        f"- seed {config.train.seed}; all settings in config.json, machine and versions in "
        "environment.json",
        "",
        "```python",
        "from reclf import RECLF",
        "",
        'model = RECLF.from_pretrained("checkpoints/best")',
        "```",
        "",
        markdown(("result", "value"), ((n, _rounded(value)) for n, value in results.items())),
        "",
    ]
    return no_html("\n".join(lines))


def _rounded(value: Any) -> str:
    if isinstance(value, float):
        return short(value)
    if value is None:
        return "n/a"
    if isinstance(value, list):
        return " to ".join(_rounded(item) for item in value)
    return str(value)
