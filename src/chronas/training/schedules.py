"""Schedules: functions of progress in [0, 1]. None of them counts epochs."""

from __future__ import annotations

import math


def cosine(progress: float, start: float, end: float = 0.0) -> float:
    """From `start` at 0 to `end` at 1 along half a cosine."""
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def one_cycle(progress: float, peak: float, *, rise: float = 0.25, floor: float = 0.02) -> float:
    """Linear from floor*peak up to `peak` at `rise`, then linear down to nearly zero at 1 (Smith 2018)."""
    if progress < rise:
        return peak * (floor + (1 - floor) * progress / rise)
    return peak * max(1e-3, (1 - min(1.0, progress)) / (1 - rise))


def geometric(progress: float, end: float) -> float:
    """end^progress: 1 at the beginning, `end` at the end (NASIB section 3.3: p_i = beta^i, p_n = k)."""
    return float(end ** min(1.0, max(0.0, progress)))
