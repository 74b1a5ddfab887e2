"""Runs work in this process, one piece after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from chronas.budget import Ledger
from chronas.errors import InternalError, TrainingError
from chronas.work import Advance, Evaluate, Outcome, Work


class Advancer(Protocol):
    """Stateful work: trains a supernet or a network for one slice."""

    def advance(self, ledger: Ledger) -> dict[str, float]: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...


class Evaluator(Protocol):
    """Stateless work: architecture and fidelity to metrics. Charges what it trains to the ledger."""

    def evaluate(self, work: Evaluate, ledger: Ledger) -> dict[str, float]: ...


class InlineExecutor:
    """One advancer (or none) and one evaluator per kind of fidelity."""

    def __init__(self, advancer: Advancer | None, evaluators: Mapping[str, Evaluator]) -> None:
        self.advancer = advancer
        self.evaluators = evaluators

    def run(self, work: Work, ledger: Ledger) -> Outcome:
        """Run `work`; a failed evaluation comes back as an outcome with `error`.

        An advance that fails raises: there is no other supernet to go on with.
        """
        before, began = dict(ledger.counts), time.monotonic()
        metrics: dict[str, float] = {}
        error = None
        if isinstance(work, Advance):
            if self.advancer is None:
                raise InternalError("A method asked for supernet training, but there is no supernet.")
            metrics = self.advancer.advance(ledger)
        else:
            try:
                metrics = self._evaluator(work).evaluate(work, ledger)
            except (TrainingError, ArithmeticError, RuntimeError) as failure:
                error = f"{type(failure).__name__}: {failure}"
            ledger.charge(evaluations=1)
        price = {name: ledger.counts[name] - before[name] for name in before}
        return Outcome(work, metrics, {"seconds": time.monotonic() - began, **price}, error)

    def _evaluator(self, work: Evaluate) -> Evaluator:
        kind = work.fidelity.kind
        if kind not in self.evaluators:
            raise InternalError(f"A method asked for an evaluation by {kind!r}, but there is no such evaluator here.")
        return self.evaluators[kind]

    def state(self) -> dict[str, Any]:
        return {} if self.advancer is None else {"advancer": self.advancer.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        if self.advancer is not None:
            self.advancer.load(state["advancer"])
