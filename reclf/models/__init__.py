"""The model: encoders, local-matchings, relations, losses, scores of many pairs."""
