"""AREA: regularised evolution that starts from the best of a larger population by a score without training.

Mellor et al. 2021, algorithm 2: 20 are drawn, the 10 with the best score are REA's first population, and all else is
REA. The paper released no code; what it leaves open is as in `rea`: tournament 3 with replacement. Chosen here: the
first population is judged best score first (so the oldest has the best score), and scoring costs what it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chronas.errors import UsageError
from chronas.methods.base import Inspection, Method
from chronas.methods.blackbox import Known, at_least
from chronas.methods.ranking import ScoreBook
from chronas.methods.rea import ReaSettings, RegularisedEvolution
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work


@dataclass(frozen=True)
class AreaSettings:
    """Settings of AREA.

    drawn        architectures that are scored
    proxy        the registered name of the score
    population   members alive at most; so many of the scored start
    tournament   members drawn, the best of which becomes the parent
    evaluations  trainings that the budget is to hold, each 1/evaluations of it; on a table it goes on until stopped
    again        score and judge networks again that are known
    """

    drawn: int = 20
    proxy: str = "naswot"
    population: int = 10
    tournament: int = 3
    evaluations: int = 24
    again: bool = False

    def __post_init__(self) -> None:
        at_least(self, population=1, tournament=1, evaluations=1)
        if self.drawn < self.population:
            raise UsageError(
                f"method.drawn must be at least method.population = {self.population}, but got {self.drawn}."
            )


class AssistedEvolution(Method):
    """Scores first, then hands over to REA."""

    name = "area"
    Settings = AreaSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"drawn": 20, "population": 10, "tournament": 3, "again": True, "proxy": "naswot"}
    }

    def __init__(self, space: Space, settings: AreaSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._asked, self._told = 0, 0
        # A list, for with `again` one network may be drawn twice and then counts twice.
        self._scored: list[tuple[Choices, float]] = []
        self._scores = ScoreBook("score")
        self._known = Known(space)
        self._rea: RegularisedEvolution | None = None

    def _evolve(self, first: Sequence[Choices]) -> RegularisedEvolution:
        s = self.settings
        settings = ReaSettings(s.population, s.tournament, s.evaluations, s.again)
        return RegularisedEvolution(self.space, settings, self.seed, first)

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if self._rea is None and self._told == self.settings.drawn:
            best = sorted(self._scored, key=lambda pair: pair[1], reverse=True)[: self.settings.population]
            self._rea = self._evolve([choices for choices, _ in best])
        if self._rea is not None:
            return self._rea.ask(count, progress)
        work = []
        for index in range(self._asked, min(self._asked + count, self.settings.drawn)):
            work.append(Evaluate(self._draw(index), Fidelity("proxy", proxy=self.settings.proxy)))
        self._asked += len(work)
        return work

    def _draw(self, index: int) -> Choices:
        rng = stream(self.seed, self.name, index)
        return sample(self.space, rng) if self.settings.again else self._known.new(lambda: sample(self.space, rng))

    def tell(self, outcome: Outcome, progress: float) -> None:
        if self._rea is not None:
            self._rea.tell(outcome, progress)
            return
        self._told += 1
        score = self._scores.tell(outcome)
        if score is not None and isinstance(outcome.work, Evaluate):
            self._scored.append((outcome.work.choices, score[0]))

    def best(self) -> Choices:
        """The most accurate so far; while nothing is judged, the one with the best score."""
        return self._scores.best() if self._rea is None or not self._rea.judged else self._rea.best()

    def state(self) -> dict[str, Any]:
        return {"asked": self._asked, "told": self._told, "known": self._known.state(), "scores": self._scores.state(),
                "scored": [[list(choices), score] for choices, score in self._scored],
                "rea": None if self._rea is None else self._rea.state()}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self._asked, self._told = state["asked"], state["told"]
        self._scored = [(tuple(choices), score) for choices, score in state["scored"]]
        self._scores.load(state["scores"])
        self._known.load(state["known"])
        self._rea = None
        if state["rea"] is not None:
            self._rea = self._evolve(())
            self._rea.load(state["rea"])

    def inspect(self) -> Inspection:
        if self._rea is None:
            return Inspection(f"{self._told} of {self.settings.drawn} scored without training")
        return self._rea.inspect()
