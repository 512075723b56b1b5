"""Odd manifests, one file per area, and what is right for each; test_odd_manifests.py tries all."""

from . import dicoms, labels, parquet_files, pictures, regions, reports, splits, tables

AREAS = (tables, parquet_files, splits, labels, reports, pictures, dicoms, regions)
CASES = [one for area in AREAS for one in area.CASES]
