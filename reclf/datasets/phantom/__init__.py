"""The phantom: chest radiographs and reports drawn from a seed, with exact ground truth.

case -> anatomy, stock, devices, findings -> image, masks
case -> words -> report -> report, what each word means
"""

from .dataset import FACTS, Phantom, counterfactual_pair, counterfactual_pairs, phantom_gallery

__all__ = ["FACTS", "Phantom", "counterfactual_pair", "counterfactual_pairs", "phantom_gallery"]
