"""Random search: the baseline that every comparison must show.

Candidates are drawn uniformly and trained from scratch for the same part of the budget; the one with the best
validation accuracy wins (Li & Talwalkar, "Random search and reproducibility for NAS", 2019).
"""

from __future__ import annotations

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
class RandomSettings:
    """candidates: how many architectures share the budget, each trained for 1/candidates of it."""

    candidates: int = 8

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise UsageError(f"method.candidates must be at least 1, but got {self.candidates}.")


class RandomSearch(Method):
    """Draw, train briefly, keep the best."""

    name = "random"
    Settings = RandomSettings

    def __init__(self, space: Space, settings: RandomSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._asked = 0
        self._book = ScoreBook()

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        fidelity = Fidelity("train", share=1 / self.settings.candidates)
        work = []
        for index in range(self._asked, min(self._asked + count, self.settings.candidates)):
            work.append(Evaluate(sample(self.space, stream(self.seed, "random", index)), fidelity))
        self._asked += len(work)
        return work

    def tell(self, outcome: Outcome, progress: float) -> None:
        self._book.tell(outcome)

    def best(self) -> Choices:
        return self._book.best()

    def state(self) -> dict[str, Any]:
        return {"asked": self._asked, "book": self._book.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        self._asked = state["asked"]
        self._book.load(state["book"])

    def inspect(self) -> Inspection:
        return Inspection(f"candidate {self._asked} of {self.settings.candidates}, {len(self._book)} judged")
