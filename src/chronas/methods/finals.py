"""The final round: a few short trainings from scratch, guided by what similar options did in earlier ones.

Shared weights judge options early in their training, where separable kernels look as good as dense ones; a network
trained alone tells another story. So the end of the budget trains architectures alone: first the argmax of alpha and
some as different as can be (in the options' features: size, separable or not, ...; data of the space), then ones
proposed by a Bayesian linear model of validation accuracy over these features and the alphas, by Thompson sampling;
at last the best few for longer. Short trainings are noisy, and random architectures of many layers have about the
same mean features: only extremes tell a linear model enough in so few trainings (optimal design of experiments).
A prior from scores of untrained networks proposes one of the first, and is one more feature, whose worth is learnt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from chronas.methods.ranking import ScoreBook
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import crossover, mutate, sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work

Floats = npt.NDArray[np.float64]
Proposals: TypeAlias = Literal["spread", "pool"]
LONGER = 3.0
"""How much longer the last few are trained than the others."""
FIRST = 4
"""How many architectures come before the model's proposals."""
RIDGE = 0.3
"""Of the linear model: 1/variance of its weights before anything is seen, in standardised features."""
DIRECTIONS = 60
"""Extremes of the space among which the most telling one is chosen."""
POOL = 100
"""Architectures of each kind among which the model proposes."""


class FinalRound:
    """Asks for `count` short trainings and `last` longer ones in what is left of the budget.

    What is left is divided anew before each, in proportion to what is meant: trainings that take a little more than
    their share cost all that follow a little, and not the last one its training.

    alphas   per decision, the alphas in play (nan for options out of play); shares: their softmax, to draw from
    proposals  spread: extremes of the space first and in turn with the model's proposals; pool: the first are draws
             by alpha and at random, and all proposals come from a pool of random ones and ones near the best
    prior    per decision, what was known of all options before anything was trained; None where nothing was
    """

    def __init__(
        self, space: Space, alphas: Sequence[Floats], shares: Sequence[Floats], count: int, seed: int,
        prior: Sequence[Floats] | None = None, proposals: Proposals = "spread",
    ) -> None:  # fmt: skip
        self.space, self.seed, self.count = space, seed, count
        self.alphas = [np.nan_to_num(row, nan=float(np.nanmin(row)) - 1.0) for row in alphas]
        self.shares, self.prior = list(shares), prior
        self.proposals = proposals
        self.last = last_of(count)
        self.seen: list[tuple[Choices, float]] = []
        self.pool: list[Choices] = []
        self._asked = self._told = 0
        self._finalists: list[Choices] = []
        self.short, self.long = ScoreBook(), ScoreBook()

    # -- asking ----------------------------------------------------------------------------------------

    def ask(self, progress: float) -> Sequence[Work]:
        """The next training; empty when the round is over."""
        place, self._asked = self._asked, self._asked + 1
        left = 1.0 - progress
        if place < self.count:
            self.pool.append(self._next(place))
            share = left / (parts_of(self.count) - place)
            return [Evaluate(self.pool[-1], Fidelity("train", share, level=1 / LONGER))]
        if not self._finalists:
            self._finalists = self.short.ranked()[: self.last]
        turn = place - self.count
        if turn < len(self._finalists):
            return [Evaluate(self._finalists[turn], Fidelity("train", left / (len(self._finalists) - turn)))]
        return []

    def _next(self, place: int) -> Choices:
        """The argmax of alpha, then a draw by alpha and one at random (or the prior's) in turn, then the model's."""
        rng = stream(self.seed, "finals", place)
        for draw in range(100):
            if place == 0:
                drawn = tuple(int(np.argmax(row)) for row in self.alphas)
            elif place < min(FIRST, self.count / 2) or len(self.seen) < 3:
                drawn = self._first(rng, place, draw)
            elif self.proposals == "spread" and place % 2 == 0:
                drawn = _extreme(self._tables(), self._believed(rng))
            else:
                drawn = self._by_model(rng)
            if drawn not in self.pool:
                return drawn
        return sample(self.space, rng)

    def _first(self, rng: np.random.Generator, place: int, draw: int) -> Choices:
        """One of the first, before there is a model: what the prior favours, an extreme, or a draw by alpha."""
        if self.proposals == "spread" and (self.prior is None or place != 2):
            return self._telling(rng)
        return self._by_alpha(rng) if place % 2 else self._unlike_alpha(rng, draw)

    def _telling(self, rng: np.random.Generator) -> Choices:
        """The extreme of which a linear model would know least after those in the pool (D-optimal, one by one)."""
        tables = self._tables()
        rows = [_mean_features(tables, choices) for choices in self.pool]
        known = np.linalg.inv(RIDGE * np.eye(tables[0].shape[1]) + np.sum([np.outer(x, x) for x in rows], axis=0))
        extremes = [_extreme(tables, weights) for weights in rng.normal(size=(DIRECTIONS, len(known)))]
        points = [_mean_features(tables, choices) for choices in extremes]
        return extremes[int(np.argmax([point @ known @ point for point in points]))]

    def _believed(self, rng: np.random.Generator) -> Floats:
        """A draw from the posterior of the model's weights."""
        tables = self._tables()
        rows = np.array([_mean_features(tables, choices) for choices, _ in self.seen])
        return thompson(rows, np.array([accuracy for _, accuracy in self.seen]), rng)

    def _by_alpha(self, rng: np.random.Generator) -> Choices:
        return tuple(int(rng.choice(len(p), p=p)) for p in self.shares)

    def _unlike_alpha(self, rng: np.random.Generator, draw: int) -> Choices:
        """A random one; with a prior its favourite of all options, in play or not, and if that is known near it."""
        if self.prior is None:
            return sample(self.space, rng)
        return tuple(int(np.argmax(row + (rng.gumbel(size=len(row)) if draw else 0.0))) for row in self.prior)

    def _by_model(self, rng: np.random.Generator) -> Choices:
        """The best of a pool under one draw from the posterior of the model's weights.

        The pool holds random architectures and ones near the best so far: it keeps the model from trusting its
        lines far away from what it has seen.
        """
        tables, weights = self._tables(), self._believed(rng)
        pool = [sample(self.space, rng) for _ in range(POOL)] + [self._near_the_best(rng) for _ in range(POOL)]
        values = [float(_mean_features(tables, choices) @ weights) for choices in pool]
        return pool[int(np.argmax(values))]

    def _near_the_best(self, rng: np.random.Generator) -> Choices:
        """One of the three best so far, crossed with another of all seen, one to three decisions changed."""
        ranked = sorted(self.seen, key=lambda pair: -pair[1])
        mother = ranked[int(rng.integers(min(3, len(ranked))))][0]
        child = crossover(self.space, mother, ranked[int(rng.integers(len(ranked)))][0], rng)
        for _ in range(int(rng.integers(1, 4))):
            child = mutate(self.space, child, rng)
        return child

    def _tables(self) -> list[Floats]:
        """Per decision: features of every option, alpha, the prior where there is one; on one scale over the space."""
        raw = [np.column_stack([self.space.features(i), row]) for i, row in enumerate(self.alphas)]
        if self.prior is not None:
            raw = [np.column_stack([table, row]) for table, row in zip(raw, self.prior, strict=True)]
        everything = np.concatenate(raw)
        spread = everything.std(axis=0)
        return [(table - everything.mean(axis=0)) / np.where(spread > 0, spread, 1.0) for table in raw]

    # -- hearing ---------------------------------------------------------------------------------------

    def tell(self, outcome: Outcome) -> None:
        """Hear of a training; failures count as asked and nothing else."""
        assert isinstance(outcome.work, Evaluate)
        longer = outcome.work.fidelity.level == 1.0
        (self.long if longer else self.short).tell(outcome)
        accuracy = outcome.metrics.get("val_accuracy", float("nan"))
        if not longer and outcome.error is None and np.isfinite(accuracy):
            self.seen.append((outcome.work.choices, float(accuracy)))

    @property
    def judged(self) -> bool:
        """Whether any network has been judged."""
        return len(self.short) > 0

    def best(self) -> Choices:
        """The best of the longer trainings once there is one, else of the short ones."""
        return (self.long if len(self.long) else self.short).best()

    def words(self) -> str:
        """One line for people."""
        if self._asked <= self.count:
            return f"final round: network {self._asked} of {self.count}"
        return f"final round: finalist {min(self._asked - self.count, self.last)} of {self.last}, trained longer"

    # -- keeping ---------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "alphas": [row.tolist() for row in self.alphas], "shares": [row.tolist() for row in self.shares],
            "asked": self._asked, "pool": [list(c) for c in self.pool],
            "seen": [[list(c), a] for c, a in self.seen], "finalists": [list(c) for c in self._finalists],
            "short": self.short.state(), "long": self.long.state(),
        }  # fmt: skip

    @classmethod
    def restored(
        cls, space: Space, state: Mapping[str, Any], count: int, seed: int,
        prior: Sequence[Floats] | None = None, proposals: Proposals = "spread",
    ) -> FinalRound:  # fmt: skip
        """The round whose `state()` was `state`."""
        alphas = [np.array(row) for row in state["alphas"]]
        made = cls(space, alphas, [np.array(row) for row in state["shares"]], count, seed, prior, proposals)
        made._asked = state["asked"]
        made.pool = [tuple(c) for c in state["pool"]]
        made.seen = [(tuple(c), a) for c, a in state["seen"]]
        made._finalists = [tuple(c) for c in state["finalists"]]
        made.short.load(state["short"])
        made.long.load(state["long"])
        return made


def last_of(count: int) -> int:
    """How many of `count` are trained longer at the end."""
    return max(1, count // 4)


def parts_of(count: int) -> float:
    """The time of a round of `count`, in short trainings."""
    return count + LONGER * last_of(count)


def _extreme(tables: Sequence[Floats], weights: Floats) -> Choices:
    """The architecture with the most of features times `weights`: the best option of every decision by itself."""
    return tuple(int(np.argmax(table @ weights)) for table in tables)


def _mean_features(tables: Sequence[Floats], choices: Choices) -> Floats:
    return np.asarray(np.mean([table[choice] for table, choice in zip(tables, choices, strict=True)], axis=0))


def thompson(rows: Floats, targets: Floats, rng: np.random.Generator, *, ridge: float = RIDGE) -> Floats:
    """A draw from the posterior of a linear model: targets ~ rows @ weights + constant + noise.

    rows (n, f), targets (n,); the prior is N(0, 1/ridge) in units of standardised rows, the noise is estimated.
    """
    centred = rows - rows.mean(axis=0)
    scale = np.where(centred.std(axis=0) > 1e-9, centred.std(axis=0), np.inf)
    z, y = centred / scale, targets - targets.mean()
    precision = z.T @ z + ridge * np.eye(z.shape[1])
    mean = np.linalg.solve(precision, z.T @ y)
    noise = float(np.mean((y - z @ mean) ** 2)) + 1e-6
    drawn = rng.multivariate_normal(mean, noise * np.linalg.inv(precision), method="cholesky")
    return np.asarray(drawn / scale)
