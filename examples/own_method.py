"""A search method of one's own: local search that mutates the best architecture so far."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import chronas
from chronas.methods.base import Method
from chronas.methods.random import RandomSettings
from chronas.methods.ranking import ScoreBook
from chronas.seeding import stream
from chronas.spaces.moves import mutate, sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work


class LocalSearch(Method):
    """Each candidate changes one decision of the best so far."""

    name = "local"
    Settings = RandomSettings

    def __init__(self, space: Any, settings: RandomSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self.book, self.asked = ScoreBook(), 0

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if self.asked == self.settings.candidates:
            return []
        self.asked += 1
        rng = stream(self.seed, "local", self.asked)
        choices = mutate(self.space, self.book.best(), rng) if len(self.book) else sample(self.space, rng)
        return [Evaluate(choices, Fidelity("train", 1 / self.settings.candidates))]

    def tell(self, outcome: Outcome, progress: float) -> None:
        self.book.tell(outcome)

    def best(self) -> Choices:
        return self.book.best()

    def state(self) -> dict[str, Any]:
        return {"asked": self.asked, "book": self.book.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        self.asked = state["asked"]
        self.book.load(state["book"])


def main(out: Path, budget: str = "20s") -> None:
    """Register the method and search with it."""
    if "local" not in chronas.METHODS:
        chronas.METHODS.add("local", f"{__name__}:LocalSearch", "mutates the best so far", needs={"builder"})
    options = chronas.Options(space="resnet", method="local", settings={"space": {"widths": (4, 8)}})
    result = chronas.search("digits", budget=budget, out=out, options=options)
    print(result.result["search"]["notation"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/local"))
