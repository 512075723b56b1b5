"""Which regions and words a score rests on: attention and captum's attribution methods.

    model, image, report -> PairScore -> attention | grad_cam | ... -> Attribution (plain numpy)

The score is the local logit of the pair, the global or combined one, or the cosine of chosen words
with what they attend to; all come through `RECLF.relate`. Attention says where a word looked, which
need not be what the score rests on; `reclf_study.faithfulness_measures` measures that.

The methods are captum's (Kokhlikyan et al., arXiv:2009.07896), and captum is imported when a method
is called. Grad-CAM hooks `image_encoder.region_map`, which is (B, D, h, w) for every backbone:
captum sums over dimension 1, so that on the tokens of a ViT it would be wrong without a word.

Shape letters: B = perturbed copies of the one pair, W = words, T = tokens, h, w = region grid,
H, W_px = image size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from reclf.data.region_grid import filled, region_of_pixel, sum_in_regions, without_regions

from .pair_score import CHUNK, PairScore, as_numpy


@dataclass(frozen=True)
class Attribution:
    """How much regions, words and pixels count for a score; what a method does not say is None.

    Positive values speak for the pair, but for attention, which has no sign.
    """

    method: str
    target: str  # the score, one of TARGETS
    regions: np.ndarray | None = None  # float32 (h, w), row 0 at the top
    words: np.ndarray | None = None  # float32 (W,)
    pixels: np.ndarray | None = None  # float32 (H, W_px)
    delta: float | None = None  # integrated gradients: sum minus what it must be, 0 is exact


def attention(score: PairScore) -> Attribution:
    """Where the chosen words look; for a whole pair the mean map, weighted by importance.

    `regions` sums to 1; `words` are the importance weights, None for the cosine of chosen words.
    """
    maps, weights = score.attention()
    if score.chosen:
        regions, weights = maps[score.chosen].mean(0), None
    else:
        regions = np.average(maps, axis=0, weights=weights)
    return Attribution("attention", score.target, regions.astype(np.float32), weights)


def grad_cam(score: PairScore) -> Attribution:
    """Grad-CAM (Selvaraju et al., ICCV 2017) on the region map: regions, negatives cut to 0.

    On transformers it is known to be weak; it is a baseline, not the truth.

    Raises:
        ValueError: a score of the global vectors alone, which does not come through the region map.
    """
    from captum.attr import LayerGradCam

    uses_regions = score.target == "cosine" or score.model.aggregator.uses_matchings
    if score.target == "global" or not uses_regions:
        raise ValueError(
            f"target {score.target!r} does not come through region_map in this model; use "
            "integrated_gradients, feature_ablation or occlusion"
        )
    method = LayerGradCam(score.of_pixels, score.model.image_encoder.region_map)
    found = method.attribute(score.batch.pixels, relu_attributions=True)
    return Attribution("grad_cam", score.target, as_numpy(found)[0, 0])


def integrated_gradients(score: PairScore, fill: str = "blur", steps: int = 32) -> Attribution:
    """Integrated gradients (Sundararajan et al., ICML 2017) on pixels: pixels, regions, delta.

    Args:
        fill: where the path starts, see `region_grid.filled`.
        steps: points on the path.
    """
    from captum.attr import IntegratedGradients

    found, delta = IntegratedGradients(score.of_pixels).attribute(
        score.batch.pixels,
        baselines=_filled(score, fill),
        n_steps=steps,
        internal_batch_size=CHUNK,
        return_convergence_delta=True,
    )
    pixels = as_numpy(found)[0, 0]
    regions = sum_in_regions(pixels, score.grid, score.center)
    return Attribution(
        "integrated_gradients", score.target, regions, pixels=pixels, delta=delta.item()
    )


def integrated_gradients_words(score: PairScore, steps: int = 32) -> Attribution:
    """Integrated gradients from padding to the words, in the table of embeddings: words, delta.

    The tokens of a word are added up. Special tokens stay as they are.
    """
    from captum.attr import LayerIntegratedGradients

    assert score.model.tokenizer is not None  # PairScore could not have been made
    ids, belongs = score.batch.input_ids, score.batch.word_ids
    empty = torch.where(belongs >= 0, score.model.tokenizer.pad_token_id, ids)
    table = score.model.text_encoder.tower.get_input_embeddings()
    found, delta = LayerIntegratedGradients(score.of_tokens, table).attribute(
        ids,
        baselines=empty,
        n_steps=steps,
        internal_batch_size=CHUNK,
        return_convergence_delta=True,
    )
    words = np.zeros(len(score.words), dtype=np.float32)
    place = belongs[0].cpu().numpy()
    np.add.at(words, place[place >= 0], as_numpy(found)[0].sum(-1)[place >= 0])
    return Attribution("integrated_gradients", score.target, words=words, delta=delta.item())


def feature_ablation(score: PairScore, fill: str = "blur") -> Attribution:
    """How much the score drops without each region and, apart from them, without each word.

    `words` is None for the cosine of chosen words, which ends where the word does.

    Args:
        fill: what stands in the place of a region, see `region_grid.filled`.
    """
    from captum.attr import FeatureAblation

    pixels = score.batch.pixels
    regions_of_pixels = region_of_pixel(score.image.shape, score.grid, score.center)
    with torch.no_grad():
        found = FeatureAblation(score.of_pixels).attribute(
            pixels,
            baselines=_filled(score, fill),
            feature_mask=torch.as_tensor(regions_of_pixels, device=pixels.device)[None, None],
            perturbations_per_eval=CHUNK,
        )
        words = None
        if score.target != "cosine" and score.words:
            keep = torch.ones(1, len(score.words), device=pixels.device)
            words = FeatureAblation(score.of_kept_words).attribute(
                keep, baselines=0, perturbations_per_eval=CHUNK
            )
    # Every pixel holds the drop of its region.
    regions = sum_in_regions(as_numpy(found)[0, 0], score.grid, score.center, mean=True)
    words = None if words is None else as_numpy(words)[0]
    return Attribution("feature_ablation", score.target, regions, words)


def occlusion(score: PairScore, fill: str = "blur", window: float = 2.0) -> Attribution:
    """Occlusion (Zeiler and Fergus, ECCV 2014) by a sliding window: pixels, regions.

    Where windows overlap, captum takes the mean of their drops. At the border a window of two
    regions never hides the outer region without the inner one, so that both look alike.

    Args:
        fill: what the window shows, see `region_grid.filled`.
        window: its side in regions; it moves by half of that.
    """
    from captum.attr import Occlusion

    sides = [
        max(1, round(window * n / count))
        for n, count in zip(score.image.shape, score.grid, strict=True)
    ]
    strides = [max(1, side // 2) for side in sides]
    with torch.no_grad():
        found = Occlusion(score.of_pixels).attribute(
            score.batch.pixels,
            sliding_window_shapes=(1, *sides),
            strides=(1, *strides),
            baselines=_filled(score, fill),
            perturbations_per_eval=CHUNK,
        )
    pixels = as_numpy(found)[0, 0]
    regions = sum_in_regions(pixels, score.grid, score.center, mean=True)
    return Attribution("occlusion", score.target, regions, pixels=pixels)


def region_word_ablation(score: PairScore, fill: str = "blur") -> np.ndarray:
    """How much the cosine of every word drops without each region: attention by ablation (ours).

    Returns:
        float32 (W, h, w).
    """
    keep = ~np.eye(score.grid[0] * score.grid[1], dtype=bool)
    changed = without_regions(
        score.image, filled(score.image, fill), keep, score.grid, score.center
    )
    whole = score.batch.pixels
    with torch.no_grad():
        images = torch.from_numpy(changed).split(CHUNK)
        parts = [score.word_cosines(part.to(whole.device)) for part in images]
        drop = score.word_cosines(whole) - torch.cat(parts)  # (R, W)
    return as_numpy(drop.T.unflatten(1, score.grid))


REGION_METHODS: dict[str, Callable[..., Attribution]] = {
    "attention": attention,
    "grad_cam": grad_cam,
    "integrated_gradients": integrated_gradients,
    "feature_ablation": feature_ablation,
    "occlusion": occlusion,
}


def _filled(score: PairScore, fill: str) -> Tensor:
    image = torch.from_numpy(filled(score.image, fill))
    return image[None, None].to(score.batch.pixels.device)
