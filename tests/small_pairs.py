"""Tiny models that read short reports, and studies with phrases, for the tests of attribution."""

import numpy as np
import torch

from reclf.data.study import Study
from reclf.data.tokenization import train_tokenizer
from reclf.models.reclf import RECLF
from reclf.tasks.grounding import Item
from reclf_study.faithfulness_measures import CellScore

REPORTS = ("Small left effusion.", "No nodule", "large right effusion")


def build(tiny, image="resnet", aggregator="reclf", seed=1):
    """An untrained model in eval mode: 64 pixels, a 4 x 4 grid, at most 5 words."""
    tokenizer = train_tokenizer([report.lower() for report in REPORTS] * 5, 40)
    settings = tiny(image, aggregator=aggregator, aggregator_options={}, max_tokens=24)
    torch.manual_seed(seed)
    model = RECLF(settings, tokenizer).eval()
    for parameter in model.parameters():  # as initialised, words differ by less than 1e-3
        if parameter.ndim > 1:
            parameter.data *= 2
    return model


def study(number=0):
    """A study of noise with a bright block, and the block as the mask of an effusion."""
    image = 0.3 * np.random.default_rng(number).random((64, 64), dtype=np.float32)
    mask = np.zeros((64, 64), dtype=bool)
    mask[16:32, 32:48] = True
    image[mask] += 0.6
    return Study(f"s{number}", f"p{number}", image, REPORTS[number % 3], {}, {"effusion": mask})


def item(number=0, words=(0, 2)):
    """The study with the phrase "small ... effusion" or its like."""
    one = study(number)
    return Item(one, one.report, words, f"phrase {number}", "effusion", one.masks["effusion"])


class Additive(CellScore):
    """100 and what the shown regions add, 2 x 2 pixels each; counts the images scored."""

    def __init__(self, gains):
        self.gains, self.scored = gains, 0
        sides = [2 * side for side in gains.shape]
        super().__init__(self.of_images, np.ones(sides), gains.shape)
        self.fill = np.zeros_like(self.image)

    def of_images(self, images):
        self.scored += len(images)
        corners = images[:, 0, ::2, ::2].flatten(1)  # a pixel of each region: 1 shown, 0 hidden
        return 100 + corners @ torch.tensor(self.gains.ravel(), dtype=torch.float32)
