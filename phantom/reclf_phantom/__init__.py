"""Synthetic chest radiographs: what is wrong with a patient, and the film of it, from a seed.

    case (findings, devices) -> anatomy, bones and vessels, devices, findings -> image, masks

Numpy and OpenCV alone. `reclf.datasets.phantom` writes the reports and makes a data set of both.
"""
