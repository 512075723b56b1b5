"""How much memory the pairs of a step keep for the backward pass, known before the step.

    settings, images, reports, words, regions --a step on the meta device--> bytes

Every process relates its own reports with the images of all processes, so that this memory grows
with their number. Torch's meta device has shapes and no values: what autograd would keep is counted
and nothing is computed. On a GPU the fused attention of SRM's steps keeps less.
"""

import warnings
from functools import partial

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from reclf.config import ModelConfig, TrainConfig
from reclf.models.encoders import ImageFeatures, TextFeatures
from reclf.models.matchings import LocalMatchings
from reclf.models.reclf import RECLF
from reclf.models.relations import Aggregator, make_aggregator
from reclf.models.scoring import PairScorer

SHARE = 0.5  # of the free memory: towers, optimizer and what a backward pass makes need the rest


def kept_bytes(
    config: ModelConfig,
    images: int,
    reports: int,
    words: int,
    regions: int,
    dtype: torch.dtype = torch.bfloat16,
    recompute: bool = False,
    aggregator: type[Aggregator] | None = None,
) -> int:
    """Bytes that autograd keeps to relate all images with all reports, beside features and weights.

    Args:
        config: of a model; its towers are not built.
        words, regions: of each report and image.
        dtype: of features and matchings, bfloat16 under autocast.
        recompute: `train.checkpoint_pairs`.
        aggregator: a class of your own, where the settings do not name it.
    """
    with torch.device("meta"):
        matchings = LocalMatchings(config.embed_dim, config.matching_dim, config.attention)
        relating = make_aggregator(
            config.aggregator,
            config.matching_dim,
            config.aggregator_options,
            aggregator,
            config.embed_dim,
        )
        if not relating.uses_matchings:
            return 0
        shapes = (images,), (images, regions), (reports,), (reports, words)
        features = [
            torch.empty(*shape, config.embed_dim, dtype=dtype, requires_grad=True)
            for shape in shapes
        ]
        mask = torch.ones(reports, words, dtype=torch.bool)
        sentences = torch.zeros(reports, words, dtype=torch.long)
        pooled = torch.empty(images, 1)
    scorer = PairScorer(matchings.to(dtype), relating.to(dtype), 0, recompute)
    weights = [*matchings.parameters(), *relating.parameters()]
    there = {tensor.untyped_storage()._cdata for tensor in (*features, *weights, mask, sentences)}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no number is used twice

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in there:
            kept[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        scorer.all_pairs(
            ImageFeatures(features[0], features[1], pooled, (1, regions)),
            TextFeatures(features[2], features[3], mask, sentences),
            [words] * reports,
        )
    return sum(storage.nbytes() for storage in kept.values())


def judge_memory(model: RECLF, config: TrainConfig, processes: int, free: int) -> bool:
    """Whether all pairs take more memory than there may be; where nothing is done about it, or not
    enough, a warning says so before the first step, and what does.

    Args:
        config: `checkpoint_pairs` "auto" computes pairs again where they do not fit.
        processes: of the training.
        free: bytes of the device.
    """
    if config.shortlist or not model.aggregator.uses_matchings:
        return False
    own, joint, words = config.batch_size, config.batch_size * processes, model.config.max_words
    kind, how = type(model.aggregator), config.checkpoint_pairs
    count = partial(kept_bytes, model.config, joint, own, words, _regions(model), aggregator=kind)
    try:
        needed, again = count(), count(recompute=True)
    except RuntimeError as error:  # as where an aggregator of your own reads values
        said = (
            f"what pairs keep in memory is not known: {kind.__name__} does not run on torch's meta "
            f"device ({str(error).splitlines()[0]}). If the first step runs out of memory, set "
            "train.checkpoint_pairs=true or a smaller train.batch_size"
        )
        if how is not True:
            warnings.warn(said, stacklevel=2)
        return False
    limit = SHARE * free
    if (again if how else needed) > limit:
        warnings.warn(
            f"relating {joint} images with {own} reports of up to {words} words keeps "
            f"{needed / 2**30:.2f} GiB for the backward pass, more than {SHARE:.0%} of the "
            f"{free / 2**30:.2f} GiB that are free: train.checkpoint_pairs=true keeps "
            f"{again / 2**30:.2f} GiB and relates each pair twice; train.shortlist=8 relates the "
            "hardest pairs alone, which is another loss; or take a smaller train.batch_size",
            stacklevel=2,
        )
    return needed > limit


def _regions(model: RECLF) -> int:
    """Regions of an image."""
    was_training, size = model.training, model.config.image_size
    with torch.no_grad():
        images = model.eval().encode_images(torch.zeros(1, 1, size, size, device=model.device))
    model.train(was_training)
    return images.regions.shape[1]
