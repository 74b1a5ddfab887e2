"""Hyperband's brackets (Li et al. 2018), in the sizes of HpBandSter.

With S rungs in all and s counting down from S-1 to 0, again and again, bracket s starts floor(S/(s+1)) eta^s
architectures at level eta^-s, and of each rung the best eta-th part goes on at the next level, up to level 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chronas.methods.ranking import Score
from chronas.work import Choices


def bracket_sizes(rungs: int, eta: int, s: int) -> tuple[int, ...]:
    """How many architectures each rung of bracket `s` judges: n0, n0/eta, ..., at least one."""
    start = rungs // (s + 1) * eta**s
    return tuple(max(start // eta**rung, 1) for rung in range(s + 1))


class Bracket:
    """One bracket. Failures are out; a rung ends when all of it were told."""

    def __init__(self, rungs: int, eta: int, s: int) -> None:
        self.s, self.eta = s, eta
        self.sizes = bracket_sizes(rungs, eta, s)
        self.rung = 0
        self._waiting: list[Choices] = []
        self._asked = 0
        self._flying: list[Choices] = []
        self._told: list[tuple[Choices, Score]] = []

    @property
    def level(self) -> float:
        """The part of a full training that the rung in work stands for."""
        return float(self.eta) ** (self.rung - self.s)

    @property
    def finished(self) -> bool:
        return self.rung == len(self.sizes)

    def next(self, draw: Callable[[], Choices]) -> Choices | None:
        """What to judge next at `level`, in the first rung drawn by `draw`; None while the rung waits for tells."""
        if self.finished:
            return None
        if self.rung == 0 and self._asked < self.sizes[0]:
            choices = draw()
        elif self._waiting:
            choices = self._waiting.pop(0)
        else:
            return None
        self._asked += 1
        self._flying.append(choices)
        return choices

    def awaits(self, choices: Choices) -> bool:
        return choices in self._flying

    def tell(self, choices: Choices, score: Score | None) -> None:
        """Hear the score (None: failed) of one that was asked for; the last one of a rung begins the next."""
        self._flying.remove(choices)
        if score is not None:
            self._told.append((choices, score))
        if not self._flying and not self._waiting and (self.rung > 0 or self._asked == self.sizes[0]):
            self._promote()

    def _promote(self) -> None:
        ranked = sorted(self._told, key=lambda pair: pair[1], reverse=True)
        self.rung += 1
        self._asked, self._told = 0, []
        if not self.finished:
            self._waiting = [choices for choices, _ in ranked[: self.sizes[self.rung]]]
            if not self._waiting:
                self.rung = len(self.sizes)

    def state(self) -> dict[str, Any]:
        return {"s": self.s, "rung": self.rung, "asked": self._asked, "waiting": [list(c) for c in self._waiting],
                "flying": [list(c) for c in self._flying],
                "told": [[list(c), list(score)] for c, score in self._told]}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self.rung, self._asked = state["rung"], state["asked"]
        self._waiting = [tuple(c) for c in state["waiting"]]
        self._flying = [tuple(c) for c in state["flying"]]
        self._told = [(tuple(c), (score[0], score[1])) for c, score in state["told"]]
