"""Speed and memory, each beside a reference that is written out here. Not in the wheel."""
