"""Measurements of speed and memory, each beside a reference that is written out here."""
