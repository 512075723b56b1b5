"""Evaluations of a trained model: a model and studies go in, numbers with intervals come out."""
