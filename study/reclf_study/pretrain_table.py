"""What the pretrain notebook reports as a table in Markdown.

results/pretrain.json -> a row for each of four numbers
"""

from collections.abc import Mapping
from typing import Any

from reclf.stats.estimate import Estimate
from reclf.stats.tables import markdown, number, short


def as_markdown(result: Mapping[str, Any]) -> str:
    """What results/pretrain.json says; empty cells are not known."""
    recall = Estimate.of(
        {"value": result["recall_at_5"], "interval": result["recall_at_5_interval"]}
    )
    chance = short(result["recall_at_5_chance"])
    rows = [
        (
            f"retrieval recall@5 of {result['n_gallery']}, mean of both directions",
            str(recall),
            "",
            chance,
        ),
        ("the same by the global score alone", short(result["recall_at_5_global"]), "", chance),
        (
            "quick linear probe (at most 100 labeled studies), macro AUROC",
            short(result["quick_linear_probe_auroc"]),
            short(result["quick_linear_probe_auroc_untrained"]),
            short(0.5),
        ),
        ("zero-shot, macro AUROC", short(result["zero_shot_auroc"]), "", short(0.5)),
    ]
    return (
        f"{markdown(('', 'trained', 'untrained baseline', 'chance'), rows)}\n\n"
        f"{result['steps']} steps in {number(result['train_seconds'], '.0f')} s, "
        f"{number(result['studies_per_second'], '.0f')} studies/s."
    )
