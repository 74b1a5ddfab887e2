"""What evaluations have in common that are too short to be cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from chronas.budget import Ledger, Slowest
from chronas.work import Evaluate


class AtOnce:
    """An evaluator without state: `judge` runs to its end, and the slowest one so far is what the next one needs."""

    def __init__(self) -> None:
        self._slowest = Slowest()

    def judge(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """The metrics of `work`; charges `ledger` what it costs besides time."""
        raise NotImplementedError

    @property
    def least(self) -> float:
        """Seconds of the slowest one so far (fading)."""
        return self._slowest.seconds

    def evaluate(
        self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """`judge`, timed; never paused, never None."""
        began = time.monotonic()
        found = self.judge(work, ledger)
        self._slowest.took(time.monotonic() - began)
        return found

    def drop(self) -> None:
        """Nothing is ever cut off."""

    def notes(self) -> list[str]:
        return []

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""
