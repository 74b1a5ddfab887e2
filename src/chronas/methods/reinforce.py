"""REINFORCE: one categorical distribution per decision, trained by the score of what it draws.

Williams 1992, as run on NAS-Bench-201 (Dong & Yang 2020; NASWOT, table 2): logits start at 1e-3 of a normal draw, one
architecture a step, reward = accuracy in percent, baseline = its moving average (0.9, bias-corrected, with this reward
in it), Adam on -log p (reward - baseline); the result is the best seen, not the most likely. The learning rate is an
argument of the released script (0.01 in NATS-Bench: preset `paper`); the default is larger, for few trainings.

The gradient of -log softmax(z)[a] is softmax(z) - onehot(a), so there is nothing for an automatic derivative to do.
An outcome that comes late is credited to the policy of now. A failed evaluation teaches nothing. Where a space has
illegal combinations these are drawn again, and the gradient is that of the unrestricted policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from chronas.errors import UsageError
from chronas.methods.base import Inspection
from chronas.methods.blackbox import BlackBox, at_least
from chronas.methods.ranking import Score
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Outcome

Array = npt.NDArray[np.float64]
ADAM = (0.9, 0.999, 1e-8)
"""Decay of the two moments, and the term against division by zero: the usual ones."""
LEGAL_TRIES = 1000


@dataclass(frozen=True)
class ReinforceSettings:
    """Settings of REINFORCE.

    lr           learning rate of Adam on the logits
    decay        of the moving average that is the baseline
    evaluations  trainings that the budget is to hold, each 1/evaluations of it; on a table it goes on until stopped
    """

    lr: float = 0.1
    decay: float = 0.9
    evaluations: int = 24

    def __post_init__(self) -> None:
        at_least(self, evaluations=1)
        if not self.lr > 0:
            raise UsageError(f"method.lr must be above 0, but got {self.lr}.")
        if not 0 <= self.decay < 1:
            raise UsageError(f"method.decay must lie in [0, 1), but got {self.decay}.")


class Policy:
    """Independent categoricals. Logits are one array (decisions, most options), -inf where there is no option."""

    def __init__(self, options: Sequence[int], rng: np.random.Generator) -> None:
        self.options = tuple(options)
        start = 1e-3 * rng.standard_normal((len(options), max(options)))
        absent = np.arange(max(options)) >= np.array(options)[:, None]
        self.logits: Array = np.where(absent, -np.inf, start)
        self._steps = 0
        self._first, self._second = np.zeros_like(self.logits), np.zeros_like(self.logits)

    def probabilities(self) -> Array:
        """softmax of the logits, per decision."""
        grown = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))

    def draw(self, rng: np.random.Generator) -> Choices:
        """One option per decision."""
        reached = self.probabilities().cumsum(axis=1) <= rng.random((len(self.options), 1))
        return tuple(min(int(n), k - 1) for n, k in zip(reached.sum(axis=1), self.options, strict=True))

    def gradient(self, choices: Choices, advantage: float) -> Array:
        """The derivative of -advantage * log p(choices) by the logits."""
        slope = self.probabilities()
        slope[np.arange(len(choices)), list(choices)] -= 1.0
        return slope * advantage

    def step(self, gradient: Array, lr: float) -> None:
        """One step of Adam (Kingma & Ba 2015)."""
        first, second, tiny = ADAM
        self._steps += 1
        self._first = first * self._first + (1 - first) * gradient
        self._second = second * self._second + (1 - second) * gradient**2
        mean, spread = self._first / (1 - first**self._steps), self._second / (1 - second**self._steps)
        self.logits = self.logits - lr * mean / (np.sqrt(spread) + tiny)

    def rows(self, values: Array) -> list[list[float]]:
        """An array like the logits, without what is no option."""
        return [[float(v) for v in row[:k]] for row, k in zip(values, self.options, strict=True)]

    def state(self) -> dict[str, Any]:
        arrays = {"logits": self.logits, "first": self._first, "second": self._second}
        return {"steps": self._steps, **{name: self.rows(values) for name, values in arrays.items()}}

    def load(self, state: Mapping[str, Any]) -> None:
        self._steps = state["steps"]
        for values, name in ((self.logits, "logits"), (self._first, "first"), (self._second, "second")):
            for row, saved in zip(values, state[name], strict=True):
                row[: len(saved)] = saved


class Reinforce(BlackBox):
    """Goes on until it is stopped."""

    name = "reinforce"
    Settings = ReinforceSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"paper": {"lr": 0.01, "decay": 0.9}}

    def __init__(self, space: Space, settings: ReinforceSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._policy = Policy([len(d.options) for d in space.decisions], stream(seed, self.name, "logits"))
        self._sum, self._weight = 0.0, 0.0

    def _next(self) -> Evaluate | None:
        rng = self._rng()
        for _ in range(LEGAL_TRIES):
            choices = self._policy.draw(rng)
            if self.space.legal(choices):
                return self._training(choices)
        return self._training(sample(self.space, rng))

    def _hear(self, work: Evaluate, score: Score | None, outcome: Outcome) -> None:
        if score is None:
            return
        decay = self.settings.decay
        self._sum = decay * self._sum + (1 - decay) * score[0]
        self._weight = decay * self._weight + (1 - decay)
        self._policy.step(self._policy.gradient(work.choices, score[0] - self._sum / self._weight), self.settings.lr)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "policy": self._policy.state(), "sum": self._sum, "weight": self._weight}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._policy.load(state["policy"])
        self._sum, self._weight = state["sum"], state["weight"]

    def inspect(self) -> Inspection:
        """The probability of each option."""
        probabilities = self._policy.probabilities()
        likely = float(probabilities.max(axis=1).mean())
        return Inspection(
            f"{self._judged()}; the likeliest options have {likely:.0%}",
            {"probability": self._policy.rows(probabilities)},
        )
