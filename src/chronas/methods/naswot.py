"""NASWOT: search without training. Draw, score the untrained network, take the best score.

Mellor et al., "Neural architecture search without training", 2021, algorithm 1. Any registered proxy can give the
score. Architectures are drawn with replacement, as in the released code; equal networks are scored once, which
changes no result but that of chance between two initialisations. A network without a score is left out (the
released code gives it 0). Ends by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from chronas.methods.base import Inspection
from chronas.methods.blackbox import BlackBox, Known, at_least
from chronas.methods.ranking import ScoreBook
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Fidelity


@dataclass(frozen=True)
class NaswotSettings:
    """samples: architectures drawn (paper: 10, 100, 1000); proxy: the registered name of the score"""

    samples: int = 1000
    proxy: str = "naswot"

    def __post_init__(self) -> None:
        at_least(self, samples=1)


class Naswot(BlackBox):
    """Draw, score, keep the best."""

    name = "naswot"
    Settings = NaswotSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"samples": 1000, "proxy": "naswot"}}

    def __init__(self, space: Space, settings: NaswotSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._book = ScoreBook("score")
        self._drawn = 0
        self._draws: dict[int, Choices] = {}
        self._known = Known(space, exact=True)

    def _next(self) -> Evaluate | None:
        while self._drawn < self.settings.samples:
            choices = self._draw(self._drawn)
            del self._draws[self._drawn]
            self._drawn += 1
            if self._known.add(choices):
                return self._scored(choices)
        return None

    def upcoming(self, count: int) -> Sequence[Evaluate]:
        found: dict[Choices, Evaluate] = {}
        for index in range(self._drawn, self.settings.samples):
            if len(found) == count:
                break
            choices = self._draw(index)
            if choices not in self._known:
                found.setdefault(self.space.exact(choices), self._scored(choices))
        return tuple(found.values())

    def _draw(self, index: int) -> Choices:
        if index not in self._draws:
            self._draws[index] = sample(self.space, stream(self.seed, self.name, index))
        return self._draws[index]

    def _scored(self, choices: Choices) -> Evaluate:
        return Evaluate(choices, Fidelity("proxy", proxy=self.settings.proxy))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "drawn": self._drawn, "known": self._known.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._drawn = state["drawn"]
        self._known.load(state["known"])

    def inspect(self) -> Inspection:
        return Inspection(f"{self._drawn} of {self.settings.samples} drawn, {self._judged()}")
