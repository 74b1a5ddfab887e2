"""Random search with weight sharing (RSPS; Li & Talwalkar 2019, as set up for NAS-Bench-201).

Uniform single paths train the supernet; what is left of the budget judges random architectures with the shared
weights. Differences from the released code, on purpose: candidates are judged on all held-out images instead of
one mini-batch (whose noise decides the winner otherwise), and both phases are shares of the budget.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronas.errors import UsageError
from chronas.methods.base import Inspection
from chronas.methods.oneshot import OneShotMethod
from chronas.methods.ranking import ScoreBook
from chronas.nets.mix import Mix, one_hot
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Advance, Choices, Evaluate, Fidelity, Outcome, Work


@dataclass(frozen=True)
class RspsSettings:
    """train_share: part of the budget that trains the supernet. candidates: how many are ranked at most."""

    train_share: float = 0.85
    candidates: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.train_share < 1:
            raise UsageError(f"method.train_share must lie between 0 and 1, but got {self.train_share}.")
        if self.candidates < 1:
            raise UsageError(f"method.candidates must be at least 1, but got {self.candidates}.")


class RandomSinglePath(OneShotMethod):
    """Train uniform paths, then rank random architectures with the shared weights."""

    name = "rsps"
    Settings = RspsSettings

    def __init__(self, space: Space, settings: RspsSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self.train_until = settings.train_share
        self._ranked = 0
        self._book = ScoreBook()

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if progress < self.settings.train_share:
            return [Advance()]
        return self._candidates(count)

    def _candidates(self, count: int) -> list[Work]:
        indices = range(self._ranked, min(self._ranked + count, self.settings.candidates))
        self._ranked += len(indices)
        return [
            Evaluate(sample(self.space, stream(self.seed, "rsps", "candidate", index)), Fidelity("shared"))
            for index in indices
        ]

    def tell(self, outcome: Outcome, progress: float) -> None:
        self._book.tell(outcome)

    def best(self) -> Choices:
        """The best ranked architecture; before the ranking, the first candidate of the ranking."""
        if len(self._book):
            return self._book.best()
        return sample(self.space, stream(self.seed, "rsps", "candidate", 0))

    def weight_mix(self, progress: float) -> Mix:
        return one_hot(sample(self.space, self.rng))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "ranked": self._ranked, "book": self._book.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._ranked = state["ranked"]
        self._book.load(state["book"])

    def inspect(self) -> Inspection:
        if not self._ranked:
            return Inspection("training uniform single paths")
        return Inspection(f"ranking candidate {self._ranked} of {self.settings.candidates}")
