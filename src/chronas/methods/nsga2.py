"""NSGA-II: accuracy and cost at once. Gives a front of architectures instead of one.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", 2002, in its steady-state form (Durillo et
al. 2009): every judged child joins the population, then the worst leaves (last front, most crowded there), so that
outcomes may come one by one, late and in any order. Parents win a tournament of two; a child is a mixture of two of
them, or a copy of one, with one decision changed or none. An architecture that is known is not judged again.

The cost is a number that evaluations report beside the accuracy: multiply-adds (`madds`) or parameters (`params`).
`best` is the front's most accurate; `front` is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chronas.errors import UsageError
from chronas.methods.base import FrontPoint, Inspection
from chronas.methods.blackbox import BlackBox, Known, at_least, within_unit
from chronas.methods.ranking import Score
from chronas.pareto import crowding, front, ranks
from chronas.spaces import Space
from chronas.spaces.moves import crossover, mutate, sample
from chronas.work import Choices, Evaluate, Outcome

Point = tuple[float, float]
"""Negative accuracy in percent, and cost: smaller is better."""


@dataclass(frozen=True)
class Nsga2Settings:
    """Settings of NSGA-II.

    cost         madds or params
    population   members alive at most
    crossover    chance that a child mixes two parents (paper: 0.9)
    mutation     chance that one decision of a child is changed
    evaluations  trainings that the budget is to hold, each 1/evaluations of it; on a table it goes on until stopped
    """

    cost: Literal["madds", "params"] = "madds"
    population: int = 10
    crossover: float = 0.9
    mutation: float = 0.8
    evaluations: int = 24

    def __post_init__(self) -> None:
        at_least(self, population=2, evaluations=1)
        within_unit(self, "crossover", "mutation")
        if self.cost not in ("madds", "params"):
            raise UsageError(f"method.cost must be madds or params, but got {self.cost!r}.")


class Nsga2(BlackBox):
    """Goes on until it is stopped."""

    name = "nsga2"
    Settings = Nsga2Settings

    def __init__(self, space: Space, settings: Nsga2Settings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._history: dict[Choices, Point] = {}
        self._alive: list[Choices] = []
        self._known = Known(space)

    def _next(self) -> Evaluate | None:
        if len(self._alive) + self._flying < self.settings.population:
            rng = self._rng()
            return self._training(self._known.new(lambda: sample(self.space, rng)))
        if len(self._alive) < 2:
            return None
        return self._training(self._child())

    def _child(self) -> Choices:
        rng = self._rng()
        # Best first, by the order that also decides who leaves: a tournament is won by the smaller place.
        order = self._sorted(self._alive)

        def parent() -> Choices:
            return order[int(rng.integers(len(order), size=2).min())]

        def draw() -> Choices:
            child = parent()
            if rng.random() < self.settings.crossover:
                child = crossover(self.space, child, parent(), rng)
            return mutate(self.space, child, rng) if rng.random() < self.settings.mutation else child

        return self._known.new(draw)

    def _sorted(self, members: list[Choices]) -> list[Choices]:
        """By front, then the less crowded first."""
        points = np.array([self._history[choices] for choices in members])
        rank = ranks(points)
        alone = np.zeros(len(points))
        for value in range(int(rank.max()) + 1):
            alone[rank == value] = crowding(points[rank == value])
        return [members[int(i)] for i in np.lexsort((-alone, rank))]

    def _hear(self, work: Evaluate, score: Score | None, outcome: Outcome) -> None:
        if score is None:
            return
        if self.settings.cost not in outcome.metrics:
            raise UsageError(
                f"'nsga2' weighs accuracy against {self.settings.cost!r}, which is not known here "
                f"({', '.join(outcome.metrics)}). Choose another method.cost or another method."
            )
        self._history[work.choices] = (-score[0], float(outcome.metrics[self.settings.cost]))
        if work.choices not in self._alive:
            self._alive.append(work.choices)
        self._alive = self._sorted(self._alive)[: self.settings.population]

    def best(self) -> Choices:
        """The most accurate; of several the cheapest, so that it lies on the front. Raises NothingEvaluatedError."""
        return min(self._history, key=self._history.__getitem__) if self._history else super().best()

    def front(self) -> list[FrontPoint]:
        """All that nothing judged is better than, cheapest first; the cost is `settings.cost`."""
        if not self._history:
            return []
        known = list(self._history)
        places = front(np.array([self._history[choices] for choices in known]))
        found = [FrontPoint(known[i], -self._history[known[i]][0], self._history[known[i]][1]) for i in places]
        return sorted(found, key=lambda point: point.cost)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "known": self._known.state(), "alive": [list(c) for c in self._alive],
                "history": [[list(c), list(point)] for c, point in self._history.items()]}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._known.load(state["known"])
        self._alive = [tuple(choices) for choices in state["alive"]]
        self._history = {tuple(choices): (point[0], point[1]) for choices, point in state["history"]}

    def inspect(self) -> Inspection:
        """The front in words, and how often each option occurs in it."""
        found = self.front()
        if not found:
            return Inspection(self._judged())
        ends = " to ".join(f"{accuracy:.2f} % at {cost:,.0f}" for _, accuracy, cost in (found[0], found[-1]))
        counts = [[sum(c[place] == option for c, _, _ in found) / len(found) for option in range(len(d.options))]
                  for place, d in enumerate(self.space.decisions)]  # fmt: skip
        message = f"{len(self._book)} judged; front of {len(found)}: {ends} {self.settings.cost}"
        return Inspection(message, {"front": counts})
