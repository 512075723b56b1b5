"""Metrics, the bootstrap, intervals over seeds, and how a number is written."""
