"""BOHB: Hyperband's brackets, filled by a density model of what was good so far.

Falkner et al., "BOHB: robust and efficient hyperparameter optimization at scale", 2018. The package of the authors
(HpBandSter) is no longer developed, so its brackets and model are written anew in `brackets` and `density`, with its
defaults: preset `paper`. Preset `nasbench201` is the run of Dong & Yang 2020 (NASWOT, table 2): 4 proposals, no random
part, bandwidths from 0.3; its worker ignores the level and always reads the full training (`flat`).

The model is that of the highest level with more than 2 d results. The default differs from the paper in two things:
the spread behind the bandwidth does not depend on the order in which options are listed, and a bracket is not begun
with a network that is known: the model proposes what it knows over and over in a space without continuous values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chronas.errors import UsageError
from chronas.methods.base import Inspection
from chronas.methods.blackbox import BlackBox, Known, at_least, within_unit
from chronas.methods.brackets import Bracket
from chronas.methods.density import Density, Spread, propose, split
from chronas.methods.ranking import Score, ScoreBook, score_of
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Outcome

FAILED: Score = (-np.inf, -np.inf)


@dataclass(frozen=True)
class BohbSettings:
    """Settings of BOHB.

    eta              a level is eta times the one before, and one of eta goes on
    rungs            levels in all: 1, 1/eta, ..., eta^-(rungs-1)
    samples          proposals of which the best by the model is taken
    random_fraction  part of the draws that ignores the model
    top_percent      part of the results that counts as good
    min_bandwidth    least bandwidth of a kernel
    spread           behind the bandwidth, see `density`: options or codes
    flat             judge all rungs by full trainings
    again            begin with networks again that are known
    evaluations      full trainings that the budget is to hold; on a table it goes on until stopped
    """

    eta: int = 3
    rungs: int = 3
    samples: int = 64
    random_fraction: float = 1 / 3
    top_percent: int = 15
    min_bandwidth: float = 1e-3
    spread: Spread = "options"
    flat: bool = False
    again: bool = False
    evaluations: int = 24

    def __post_init__(self) -> None:
        at_least(self, eta=2, rungs=1, samples=1, top_percent=1, min_bandwidth=0, evaluations=1)
        within_unit(self, "random_fraction", "min_bandwidth")
        if not self.top_percent < 100:
            raise UsageError(f"method.top_percent must be below 100, but got {self.top_percent}.")
        if self.spread not in ("options", "codes"):
            raise UsageError(f"method.spread must be options or codes, but got {self.spread!r}.")


class Bohb(BlackBox):
    """Goes on until it is stopped."""

    name = "bohb"
    Settings = BohbSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"eta": 3, "rungs": 3, "samples": 64, "random_fraction": 1 / 3, "top_percent": 15,
                  "min_bandwidth": 1e-3, "spread": "codes", "again": True},
        "nasbench201": {"eta": 3, "rungs": 3, "samples": 4, "random_fraction": 0.0, "top_percent": 15,
                        "min_bandwidth": 0.3, "spread": "codes", "flat": True, "again": True},
    }  # fmt: skip

    def __init__(self, space: Space, settings: BohbSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        self._begun = 0
        self._brackets: list[Bracket] = []
        # By exponent: level eta^-k. Failures are kept, for the model counts them as bad.
        self._results: dict[int, list[tuple[Choices, Score]]] = {}
        self._books = {k: ScoreBook() for k in range(settings.rungs)}
        self._options = np.array([len(d.options) for d in space.decisions])
        self._known = Known(space)
        self._model: tuple[Density, Density] | None = None
        self._stale = True

    def _next(self) -> Evaluate | None:
        for bracket in self._brackets:
            if (choices := bracket.next(self._draw)) is not None:
                return self._training(choices, 1.0 if self.settings.flat else bracket.level)
        self._begin()
        return self._next()

    def _begin(self) -> None:
        s = self.settings.rungs - 1 - self._begun % self.settings.rungs
        self._brackets.append(Bracket(self.settings.rungs, self.settings.eta, s))
        self._begun += 1

    def _draw(self) -> Choices:
        rng = self._rng()
        model = self._densities()
        if model is not None and rng.random() >= self.settings.random_fraction:
            for choices in propose(*model, self.settings.samples, rng):
                if self.space.legal(choices) and (self._known.add(choices) or self.settings.again):
                    return choices
        if self.settings.again:
            return sample(self.space, rng)
        return self._known.new(lambda: sample(self.space, rng))

    def _densities(self) -> tuple[Density, Density] | None:
        """The model of the highest level that has one; built anew when there are new results."""
        if self._stale:
            self._stale, self._model = False, None
            for k in sorted(self._results):
                parts = split(self._results[k], self.settings.top_percent)
                if parts is not None:
                    least, spread = self.settings.min_bandwidth, self.settings.spread
                    good, bad = (Density(rows, self._options, least, spread) for rows in parts)
                    self._model = (good, bad)
                    break
        return self._model

    def tell(self, outcome: Outcome, progress: float) -> None:
        work = outcome.work
        if not isinstance(work, Evaluate):
            return
        self._flying -= 1
        for bracket in self._brackets:
            same_level = self.settings.flat or bracket.level == work.fidelity.level
            if same_level and bracket.awaits(work.choices):
                self._book_at(bracket.s - bracket.rung, outcome)
                bracket.tell(work.choices, score_of(outcome))
                break
        self._brackets = [bracket for bracket in self._brackets if not bracket.finished]

    def _book_at(self, k: int, outcome: Outcome) -> None:
        assert isinstance(outcome.work, Evaluate)
        score = self._books[k].tell(outcome)
        self._results.setdefault(k, []).append((outcome.work.choices, FAILED if score is None else score))
        self._stale = True

    def _top(self) -> ScoreBook:
        """The book of the highest level at which anything was judged."""
        return next((book for k in sorted(self._books) if len(book := self._books[k])), self._books[0])

    def best(self) -> Choices:
        """The best of the highest level at which anything was judged."""
        return self._top().best()

    def state(self) -> dict[str, Any]:
        results = {str(k): [[list(c), list(s) if s != FAILED else None] for c, s in rows]
                   for k, rows in self._results.items()}  # fmt: skip
        return {"asked": self._asked, "flying": self._flying, "begun": self._begun, "results": results,
                "known": self._known.state(), "brackets": [bracket.state() for bracket in self._brackets],
                "books": {str(k): book.state() for k, book in self._books.items()}}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self._asked, self._flying, self._begun = state["asked"], state["flying"], state["begun"]
        self._known.load(state["known"])
        self._results = {
            int(k): [(tuple(c), FAILED if s is None else (s[0], s[1])) for c, s in rows]
            for k, rows in state["results"].items()
        }
        for k, book in self._books.items():
            book.load(state["books"][str(k)])
        self._brackets = []
        for saved in state["brackets"]:
            bracket = Bracket(self.settings.rungs, self.settings.eta, saved["s"])
            bracket.load(saved)
            self._brackets.append(bracket)
        self._stale = True

    def inspect(self) -> Inspection:
        """Where the brackets are, and how often the model's good architectures have each option."""
        parts = self._densities()
        rungs = ", ".join(f"bracket {b.s} at rung {b.rung + 1} of {len(b.sizes)}" for b in self._brackets)
        message = f"{rungs or 'between brackets'}; {sum(map(len, self._results.values()))} judged"
        if parts is None:
            return Inspection(f"{message}, no model yet")
        rows = parts[0].rows
        table = [(np.bincount(column, minlength=int(k)) / len(rows)).tolist()
                 for column, k in zip(rows.T, self._options, strict=True)]  # fmt: skip
        return Inspection(message, {"good": table})
