"""From a file and a report to a batch: studies, text, images, and the grid of regions."""
