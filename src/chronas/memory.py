"""How much memory is free, as far as the system tells, and how the C library gives it back."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
from pathlib import Path

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""glibc's numbers for mallopt."""

LARGE = 128 * 2**20
MOST_IN_OLD_GLIBC = 32 * 2**20
KEPT = 8 * LARGE

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


def keep_freed_memory() -> bool:
    """Let freed blocks below 128 MiB stay with the process for its next tensors, until 1 GiB at the heap's end is free.

    By default glibc gives blocks of the size of tensors back at once, and the next step pays for a page fault every
    4 KiB: a residual network trains about a tenth faster on a CPU without that. For a process of our own only, and
    only where the user has not set malloc's variables. Returns whether it was done; elsewhere than on glibc it is not.
    Old versions of glibc keep blocks below 32 MiB alone.
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if chosen or platform.libc_ver()[0] != "glibc":
        return False
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        large = mallopt(MMAP_THRESHOLD, LARGE) or mallopt(MMAP_THRESHOLD, MOST_IN_OLD_GLIBC)
        return bool(mallopt(TRIM_THRESHOLD, KEPT)) and bool(large)
    return False
