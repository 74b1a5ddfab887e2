"""How much memory is free, as far as the system tells."""

from __future__ import annotations

import os
import re
from pathlib import Path

UNKNOWN = 8 * 2**30


def free_memory() -> int:
    """Bytes that this process may still use: what the system has and its group allows."""
    return min(_available(), _group_limit())


def _available() -> int:
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        match = None
    if match:
        return int(match.group(1)) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return UNKNOWN


def _group_limit() -> int:
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (folder / "memory.max").read_text(), (folder / "memory.current").read_text()
        return max(0, int(limit) - int(used))
    except (OSError, ValueError):
        return 2**63
