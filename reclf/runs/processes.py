"""Which process wrote something, and whether it lives: a number names one only among those that see
each other."""

import os
import platform
from pathlib import Path


def space() -> str:
    """Processes with the same one see each other by their numbers: a boot of a machine, or a
    container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def started(pid: int) -> str:
    """When a process began, which tells it from a later one of the same number; "" if there is
    none, "?" where the system does not say."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "?" if not Path("/proc/self/stat").exists() else ""
    return "" if fields[0] in "ZX" else fields[19]
