"""The loss of segmentation: soft Dice and binary cross-entropy (MONAI's `DiceCELoss`).

    logits, truth (batch, classes, H, W) --sigmoid, per class--> 1 - Dice over the batch, mean
                                         --all pixels----------> cross-entropy, mean  --> sum

Soft Dice is that of V-Net (Milletari et al. 2016) without squares, smoothed as MONAI does. The
difference from MONAI's default: Dice is taken over the pixels of the whole batch, since the Dice of
one study without the class only teaches to predict nothing.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTHING = 1e-5  # added to both sides of the fraction: no class anywhere and none predicted is 1
SURE_NO = -30.0  # the logit of a certain and right "no": it adds nothing to either loss


def mask_loss(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Dice + cross-entropy, a scalar.

    Args:
        logits: (batch, classes, H, W); each class has its own sigmoid.
        truth: bool (batch, classes, H, W), False where not known.
        known: bool (batch, classes), False where a study says nothing of a class. Such masks get
            no gradient; they count as pixels of the cross-entropy's mean.
    """
    logits = torch.where(known[..., None, None], logits, logits.new_tensor(SURE_NO))
    logits, target = (part.transpose(0, 1).flatten(1) for part in (logits, truth.to(logits)))
    probability = logits.sigmoid()
    true_positive = (probability * target).sum(1)
    false_positive = probability.sum(1) - true_positive
    false_negative = target.sum(1) - true_positive
    dice = (2 * true_positive + SMOOTHING) / (
        2 * true_positive + false_positive + false_negative + SMOOTHING
    )
    return (1 - dice).mean() + binary_cross_entropy_with_logits(logits, target)
