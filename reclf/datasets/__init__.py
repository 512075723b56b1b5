"""Data sets on disk, one file each, the phantom, prepared copies, and the data check."""
