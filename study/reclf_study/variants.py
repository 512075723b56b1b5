"""The aggregators of the ablation by name, and which of them is a fair control of which.

    name --> settings of the aggregator; everything else of a run stays as it is

What SRM reads decides what it must beat. Read out from a learned token (`read_out="token"`), it has
the words and nothing else, and so has the plain mean of the local-matchings. Read out from the
global matching (`"global"`, SGRAF's), it has that matching too, and so has "mean + global node". A
difference to the other control mixes the relations with the global node. IRM reads the words, and
with `include_global` the global matching. With `overlap` SRM also reads the overlap of the words'
attention; `srm_no_overlap` does not, neither on edges nor in messages. Stricter controls keep its
messages, read-out and depth, but have other edges: uniform (`srm_uniform`), given by the distance
of words in the text alone (`srm_distance_only`, the prior of `nearness` and `boundary`), or learned
without that prior (`srm_no_prior`). RECLF in parallel may train IRM with a separate loss
(`importance_loss`); `reclf_joint` does not. IRM's gates may be normalized over the words of a
report (`irm_norm`), without which they hardly leave one half, and see the word itself
(`irm_words`). Where the words of the local-matchings are tokens alone (`model.word_source`),
`reclf_placed` has words that know their place.

`log_sum_exp` pools word cosines as GLoRIA does, with the attention that all variants have. Only
`gloria_score` changes more than the aggregator: it has GLoRIA's attention and its three scales. Its
towers, data and global loss are those of the run, so it is GLoRIA's local score, and not GLoRIA.
"""

from dataclasses import replace
from typing import Any

from torch import nn

from reclf.config import ModelConfig, RunConfig
from reclf.models.relations import options_for
from reclf.models.relations.semantic import SRM


class UniformSRM(SRM):
    """SRM whose edges do not read the matchings: all alike, or by what lies between two words."""

    def __init__(self, dim: int, **options: Any):
        super().__init__(dim, **options)
        for name, parameter in self.named_parameters():
            if ".query." in name or ".key." in name:
                nn.init.zeros_(parameter)
                parameter.requires_grad_(False)


_PLAIN_EDGES = {"nearness": 0.0, "boundary": 0.0, "overlap": 0.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "global": {"aggregator": "global"},
    "log_sum_exp": {"aggregator": "gloria"},
    "gloria_score": {
        "aggregator": "gloria",
        "scale_in": 5.0,
        "scale_out": 10.0,
        "aggregate": "sum",
    },
    "mean": {"aggregator": "mean", "include_global": False},
    "mean_global": {"aggregator": "mean", "include_global": True},
    "irm": {"aggregator": "irm"},
    "irm_norm": {"aggregator": "irm", "norm": "report", "word_gate": False},
    "irm_words": {"aggregator": "irm", "norm": "report", "word_gate": True},
    "srm_uniform": {"aggregator": "reclf_study.variants:UniformSRM", **_PLAIN_EDGES},
    "srm_distance_only": {"aggregator": "reclf_study.variants:UniformSRM", "overlap": 0.0},
    "srm_no_prior": {"aggregator": "srm", **_PLAIN_EDGES},
    "srm_no_overlap": {"aggregator": "srm", "overlap": 0.0},
    "srm": {"aggregator": "srm"},
    "reclf": {"aggregator": "reclf", "composition": "parallel"},
    "reclf_joint": {"aggregator": "reclf", "composition": "parallel", "importance_loss": 0.0},
    "reclf_placed": {"aggregator": "reclf", "composition": "parallel"},
    "reclf_sequential": {
        "aggregator": "reclf",
        "composition": "sequential",
        "importance_loss": 0.0,  # its score is IRM's already
    },
}
# Settings of the model that a variant changes beside its aggregator: GLoRIA's temp1 is the scale.
FURTHER: dict[str, dict[str, Any]] = {
    "gloria_score": {
        "attention": "words_then_regions",
        "attention_scale": 4.0,
        "learn_attention_scale": False,
    },
    "reclf_placed": {"word_source": "embedding"},
}
# Older names, in result files and run folders; "gloria" never had GLoRIA's attention.
RENAMED = {
    "gloria": "log_sum_exp",
    "srm_blind": "srm_no_overlap",
    "srm_near": "srm_distance_only",
    "srm_level": "srm_no_prior",
}
TITLES = {
    "global": "global only",
    "log_sum_exp": "log-sum-exp of word cosines",
    "gloria_score": "GLoRIA's local score",
    "mean": "mean",
    "mean_global": "mean + global node",
    "irm": "IRM",
    "irm_norm": "IRM, gates normalized in a report",
    "irm_words": "IRM, normalized, gates that see the word",
    "srm_uniform": "SRM with uniform edges",
    "srm_distance_only": "SRM, edges by distance only",
    "srm_no_prior": "SRM without a distance prior",
    "srm_no_overlap": "SRM without overlap",
    "srm": "SRM",
    "reclf": "RECLF, parallel",
    "reclf_joint": "RECLF, parallel, single loss",
    "reclf_placed": "RECLF, parallel, words with their place",
    "reclf_sequential": "RECLF, sequential",
}


def title(name: str) -> str:
    """A variant's name in tables; older names are known."""
    return TITLES[RENAMED.get(name, name)]


def variant_config(name: str, config: RunConfig) -> RunConfig:
    """A run's settings with the aggregator of a variant.

    Options of the run's own aggregator that the variant's takes too (steps, read-out, norm) are
    kept, so that variants differ in nothing else; but for FURTHER.

    Raises:
        ValueError: unknown variant; the message lists the names.
    """
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}; variants: {', '.join(VARIANTS)}")
    own = dict(VARIANTS[name])
    aggregator = own.pop("aggregator")
    kept = options_for(aggregator, config.model.aggregator_options)
    model = replace(
        config.model,
        aggregator=aggregator,
        aggregator_options=kept | own,
        **FURTHER.get(name, {}),
    )
    return replace(config, model=model)


def distinct_variants(config: RunConfig) -> list[str]:
    """Those that differ from each other in these settings."""
    options = config.model.aggregator_options
    alike = set() if options.get("importance_loss") else {"reclf_joint"}
    if config.model.word_source != "token":
        alike |= {"reclf_placed"}
    if not (options.get("nearness") or options.get("boundary")):
        alike |= {"srm_distance_only", "srm_no_prior"}
    if not options.get("overlap"):
        alike |= {"srm_no_overlap"}
    if options.get("norm") == "report":
        alike |= {"irm_words" if options.get("word_gate") else "irm_norm"}
    return [name for name in VARIANTS if name not in alike]


def reads_global(model: ModelConfig) -> bool:
    """Whether the local score of a model sees the global matching."""
    options = model.aggregator_options
    semantic = model.aggregator in ("srm", "reclf", "reclf_study.variants:UniformSRM")
    return bool(options.get("include_global")) or (semantic and options.get("read_out") != "token")


def control_of(name: str, config: RunConfig) -> str:
    """The variant that reads what this one reads, and relates nothing.

    Args:
        name: a variant.
        config: the ablation's settings, which decide what SRM and IRM read.
    """
    if name == "global":
        raise ValueError("the global score alone is the last control; it has none itself")
    if name in ("log_sum_exp", "gloria_score", "mean", "mean_global"):
        return "global"
    return "mean_global" if reads_global(variant_config(name, config).model) else "mean"


def comparisons(names: list[str], config: RunConfig) -> list[tuple[str, str, str]]:
    """What an ablation of these variants can answer: (variant, control, question) each."""
    asked = [(name, control_of(name, config), "control") for name in names if name != "global"]
    relational = [n for n in names if n in ("irm", "srm", "reclf", "reclf_sequential")]
    asked += [(n, c, "other control") for n in relational for c in ("mean", "mean_global")]
    asked += [(n, "global", "uses word-level matchings") for n in relational]
    blind = "srm_no_overlap" if config.model.aggregator_options.get("overlap") else "srm"
    asked += [
        ("srm", "srm_no_overlap", "overlap of attention"),
        (blind, "srm_uniform", "edges"),
        (blind, "srm_distance_only", "edges beyond distance"),
        (blind, "srm_no_prior", "the distance prior"),
        ("irm_norm", "irm", "a norm of the gates"),
        ("irm_words", "irm_norm", "a gate that sees the word"),
        ("reclf", "srm", "adding IRM to SRM"),
        ("reclf", "irm", "adding SRM to IRM"),
        ("reclf", "reclf_joint", "a separate loss for IRM"),
        ("reclf_joint", "srm", "adding IRM to SRM (single loss)"),
        ("reclf", "reclf_placed", "words without their place"),
        ("reclf_sequential", "reclf", "composition"),
        ("mean_global", "mean", "the global node"),
        ("gloria_score", "log_sum_exp", "GLoRIA's attention"),
    ]
    known: dict[tuple[str, str], str] = {}
    for name, control, question in asked:
        if name in names and control in names:
            known.setdefault((name, control), question)
    return [(name, control, question) for (name, control), question in known.items()]
