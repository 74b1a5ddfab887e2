"""Runs work in this process, one piece after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from chronas.budget import Ledger
from chronas.errors import InternalError, ProxyError, TrainingError
from chronas.work import Advance, Choices, Evaluate, Outcome, Work

if TYPE_CHECKING:
    from chronas.training.unfinished import Unfinished


class Advancer(Protocol):
    """Stateful work: trains a supernet or a network for one slice.

    `pause` is asked after every step; when it says so, `advance` returns None and the next call goes on with
    the slice. `notes` hands out messages for people. `least` is the seconds that a step took of late, 0 before the
    first one.
    """

    @property
    def least(self) -> float: ...
    def advance(self, ledger: Ledger, pause: Callable[[], bool]) -> dict[str, float] | None: ...
    def notes(self) -> list[str]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...


class Evaluator(Protocol):
    """Architecture and fidelity to metrics. Charges what it trains to the ledger.

    Its only state is an evaluation that `pause` cut off (None was returned): the next call goes on with it,
    unless `drop` forgets it. `least` is the seconds, as measured so far, without which none is worth beginning.
    """

    @property
    def least(self) -> float: ...
    def evaluate(self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool]) -> dict[str, float] | None: ...
    def drop(self) -> None: ...
    def notes(self) -> list[str]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...


@runtime_checkable
class KeepsTraining(Protocol):
    """An advancer that can give what it has trained so far as a network of the architecture `choices`."""

    def unfinished(self, choices: Choices, ledger: Ledger) -> list[Unfinished]: ...


@runtime_checkable
class KeepsNetworks(Protocol):
    """An evaluator that can give the network in training and the best of those it has trained."""

    def unfinished(self) -> list[Unfinished]: ...


class InlineExecutor:
    """One advancer (or none) and one evaluator per kind of fidelity."""

    def __init__(self, advancer: Advancer | None, evaluators: Mapping[str, Evaluator]) -> None:
        self.advancer = advancer
        self.evaluators = evaluators
        # Of the piece of work that is being done: the counts before it, and the seconds spent on it.
        self._before: dict[str, float] | None = None
        self._seconds = 0.0

    def fits(self, work: Work, ledger: Ledger) -> bool:
        """Whether there is time to begin `work`; always in budgets other than seconds."""
        if isinstance(work, Advance):
            # A slice is one step at least, which may be longer than a slice is to be.
            return self.advancer is None or ledger.fits(self.advancer.least)
        return ledger.fits(self._evaluator(work).least)

    def run(self, work: Work, ledger: Ledger, pause: Callable[[], bool]) -> Outcome | None:
        """Run `work`; a failed evaluation comes back as an outcome with `error`, a paused piece of work as None.

        An advance that fails raises: there is no other supernet to go on with.
        """
        if self._before is None:
            self._before, self._seconds = dict(ledger.counts), 0.0
        began = time.monotonic()
        metrics, error = self._metrics(work, ledger, pause)
        self._seconds += time.monotonic() - began
        if metrics is None and error is None:
            return None
        price = {name: ledger.counts[name] - self._before[name] for name in self._before}
        self._before = None
        return Outcome(work, metrics or {}, {"seconds": self._seconds, **price}, error)

    def _metrics(
        self, work: Work, ledger: Ledger, pause: Callable[[], bool]
    ) -> tuple[dict[str, float] | None, str | None]:
        """The metrics (None while paused) and the error."""
        if isinstance(work, Advance):
            if self.advancer is None:
                raise InternalError("A method asked for supernet training, but there is no supernet.")
            return self.advancer.advance(ledger, pause), None
        metrics, error = None, None
        try:
            metrics = self._evaluator(work).evaluate(work, ledger, pause)
        except (TrainingError, ProxyError, ArithmeticError, RuntimeError, MemoryError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if metrics is not None or error is not None:
            ledger.charge(evaluations=1)
        return metrics, error

    def _evaluator(self, work: Evaluate) -> Evaluator:
        kind = work.fidelity.kind
        if kind not in self.evaluators:
            raise InternalError(f"A method asked for an evaluation by {kind!r}, but there is no such evaluator here.")
        return self.evaluators[kind]

    def unfinished(self, best: Choices | None, ledger: Ledger) -> list[Unfinished]:
        """Networks that can be used if all ends now, the one in training first; empty where nothing is trained.

        A supernet gives the architecture `best`, where no network has been judged by itself.
        """
        found = [one for evaluator in self.evaluators.values() if isinstance(evaluator, KeepsNetworks)
                 for one in evaluator.unfinished()]  # fmt: skip
        judged, advancer = any(one.metrics for one in found), cast(object, self.advancer)
        if best is not None and not judged and isinstance(advancer, KeepsTraining):
            found += advancer.unfinished(best, ledger)
        return found

    def notes(self) -> list[str]:
        """Messages for people from whoever worked, each handed out once."""
        found = [] if self.advancer is None else self.advancer.notes()
        return [*found, *(message for evaluator in self.evaluators.values() for message in evaluator.notes())]

    def state(self) -> dict[str, Any]:
        return {
            "advancer": None if self.advancer is None else self.advancer.state(),
            "evaluators": {kind: evaluator.state() for kind, evaluator in self.evaluators.items()},
            "before": self._before,
            "seconds": self._seconds,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        if self.advancer is not None:
            self.advancer.load(state["advancer"])
        for kind, evaluator in self.evaluators.items():
            # Snapshots of earlier versions lack evaluators that have no state.
            evaluator.load(state["evaluators"].get(kind, {}))
        self._before, self._seconds = state["before"], state["seconds"]

    def drop(self) -> float:
        """Forget a piece of work that was cut off: its outcome is known from elsewhere. Returns its seconds so far."""
        spent = 0.0 if self._before is None else self._seconds
        self._before = None
        for evaluator in self.evaluators.values():
            evaluator.drop()
        return spent
