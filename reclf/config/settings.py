"""Settings as data: frozen dataclasses that refuse nonsense by name, and round-trip through JSON.

    preset (a function) -> RunConfig -> override(config, {"model.srm_steps": 1}) -> config.json

A setting is addressed by its dotted path, in notebooks (`overrides`), in error messages and in
`config.json`; a dict merges key by key into what is there. Text of YAML or of a command line is
read as the field's type: "1e-4" is a number, and on a command line a dict is JSON.
"""

import math
from dataclasses import dataclass, field
from typing import Any

WORD_SOURCES = ("token", "embedding", "last", "last_four")
POOLINGS = ("mean", "attention", "grid")
ATTENTIONS = ("cosine", "words_then_regions")
SOFT_TARGETS = ("labels", "mesh", "text")
DEVICES = ("auto", "cpu", "cuda")
MOST_PIXELS = 4096  # side of an image: a file that asks for more would fill the memory
MOST = 2**16  # of a dimension, or of words


def check(condition: bool, name: str, value: object, rule: str) -> None:
    """Raise `ValueError: <name> must <rule>, got <value>` unless the condition holds."""
    if not condition:
        raise ValueError(f"{name} must {rule}, got {value!r}")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise `ValueError` unless the value is one of the choices."""
    named = ", ".join(choice for choice in choices if choice)
    check(value in choices, name, value, f"be one of {named}{' or empty' * ('' in choices)}")


def check_shares(name: str, shares: dict[str, float]) -> None:
    """Raise `ValueError` unless these are shares from 0 to 1, together 1 at most."""
    for part, share in shares.items():
        right = isinstance(share, int | float) and 0 <= share <= 1
        check(right, f"{name}.{part}", share, "be a share from 0 to 1")
    check(math.fsum(shares.values()) <= 1, name, shares, "sum to 1 at most")


@dataclass(frozen=True)
class TowerConfig:
    """One transformers tower: pretrained (by folder or hub name), or built from a configuration."""

    name: str = ""
    """Folder or hub name of pretrained weights; empty builds an untrained tower from `config`."""
    revision: str = ""
    """Commit hash or tag on the hub; pin it, since a branch moves. Ignored for folders."""
    config: dict[str, Any] = field(default_factory=dict)
    """transformers configuration with `model_type`, used when `name` is empty."""
    freeze: bool = False
    """Keep the tower's weights, and its BatchNorm statistics, as they are."""

    def __post_init__(self) -> None:
        if self.name:  # what is not used would only mislead in config.json
            object.__setattr__(self, "config", {})
        elif "model_type" not in self.config:
            raise ValueError(
                "a tower needs `name` (a folder or a hub name) or `config` with a `model_type`, "
                f"got name='' and config={self.config!r}"
            )


@dataclass(frozen=True)
class ModelConfig:
    """What is computed. The letters are those of the method: D embedding, S matching dimension."""

    image_tower: TowerConfig
    """ResNet-like backbone or ViT."""
    text_tower: TowerConfig
    """BERT-like encoder."""
    image_size: int = 224
    """Side of the square input image in pixels."""
    image_mean: float = 0.5
    """Subtracted from pixel values in [0, 1] before the tower."""
    image_std: float = 0.25
    """Divides the centered pixel values."""
    region_stage: int = 3
    """Stage of the backbone whose feature map gives the regions (1-4); a ViT gives its patches."""
    region_position: bool = True
    """Add a projected 2-D sine code of its place to every region vector (ours)."""
    image_pooling: str = "mean"
    """Global image vector: "mean" of the last feature map, "attention" with a learned query, or
    "grid": the region stage as `pooling_grid` x `pooling_grid` regions, each with a projection of
    its own, of which it is the mean (ours)."""
    pooling_grid: int = 7
    """Regions on a side with `image_pooling` "grid"; others come from the map as it is."""
    word_source: str = "last_four"
    """Vectors of the words in local-matchings: "token" (context-free, the same wherever a word
    stands), "embedding" (context-free, with its place, where the tower adds one), "last",
    "last_four"."""
    max_words: int = 97
    """Words kept of a report; the rest is cut, and counted."""
    max_tokens: int = 160
    """Tokens kept of a report, special tokens included."""
    embed_dim: int = 256
    """D, shared by images and texts after projection."""
    matching_dim: int = 256
    """S, the size of a local-matching."""
    attention: str = "cosine"
    """How a word attends to regions: "cosine", or "words_then_regions" (GLoRIA)."""
    attention_scale: float = 9.0
    """Multiplier inside the attention softmax, at the start."""
    learn_attention_scale: bool = False
    """Learn the multiplier (in log space)."""
    aggregator: str = "reclf"
    """A name of `reclf.models.relations.AGGREGATORS`, or "module:Class" of your own."""
    aggregator_options: dict[str, Any] = field(default_factory=dict)
    """Arguments of the aggregator beyond the matching dimension."""
    global_weight: float = 1.0
    """Weight of the global logits in `logits` (the combined score); the local ones have 1."""
    logit_scale: float = 14.285714
    """exp of the learned parameter at the start: 1 / 0.07."""

    def __post_init__(self) -> None:
        side = self.image_size
        check(32 <= side <= MOST_PIXELS, "model.image_size", side, f"be 32 to {MOST_PIXELS}")
        check(self.image_std > 0, "model.image_std", self.image_std, "be positive")
        check(1 <= self.region_stage <= 4, "model.region_stage", self.region_stage, "be 1 to 4")
        check_choice("model.image_pooling", self.image_pooling, POOLINGS)
        check(1 <= self.pooling_grid <= 64, "model.pooling_grid", self.pooling_grid, "be 1 to 64")
        check_choice("model.word_source", self.word_source, WORD_SOURCES)
        check_choice("model.attention", self.attention, ATTENTIONS)
        for name in ("max_words", "embed_dim", "matching_dim", "attention_scale", "logit_scale"):
            value = getattr(self, name)
            check(value > 0, f"model.{name}", value, "be positive")
            check(value <= MOST, f"model.{name}", value, f"be at most {MOST}")
        check(self.max_tokens >= 3, "model.max_tokens", self.max_tokens, "be at least 3")
        check(self.max_tokens <= MOST, "model.max_tokens", self.max_tokens, f"be at most {MOST}")


@dataclass(frozen=True)
class DataConfig:
    """Where studies come from."""

    dataset: str = "phantom"
    """A module of reclf.datasets ("phantom", "table", "mimic_cxr", ...) or "module:Class"."""
    root: str = ""
    """Folder of the data set; empty for the phantom."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the data set class."""
    counterfactuals: dict[str, float] = field(default_factory=dict)
    """Fact -> share of the training studies that come with a counterfactual study which differs in
    it, e.g. {"binding": 0.5} of the phantom. Of all others with reports, "mirror" and "composite",
    and those of which only the report is changed: "denied", "side", "zone", "severity", "negation",
    "affirmation", "finding"."""
    counterfactuals_from: int = 0
    """Passes through the training studies before the first counterfactual."""
    swapped_reports: int = 1
    """Most changed reports of a study: of its own fact, then of those that follow in
    `counterfactuals`."""
    train_split: str = "train"
    """Split to learn from."""
    val_split: str = "val"
    """Split that picks the best checkpoint."""
    test_split: str = "test"
    """Split that the notebook reports on, once."""
    augment: bool = True
    """Small rotations, shifts, scalings and exposure changes; never flips."""
    workers: int = 0
    """Processes that load studies; 0 loads in the training process."""
    vocab_size: int = 2000
    """Size of the tokenizer trained on the reports when the text tower brings none."""

    def __post_init__(self) -> None:
        check(self.workers >= 0, "data.workers", self.workers, "not be negative")
        check(self.vocab_size >= 50, "data.vocab_size", self.vocab_size, "be at least 50")
        check_shares("data.counterfactuals", self.counterfactuals)
        start = self.counterfactuals_from
        check(start >= 0, "data.counterfactuals_from", start, "not be negative")
        check(
            self.swapped_reports >= 1, "data.swapped_reports", self.swapped_reports, "be positive"
        )


@dataclass(frozen=True)
class TrainConfig:
    """How the weights are learned."""

    max_minutes: float = 5.0
    """Time budget of the loop, validation included; the number of steps follows from it."""
    max_steps: int = 0
    """Optimizer steps; 0 lets `max_minutes` decide. With both, the shorter one ends the run."""
    batch_size: int = 32
    """Studies per process and micro-batch; all pairs of all processes are contrasted."""
    accumulate: int = 1
    """Micro-batches per optimizer step."""
    pair_chunk: int = 0
    """Image-report pairs related at a time; 0 chooses what suits the device. Bounds memory."""
    checkpoint_pairs: bool | str = "auto"
    """Recompute a chunk of pairs in the backward pass instead of keeping its activations: true,
    false, or "auto": on a GPU where all of them may not fit. The result is the same."""
    encoder_chunk: int = 0
    """Studies encoded at a time, and again in the backward pass (a gradient cache): memory holds
    the activations of one chunk. 0 encodes a batch at once. Batch norms see a chunk as a batch."""
    text_chunks: int = 1
    """Parts of a batch, from short to long reports, that the text tower takes one after the other,
    each padded to its own longest report. 1 takes all at once."""
    shortlist: int = 0
    """K: relate only the positives and the K hardest negatives, by global score, of every image
    and every report; time and memory then grow with the batch, not its square. 0 relates all."""
    aligned_start: int = 0
    """Studies whose pooled tower outputs give the projections a start by CCA; 0 starts at random.
    For pretrained towers and `model.image_pooling` "mean" or "grid"."""
    learning_rate: float = 1e-3
    """Peak of the schedule (AdamW)."""
    tower_learning_rate: float = 0.0
    """Peak for both towers; 0 means the same as `learning_rate`."""
    weight_decay: float = 0.05
    """Not applied to biases, norms, scales and embeddings."""
    warmup_steps: int = 50
    """Linear warm-up, then cosine to zero."""
    clip_norm: float = 1.0
    """Largest gradient norm; 0 does not clip."""
    local_weight: float = 1.0
    """lambda: weight of the relation-enhanced loss, auxiliary ones included; the global is 1."""
    identity_aware: bool = False
    """Count studies with the same report text as positives of each other."""
    soft_targets: dict[str, float] = field(default_factory=dict)
    """Soft targets of the loss: kind of similarity -> the share of the target that follows it, e.g.
    {"labels": 0.3}; identity keeps the rest. "labels": overlap of the label sets; "mesh": of the
    codes in a column "mesh"; "text": of the words, rare ones weighing more."""
    precision: str = "auto"
    """Autocast: "no", "bf16", "fp16" (CUDA only), or "auto": bf16 where the device has it."""
    seed: int = 0
    """Seed of weights, data order, augmentation and dropout."""
    device: str = "auto"
    """"auto", "cpu" or "cuda"."""
    fast_math: bool = False
    """On a GPU, float32 products in TF32, and the kernels of cuDNN that are found to be fastest.
    Results then differ by rounding from run to run, and from a run that goes on."""
    evaluate_every: int = 0
    """Steps between validations; 0 validates four times in a run."""
    val_studies: int = 200
    """Studies of the validation gallery."""
    memo_gb: float = 4.0
    """Memory, in GB, for what each frozen tower makes of a study, so that it sees it once; images
    are not kept where `data.augment` changes them. 0 keeps nothing."""
    checkpoint_minutes: float = 1.0
    """Time between resumable checkpoints."""
    trackers: list[str] = field(default_factory=list)
    """Also log to these: "tensorboard" (events in the run folder), "wandb", "mlflow", "trackio" and
    others that Accelerate knows; each but the first is a package of its own."""

    def __post_init__(self) -> None:
        numbers = "max_minutes", "batch_size", "accumulate", "learning_rate", "val_studies"
        for name in (*numbers, "text_chunks"):
            check(getattr(self, name) > 0, f"train.{name}", getattr(self, name), "be positive")
        for name in ("max_steps", "pair_chunk", "encoder_chunk", "shortlist", "warmup_steps"):
            check(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "not be negative")
        for name in ("clip_norm", "weight_decay", "memo_gb", "aligned_start"):
            check(getattr(self, name) >= 0, f"train.{name}", getattr(self, name), "not be negative")
        check(self.batch_size > 1, "train.batch_size", self.batch_size, "be at least 2")
        check_choice("train.precision", self.precision, ("auto", "no", "bf16", "fp16"))
        check_choice("train.device", self.device, DEVICES)
        again, rule = self.checkpoint_pairs, 'be true, false or "auto"'
        known = isinstance(again, bool) or again == "auto"
        check(known, "train.checkpoint_pairs", again, rule)
        for kind in self.soft_targets:
            check_choice("a kind of train.soft_targets", kind, SOFT_TARGETS)
        check_shares("train.soft_targets", self.soft_targets)


@dataclass(frozen=True)
class RunConfig:
    """Everything a run is made from."""

    model: ModelConfig
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
