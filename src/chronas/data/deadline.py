"""The time that reading the images may take of a run's budget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from chronas.budget import format_seconds
from chronas.errors import UsageError

CLOSING = 6.5
"""Seconds that a run needs besides reading and training: the first steps, judging, the report, leaving."""
SURE = 0.8
"""A forecast is trusted so far: what would be too long even at this share of it is refused before it happens."""
LEAST_LOOK = 0.7
"""Seconds of reading before the first forecast."""


def least_budget(loading: float) -> float:
    """The least useful budget in seconds where `loading` seconds pass before the work can begin."""
    return 2 * loading + CLOSING


@dataclass(frozen=True)
class LoadTime:
    """The run's clock and its budget.

    Args:
        seconds: the whole budget; None where it is not counted in seconds.
        clock: seconds since the run began.
        gpu: whether the training that follows runs on a GPU.
    """

    seconds: float | None = None
    gpu: bool = False
    clock: Callable[[], float] = field(default_factory=lambda: _since(time.monotonic()))

    def watch(self, hint: Callable[[], str] = lambda: "") -> Callable[[int, int], None]:
        """A function (done, total) that refuses as soon as reading is known to take too long.

        Args:
            hint: what else the user may do, in a sentence; asked when the message is written.

        Returns:
            The function; it raises UsageError, long before the budget is used up.
        """
        began = self.clock()

        def look(done: int, total: int) -> None:
            now = self.clock()
            if self.seconds is None or not 0 < done < total or now - began < LEAST_LOOK:
                return
            rest = (now - began) * (total - done) / done
            if least_budget(now + SURE * rest) > self.seconds:
                whole = now + rest
                raise UsageError(
                    f"{format_seconds(self.seconds)} is too short for these images: reading them takes about "
                    f"{format_seconds(whole)} here ({done} of {total} are read after {format_seconds(now)}). The least "
                    f"useful budget is about {math.ceil(least_budget(whole))} s. {hint() or _USUAL_HINT}"
                )

        return look


_USUAL_HINT = (
    "Or pass --limit N for fewer images. With --cache DIR the next run on the same files need not decode them again."
)


def _since(start: float) -> Callable[[], float]:
    return lambda: time.monotonic() - start
