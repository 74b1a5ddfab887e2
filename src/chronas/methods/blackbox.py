"""What methods have in common that judge whole architectures one by one: the book, what is under way, fresh draws."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chronas.errors import UsageError
from chronas.methods.base import Method
from chronas.methods.ranking import Score, ScoreBook
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work

TRIES = 100
"""Draws before an architecture that is already known is taken again: by then the space is about used up."""


def at_least(settings: Any, **least: float) -> None:
    """Check ranges of a settings class; raises UsageError that names the setting."""
    for name, low in least.items():
        if getattr(settings, name) < low:
            raise UsageError(f"method.{name} must be at least {low}, but got {getattr(settings, name)}.")


def within_unit(settings: Any, *names: str) -> None:
    """Check that settings are probabilities; raises UsageError that names the setting."""
    for name in names:
        if not 0 <= getattr(settings, name) <= 1:
            raise UsageError(f"method.{name} must lie in [0, 1], but got {getattr(settings, name)}.")


class BlackBox(Method):
    """Abstract. A subclass decides what is next (`_next`) and hears every score (`_hear`).

    Works with any number of evaluations under way: outcomes may come late and in any order.
    """

    def __init__(self, space: Space, settings: Any, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._asked, self._flying = 0, 0
        self._book = ScoreBook()

    @abstractmethod
    def _next(self) -> Evaluate | None:
        """The next evaluation, or None to wait for a tell (or, with nothing under way, to end)."""

    def _hear(self, work: Evaluate, score: Score | None, outcome: Outcome) -> None:
        """What came of `work`: its score, or None where it failed."""

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        work: list[Work] = []
        while len(work) < count and (piece := self._next()) is not None:
            work.append(piece)
            self._asked += 1
            self._flying += 1
        return work

    def tell(self, outcome: Outcome, progress: float) -> None:
        if isinstance(outcome.work, Evaluate):
            self._flying -= 1
            self._hear(outcome.work, self._book.tell(outcome), outcome)

    def best(self) -> Choices:
        return self._book.best()

    def state(self) -> dict[str, Any]:
        return {"asked": self._asked, "flying": self._flying, "book": self._book.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        self._asked, self._flying = state["asked"], state["flying"]
        self._book.load(state["book"])

    def _rng(self) -> np.random.Generator:
        """The stream of the next piece of work."""
        return stream(self.seed, self.name, self._asked)

    def _training(self, choices: Choices, level: float = 1.0) -> Evaluate:
        """A training worth `level` of a full one, of which the budget holds `settings.evaluations`."""
        return Evaluate(choices, Fidelity("train", share=level / self.settings.evaluations, level=level))

    def _judged(self) -> str:
        """Words for `inspect`: how many were judged, and the best of them."""
        if not len(self._book):
            return f"{self._asked} asked, none judged yet"
        return f"{len(self._book)} judged, best {self._book.best_score()[0]:.2f}"


class Known:
    """Which networks were asked for, equal ones counted once.

    exact  only networks that are one weight by weight are equal; else architectures that count as one
    """

    def __init__(self, space: Space, *, exact: bool = False) -> None:
        self._form = space.exact if exact else space.canonical
        self._seen: set[Choices] = set()

    def new(self, draw: Callable[[], Choices]) -> Choices:
        """The first of `draw()` that is no known network; after TRIES a known one. It is known from here on."""
        choices = draw()
        for _ in range(TRIES):
            if self._form(choices) not in self._seen:
                break
            choices = draw()
        self._seen.add(self._form(choices))
        return choices

    def __contains__(self, choices: Choices) -> bool:
        return self._form(choices) in self._seen

    def add(self, choices: Choices) -> bool:
        """Whether `choices` was new."""
        form = self._form(choices)
        new = form not in self._seen
        self._seen.add(form)
        return new

    def state(self) -> list[list[int]]:
        return [list(choices) for choices in sorted(self._seen)]

    def load(self, state: Sequence[Sequence[int]]) -> None:
        self._seen = {tuple(choices) for choices in state}
