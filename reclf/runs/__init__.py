"""A run on disk and on screen: its folder, its metrics log, notebook parameters, progress."""
