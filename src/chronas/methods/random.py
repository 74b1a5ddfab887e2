"""Random search: the baseline that every comparison must show.

Candidates are drawn uniformly and trained from scratch for the same part of the budget; the one with the best
validation accuracy wins (Li & Talwalkar, "Random search and reproducibility for NAS", 2019).

Preset `paper` is RS on NAS-Bench-201 (Dong & Yang 2020; NASWOT, table 2): it draws until the budget is spent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chronas.methods.base import Inspection, Method
from chronas.methods.blackbox import at_least
from chronas.methods.ranking import ScoreBook
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work


@dataclass(frozen=True)
class RandomSettings:
    """Settings of random search.

    candidates   how many architectures share the budget, each trained for 1/candidates of it; 0: as many as it holds
    evaluations  with candidates = 0: trainings that the budget is to hold, each 1/evaluations of it; on a table it
                 goes on until stopped
    """

    candidates: int = 8
    evaluations: int = 24

    def __post_init__(self) -> None:
        at_least(self, candidates=0, evaluations=1)


class RandomSearch(Method):
    """Draw, train briefly, keep the best."""

    name = "random"
    Settings = RandomSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"candidates": 0}}
    counted: ClassVar[Mapping[str, Any]] = {"candidates": 0}

    def __init__(self, space: Space, settings: RandomSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._asked = 0
        self._book = ScoreBook()

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        candidates = self.settings.candidates
        fidelity = Fidelity("train", share=1 / (candidates or self.settings.evaluations))
        until = self._asked + count
        work = []
        for index in range(self._asked, min(until, candidates) if candidates else until):
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
        of = f" of {self.settings.candidates}" if self.settings.candidates else ""
        return Inspection(f"candidate {self._asked}{of}, {len(self._book)} judged")
