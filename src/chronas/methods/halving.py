"""Successive halving: many candidates for a moment, the better part again for longer, until one is left.

Jamieson & Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", 2016. Every rung
gets the same part of the budget, so rung r trains candidates/eta^r networks, each eta^r times as long as in the
first; the last rung decides between the last few. Each training is a whole short one with a learning-rate schedule
of its own. Candidates may start with a given list (`first`), for example the network that a person would build.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronas.errors import UsageError
from chronas.methods.base import Inspection, Method
from chronas.methods.ranking import ScoreBook
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work


@dataclass(frozen=True)
class HalvingSettings:
    """candidates: networks in the first rung. eta: one of eta goes on. first: notations that are always in."""

    candidates: int = 9
    eta: int = 3
    first: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.candidates < 1 or self.eta < 2:
            raise UsageError(f"method.candidates must be at least 1 and method.eta at least 2, but got {self}.")


class SuccessiveHalving(Method):
    """Rungs of short trainings. A candidate that fails is out."""

    name = "halving"
    Settings = HalvingSettings

    def __init__(self, space: Space, settings: HalvingSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        # The last rung decides between at most eta networks; training the single survivor would decide nothing.
        self._rungs = max(1, math.floor(math.log(settings.candidates, settings.eta) + 1e-9))
        self._rung, self._asked, self._told = 0, 0, 0
        self._pool: list[Choices] = self._draw()
        self._book, self._last = ScoreBook(), ScoreBook()

    def _draw(self) -> list[Choices]:
        pool = [self.space.canonical(self.space.parse(text)) for text in self.settings.first]
        for index in range(100 * self.settings.candidates):
            if len(pool) >= self.settings.candidates:
                break
            drawn = self.space.canonical(sample(self.space, stream(self.seed, "halving", index)))
            if drawn not in pool:
                pool.append(drawn)
        return pool[: self.settings.candidates]

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if self.settings.candidates == 1:
            return []
        if self._asked == len(self._pool) == self._told:
            self._next_rung()
        share = 1 / (self._rungs * max(1, len(self._pool)))
        level = float(self.settings.eta) ** (self._rung + 1 - self._rungs)
        work = [Evaluate(c, Fidelity("train", share, level)) for c in self._pool[self._asked : self._asked + count]]
        self._asked += len(work)
        return work

    def _next_rung(self) -> None:
        if len(self._book):
            self._last = self._book
        keep = max(1, math.ceil(len(self._pool) / self.settings.eta))
        finished = self._rung + 1 >= self._rungs
        self._pool = [] if finished else self._last.ranked()[:keep]
        self._book, self._rung, self._asked, self._told = ScoreBook(), self._rung + 1, 0, 0

    def tell(self, outcome: Outcome, progress: float) -> None:
        self._told += 1
        self._book.tell(outcome)

    def best(self) -> Choices:
        """The best of the longest rung in which at least one network was judged; the only candidate unjudged."""
        if self.settings.candidates == 1:
            return self._pool[0]
        return (self._book if len(self._book) else self._last).best()

    def state(self) -> dict[str, Any]:
        return {"rung": self._rung, "asked": self._asked, "told": self._told, "pool": [list(c) for c in self._pool],
                "book": self._book.state(), "last": self._last.state()}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self._rung, self._asked, self._told = state["rung"], state["asked"], state["told"]
        self._pool = [tuple(c) for c in state["pool"]]
        self._book.load(state["book"])
        self._last.load(state["last"])

    def inspect(self) -> Inspection:
        return Inspection(
            f"rung {min(self._rung + 1, self._rungs)} of {self._rungs}, network {self._asked} of {len(self._pool)}"
        )
