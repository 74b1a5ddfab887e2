"""Executors with a simulated clock: table look-ups take the seconds that the trainings behind them took.

The rules are those of the published searches on NAS-Bench-201 (Dong & Yang 2020): the clock advances by the price
of each evaluation, and one that would end after the budget is thrown away.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chronas.budget import Budget, Ledger, RunClock
from chronas.errors import NothingEvaluatedError, TableError, UsageError
from chronas.execution.lookup import Lookup, ProxyScores
from chronas.seeding import stream
from chronas.work import Choices, Outcome, Work

if TYPE_CHECKING:
    from chronas.benchmarks import Table
    from chronas.methods.base import Method

MOST_FAILURES_IN_A_ROW = 1000
"""A table that lacks that many architectures in a row covers too little of its space to search in it."""


@dataclass(frozen=True)
class Trace:
    """What one simulated run did.

    times, choices  when the best architecture changed, in the budget's unit, and what it was from then on
    spent           where the clock stood after the last outcome; what was thrown away is not in it
    evaluations     outcomes told; `failures` of them had no metrics
    finished        whether the method ended by itself
    """

    times: tuple[float, ...]
    choices: tuple[Choices, ...]
    spent: float
    evaluations: int
    failures: int
    finished: bool

    @property
    def best(self) -> Choices:
        """The best architecture at the end; raises NothingEvaluatedError."""
        if not self.choices:
            raise NothingEvaluatedError("The budget ended before the first evaluation did.")
        return self.choices[-1]

    def at(self, time: float) -> Choices | None:
        """The best architecture at `time`, None before there was one."""
        place = bisect.bisect_right(self.times, time)
        return self.choices[place - 1] if place else None


def simulate(
    method: Method,
    table: Table,
    dataset: str,
    budget_seconds: float | str | Budget,
    *,
    workers: int = 1,
    epochs: int = 12,
    proxy_scores: Mapping[str, ProxyScores] | None = None,
    seed: int = 0,
) -> Trace:
    """Run `method` on a table under a simulated clock.

    dataset         the data set whose validation accuracy the method sees
    budget_seconds  simulated seconds, or a budget in seconds or evaluations
    workers         evaluations under way at once
    epochs          epochs of the row that a whole evaluation reads
    proxy_scores    scores by the proxy's name, for methods that ask for them
    seed            which of several initialisations the scores are of

    Raises UsageError where the table cannot serve such a run.
    """
    lookup = Lookup(table, dataset, epochs=epochs, proxy_scores=proxy_scores)
    return replay(method, lookup, Budget.parse(budget_seconds), workers=workers, seed=seed)


def check_budget(lookup: Lookup, budget: Budget, workers: int) -> None:
    """Raise UsageError unless a run with this budget makes sense on this table."""
    if workers < 1:
        raise UsageError(f"A simulated run needs at least 1 worker, but got {workers}.")
    if budget.unit == "epochs":
        raise UsageError("A simulated run has a budget in seconds or evaluations, for example 12000s.")
    if budget.unit == "seconds" and not lookup.priced:
        raise UsageError(
            f"{lookup.table.name} has no prices in seconds for {lookup.dataset} at {lookup.epochs} epochs. "
            "Give the budget in evaluations, for example --budget '100 evaluations'."
        )


def replay(
    method: Method,
    lookup: Lookup,
    budget: Budget,
    *,
    workers: int = 1,
    seed: int = 0,
    looks: Sequence[float] | None = None,
) -> Trace:
    """`simulate` with a lookup that serves many runs. With `looks` (ascending times) the best is noted only there."""
    check_budget(lookup, budget, workers)
    loop = _Loop(method, lookup, budget, workers, int(stream(seed, "simulate", "draw").integers(1 << 30)))
    return loop.run(() if looks is None else looks, looks is None)


class _Loop:
    """The discrete-event loop of one run: a heap of (end, ticket, outcome)."""

    def __init__(self, method: Method, lookup: Lookup, budget: Budget, workers: int, draw: int) -> None:
        self.method, self.lookup, self.draw = method, lookup, draw
        self.limit, self.counted = budget.amount, budget.unit == "evaluations"
        self.free, self.now, self.tickets, self.told = workers, 0.0, 0, 0
        self.failures, self.in_a_row, self.stopped = 0, 0, False
        self.heap: list[tuple[float, int, Outcome]] = []
        self.times: list[float] = []
        self.choices: list[Choices] = []

    @property
    def position(self) -> float:
        """What is spent, in the budget's unit."""
        return float(self.told) if self.counted else self.now

    def run(self, looks: Sequence[float], always: bool) -> Trace:
        waiting = iter(looks)
        look = next(waiting, None)
        self._fill()
        while self.heap:
            coming = float(self.told + 1) if self.counted else self.heap[0][0]
            while look is not None and look < coming:
                self._note(look)
                look = next(waiting, None)
            self._tell()
            if always:
                self._note(self.position)
            # All that end together are told before more is asked for.
            if not (self.heap and self.heap[0][0] == self.now):
                self._fill()
        self._note(self.position)
        times, choices = tuple(self.times), tuple(self.choices)
        return Trace(times, choices, self.position, self.told, self.failures, not self.stopped)

    def _fill(self) -> None:
        while self.free:
            if self.counted and self.tickets >= self.limit:
                self.stopped = True
                return
            asked = self.method.ask(1, min(1.0, self.position / self.limit))
            if not asked:
                return
            outcome, seconds = self.lookup.answer(asked[0], self.draw)
            self.free -= 1
            if not self.counted and self.now + seconds > self.limit:
                # This worker is busy until the budget is over, and what it does then comes too late.
                self.stopped = True
                continue
            heapq.heappush(self.heap, (self.now + seconds, self.tickets, outcome))
            self.tickets += 1

    def _tell(self) -> None:
        self.now, _, outcome = heapq.heappop(self.heap)
        self.told += 1
        self.free += 1
        self.method.tell(outcome, min(1.0, self.position / self.limit))
        if outcome.error is None:
            self.in_a_row = 0
            return
        self.failures += 1
        self.in_a_row += 1
        if self.in_a_row >= MOST_FAILURES_IN_A_ROW:
            raise TableError(f"{self.in_a_row} evaluations in a row failed; the last one: {outcome.error}")

    def _note(self, time: float) -> None:
        try:
            best = self.method.best()
        except NothingEvaluatedError:
            return
        if not self.choices or best != self.choices[-1]:
            self.times.append(time)
            self.choices.append(best)


class SimulatedClock(RunClock):
    """A run's clock that stands still until someone adds to `carried`, as the driver does for replayed outcomes."""

    def __init__(self, carried: float = 0.0) -> None:
        super().__init__(started=0.0, carried=carried)

    def __call__(self) -> float:
        return self.carried

    def ledger(self, budget: Budget) -> Ledger:
        """A ledger of simulated time."""
        return Ledger(budget, clock=self, started=0.0)


class SimulatedExecutor:
    """The driver's executor with one worker: answers from a table and moves `clock`.

    Stage, ledger and executor share the one clock. An evaluation that would end after the budget takes what is
    left of it and has no outcome.
    """

    def __init__(self, lookup: Lookup, clock: SimulatedClock, *, seed: int = 0) -> None:
        self.lookup, self.clock = lookup, clock
        self._draw = int(stream(seed, "simulate", "draw").integers(1 << 30))

    def fits(self, work: Work, ledger: Ledger) -> bool:
        """Everything is begun: what the clock has no time for takes what is left of it."""
        return True

    def run(self, work: Work, ledger: Ledger, pause: Callable[[], bool]) -> Outcome | None:
        """The outcome of `work`, at its end on the simulated clock; None where that is after the budget."""
        outcome, seconds = self.lookup.answer(work, self._draw)
        if not ledger.fits(seconds):
            self.clock.carried += ledger.left
            return None
        self.clock.carried += seconds
        ledger.charge(evaluations=1)
        return outcome

    def notes(self) -> list[str]:
        return []

    def drop(self) -> float:
        """Nothing is ever half done here."""
        return 0.0

    def state(self) -> dict[str, Any]:
        return {"now": self.clock.carried}

    def load(self, state: Mapping[str, Any]) -> None:
        self.clock.carried = state["now"]
