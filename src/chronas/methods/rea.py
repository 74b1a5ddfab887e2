"""REA: regularised evolution.

Real et al., "Regularized evolution for image classifier architecture search", 2019. A population of random
architectures; then, again and again, the best of a few members drawn at random has one decision changed, the child is
judged, and the oldest member is removed. The result is the best of the whole history.

Preset `paper` is the run on NAS-Bench-201 (Dong & Yang 2020; NASWOT, table 2): population 10, tournament 3 drawn with
replacement (the text does not say; the released code does), known networks are judged again. Real et al. have 100
and 25. By default a child that is a known network is drawn again, for judging it twice would tell nothing new. A
failed child is dropped and nothing dies for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chronas.methods.base import Inspection
from chronas.methods.blackbox import BlackBox, Known, at_least
from chronas.methods.evolution import Population
from chronas.methods.ranking import Score
from chronas.spaces import Space
from chronas.spaces.moves import mutate, sample
from chronas.work import Choices, Evaluate, Outcome


@dataclass(frozen=True)
class ReaSettings:
    """Settings of REA.

    population   members alive at most
    tournament   members drawn, the best of which becomes the parent
    evaluations  trainings that the budget is to hold, each 1/evaluations of it; on a table it goes on until stopped
    again        judge networks again that are known
    """

    population: int = 10
    tournament: int = 3
    evaluations: int = 24
    again: bool = False

    def __post_init__(self) -> None:
        at_least(self, population=1, tournament=1, evaluations=1)


class RegularisedEvolution(BlackBox):
    """Goes on until it is stopped. `first`: the first members; others are drawn at random."""

    name = "rea"
    Settings = ReaSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"population": 10, "tournament": 3, "again": True}}

    def __init__(self, space: Space, settings: ReaSettings, seed: int, first: Sequence[Choices] = ()) -> None:
        super().__init__(space, settings, seed)
        self._first = list(first)
        self._born = 0
        self._population = Population(settings.population)
        self._known = Known(space)

    def _next(self) -> Evaluate | None:
        if self._first:
            choices = self._first.pop(0)
            self._known.add(choices)
            return self._training(choices)
        if self._born + self._flying < self.settings.population:
            return self._training(self._draw(None))
        if len(self._population) < min(self.settings.tournament, self.settings.population):
            return None
        return self._training(self._draw(self._population))

    def _draw(self, population: Population | None) -> Choices:
        rng = self._rng()

        def draw() -> Choices:
            if population is None:
                return sample(self.space, rng)
            return mutate(self.space, population.parent(rng, self.settings.tournament), rng)

        return draw() if self.settings.again else self._known.new(draw)

    def _hear(self, work: Evaluate, score: Score | None, outcome: Outcome) -> None:
        if score is not None:
            self._born += 1
            self._population.add(work.choices, score)

    @property
    def judged(self) -> int:
        """How many architectures have a score."""
        return len(self._book)

    @property
    def members(self) -> list[Choices]:
        """The living, oldest first."""
        return self._population.members

    def state(self) -> dict[str, Any]:
        return {**super().state(), "first": [list(c) for c in self._first], "born": self._born,
                "population": self._population.state(), "known": self._known.state()}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._first = [tuple(choices) for choices in state["first"]]
        self._born = state["born"]
        self._population.load(state["population"])
        self._known.load(state["known"])

    def inspect(self) -> Inspection:
        """How often each option occurs among the living."""
        living = self.members
        counts = [[sum(c[place] == option for c in living) / max(1, len(living)) for option in range(len(d.options))]
                  for place, d in enumerate(self.space.decisions)]  # fmt: skip
        return Inspection(f"{len(living)} alive, {self._judged()}", {"population": counts})
