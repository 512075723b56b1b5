"""The real-film benchmark as a table in Markdown: results/films-<data>.json -> rows of MEASURES."""

from collections.abc import Mapping
from typing import Any

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, short

from .film_benchmark import MEASURES


def as_markdown(result: Mapping[str, Any]) -> str:
    """A row for each measure that the run has: value, chance, ceiling, untrained baseline, n."""
    rows = []
    for name, row in MEASURES.items():
        if name in result:
            found = result[name]
            others = [found.get(key) for key in ("chance", "ceiling", "untrained_baseline")]
            cells = ["" if value is None else short(value) for value in others]
            rows.append([row.title, str(Estimate.of(found)), *cells, str(found["n"])])
    return markdown(["", "value", "chance", "ceiling", "untrained baseline", "n"], rows)
