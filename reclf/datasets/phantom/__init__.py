"""The phantom: chest radiographs and reports drawn from a seed, with exact ground truth.

case -> film (package reclf_phantom) -> image, masks
case -> words -> report (here) -> report, what each word means
"""

from .dataset import FACTS, Phantom, counterfactual_pair, counterfactual_pairs

__all__ = ["FACTS", "Phantom", "counterfactual_pair", "counterfactual_pairs"]
