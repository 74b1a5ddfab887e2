"""Optuna's samplers as methods: TPE, GP, NSGA-II (one objective) and random. Needs the extra `optuna`.

Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", 2019. Every decision is a categorical
parameter. A study lives in memory; its samplers keep hidden state, so what is saved is the sequence of asks and tells,
which a fresh study with the same seed replays: exact, at the price of sampling again.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chronas.errors import UsageError, missing_extra
from chronas.methods.base import Inspection
from chronas.methods.blackbox import BlackBox, at_least
from chronas.methods.ranking import Score
from chronas.seeding import derive, stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Outcome

Sampler = Literal["tpe", "gp", "nsga2", "random"]
SAMPLERS = ("tpe", "gp", "nsga2", "random")
NSGA2_POPULATION = 10
"""Optuna's 50 would spend a budget of trainings on the first, random generation."""
LEGAL_TRIES = 100


@dataclass(frozen=True)
class OptunaSettings:
    """Settings of the adapter.

    sampler      tpe, gp (slower to ask, for few trainings), nsga2 or random
    evaluations  trainings that the budget is to hold, each 1/evaluations of it; on a table it goes on until stopped
    """

    sampler: Sampler = "tpe"
    evaluations: int = 24

    def __post_init__(self) -> None:
        at_least(self, evaluations=1)
        if self.sampler not in SAMPLERS:
            raise UsageError(f"method.sampler must be one of {', '.join(SAMPLERS)}, but got {self.sampler!r}.")


class OptunaSearch(BlackBox):
    """Goes on until it is stopped. Raises EnvironmentFault where Optuna is not installed."""

    name = "optuna"
    Settings = OptunaSettings

    def __init__(self, space: Space, settings: OptunaSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        try:
            import optuna
        except ModuleNotFoundError as error:
            raise missing_extra("optuna", "optuna", "The method 'optuna'") from error
        self._optuna = optuna
        self._begin()

    def _begin(self) -> None:
        optuna = self._optuna
        seed = derive(self.seed, self.name) % 2**32
        self._events: list[list[Any]] = []
        self._trials: list[tuple[int, Choices]] = []
        distribution = optuna.distributions.CategoricalDistribution
        self._parameters = {f"{i}": distribution(range(len(d.options))) for i, d in enumerate(self.space.decisions)}
        before = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self._quiet():
            made = {
                "tpe": lambda: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
                "gp": lambda: optuna.samplers.GPSampler(seed=seed),
                "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=NSGA2_POPULATION),
                "random": lambda: optuna.samplers.RandomSampler(seed=seed),
            }
            self._study = optuna.create_study(sampler=made[self.settings.sampler](), direction="maximize")
        optuna.logging.set_verbosity(before)

    @staticmethod
    def _quiet() -> warnings.catch_warnings[None]:
        """Optuna warns that samplers may change; what is installed is what is used."""
        return warnings.catch_warnings(action="ignore")

    def _next(self) -> Evaluate | None:
        self._events.append(["ask"])
        number, choices = self._ask()
        self._trials.append((number, choices))
        return self._training(choices)

    def _ask(self) -> tuple[int, Choices]:
        """A legal trial; illegal ones are told as pruned, from which samplers learn."""
        with self._quiet():
            for _ in range(LEGAL_TRIES):
                trial = self._study.ask(self._parameters)
                choices = tuple(int(trial.params[name]) for name in self._parameters)
                if self.space.legal(choices):
                    return trial.number, choices
                self._study.tell(trial, state=self._optuna.trial.TrialState.PRUNED)
            drawn = sample(self.space, stream(self.seed, self.name, len(self._study.trials)))
            self._study.enqueue_trial(dict(zip(self._parameters, drawn, strict=True)))
            return self._study.ask(self._parameters).number, drawn

    def _hear(self, work: Evaluate, score: Score | None, outcome: Outcome) -> None:
        place = next(i for i, (_, choices) in enumerate(self._trials) if choices == work.choices)
        number, _ = self._trials.pop(place)
        self._events.append(["tell", number, None if score is None else score[0]])
        self._tell(number, None if score is None else score[0])

    def _tell(self, number: int, value: float | None) -> None:
        with self._quiet():
            if value is None:
                self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(number, value)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "events": [list(event) for event in self._events]}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self._begin()
        for event in state["events"]:
            if event[0] == "ask":
                self._trials.append(self._ask())
            else:
                self._tell(event[1], event[2])
                self._trials = [trial for trial in self._trials if trial[0] != event[1]]
        self._events = [list(event) for event in state["events"]]

    def inspect(self) -> Inspection:
        return Inspection(f"Optuna's {self.settings.sampler}: {self._judged()}")
