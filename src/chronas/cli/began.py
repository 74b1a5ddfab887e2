"""When this process began, on the monotonic clock: the user's time runs from Enter on."""

from __future__ import annotations

import os
import time

LONGEST_START = 10.0
"""Seconds. A process older than this when Python gets going was another program: exec keeps the age."""


def process_began(now: float) -> float:
    """The start of this process as a time.monotonic() reading; `now` is such a reading, taken early.

    Where the system does not tell, the processor time used so far stands for the age of the process.
    """
    age = _age(now)
    if age is None or not 0 <= age <= LONGEST_START:
        age = min(LONGEST_START, max(0.0, time.process_time() - (time.monotonic() - now)))
    return now - age


def _age(now: float) -> float | None:
    """Seconds from the start of this process to `now`, from /proc/self/stat (Linux; to a hundredth)."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
        boot_clock = time.clock_gettime(time.CLOCK_BOOTTIME)
        began = int(words[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, IndexError, ValueError):
        return None
    return boot_clock - (time.monotonic() - now) - began
