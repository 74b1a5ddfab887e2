"""The only loop: ask, journal, run, charge, tell, journal, snapshot.

It knows no method, space or data set by name. Searching, and training one network, are both driven by it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chronas.budget import Ledger, RunClock
from chronas.errors import NothingEvaluatedError, RunError, TrainingError
from chronas.methods.base import Method
from chronas.runs import snapshots
from chronas.runs.best import judged
from chronas.runs.folder import RunFolder
from chronas.work import Advance, Choices, Evaluate, Outcome, Work, work_from_json, work_to_json

MOST_FAILURES_IN_A_ROW = 5
MOST_RECOVERIES = 3

Reason = Literal["finished", "interrupted"]
Listener = Callable[[Mapping[str, Any]], None]


class Executor(Protocol):
    """Runs work; holds what must be in a snapshot besides the method.

    `run` returns None when it stopped in the middle because `pause` said so: the next `run` of the same work,
    also after `state` and `load` in another process, goes on there, unless `drop` forgets it, which returns the seconds
    spent on it. `fits` says whether there is time to begin. `notes` hands out messages for people.
    """

    def fits(self, work: Work, ledger: Ledger) -> bool: ...
    def run(self, work: Work, ledger: Ledger, pause: Callable[[], bool]) -> Outcome | None: ...
    def notes(self) -> list[str]: ...
    def drop(self) -> float: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...


class Stop(Protocol):
    @property
    def requested(self) -> bool: ...


@dataclass
class Stage:
    """One stretch of a run with a budget of its own.

    name        the stage's word in journal and snapshots, e.g. "search", "train-found"
    outcome     kind of the record of an `Advance`: "outcome" in a search, "epoch" in a training
    every       seconds between snapshots at least (the cost of writing counts too)
    recover     called after a training failure, once the last snapshot is loaded; returns what it did in words
    on_best     called with (choices, metrics) whenever the best architecture changes
    """

    name: str
    method: Method
    executor: Executor
    ledger: Ledger
    clock: RunClock
    outcome: Literal["outcome", "epoch"] = "outcome"
    every: float = 20.0
    recover: Callable[[], str] | None = None
    on_best: Callable[[Choices, Mapping[str, float]], None] | None = None
    on_slice: Callable[[Method, float], None] | None = None


@dataclass
class _Place:
    """Where the loop is: what a snapshot holds besides method and executor.

    work   asked for and not finished yet
    saved  number of the newest snapshot; each has its own, so that none is ever written over
    """

    ticket: int = 0
    work: Work | None = None
    saved: int = -1
    recoveries: int = 0
    failures: int = 0
    seq: int = 0
    best: Choices | None = None
    replay: dict[int, Mapping[str, Any]] = field(default_factory=dict)


class Driver:
    """Runs one stage in a run folder until its budget is spent, the method has finished, or someone asks to stop."""

    def __init__(self, folder: RunFolder, stage: Stage, stop: Stop, listeners: list[Listener]) -> None:
        self.folder, self.stage, self.stop, self.listeners = folder, stage, stop, listeners
        self.place = _Place()
        self._saved_at, self._saving_took = -math.inf, 0.0
        self._named = False

    def run(self) -> Reason:
        """Go on from the newest snapshot, or from the beginning; returns why it ended.

        Raises TrainingError when recovery fails or too many evaluations in a row fail.
        """
        stage = self.stage
        if not self._resume():
            self._begin()
        while not self.stop.requested and not stage.ledger.exhausted:
            try:
                if not self._one():
                    break
                if self._due():
                    self._snapshot()
            except TrainingError as failure:
                self._recover(failure)
        if self.stop.requested:
            self._last_snapshot()
            return "interrupted"
        return "finished"

    def _one(self) -> bool:
        """Do one piece of work, or a part of it until a snapshot is due; False when the method has finished."""
        stage, place = self.stage, self.place
        if place.work is None:
            asked = stage.method.ask(1, stage.ledger.progress)
            if not asked or not stage.executor.fits(asked[0], stage.ledger):
                return False
            place.work = asked[0]
            self._record({"kind": "ask", "ticket": place.ticket, "work": work_to_json(place.work)}, sync=False)
            self._first(place.work)
        work = place.work
        outcome = self._replayed(work) or stage.executor.run(work, stage.ledger, self._pause)
        for message in stage.executor.notes():
            self.note(message)
        if outcome is not None:
            self._finish(work, outcome)
        return True

    def _finish(self, work: Work, outcome: Outcome) -> None:
        stage, place = self.stage, self.place
        place.work = None
        place.ticket += 1
        stage.method.tell(outcome, stage.ledger.progress)
        kind = "outcome" if isinstance(work, Evaluate) else stage.outcome
        self._record(
            {
                "kind": kind,
                "ticket": place.ticket - 1,
                "work": work_to_json(work),
                "metrics": dict(outcome.metrics),
                "price": dict(outcome.price),
                "error": outcome.error,
                "progress": stage.ledger.progress,
                "spent": stage.ledger.spent,
            }
        )
        for message in stage.method.notes():
            self.note(message, "info")
        self._count_failures(outcome)
        self._best(outcome)
        if stage.on_slice:
            stage.on_slice(stage.method, stage.ledger.progress)

    def _due(self) -> bool:
        """Whether a snapshot is due: writing them may cost a twentieth of the time."""
        return time.monotonic() - self._saved_at >= max(self.stage.every, 20 * self._saving_took)

    def _pause(self) -> bool:
        return self.stop.requested or self._due()

    def _count_failures(self, outcome: Outcome) -> None:
        self.place.failures = self.place.failures + 1 if outcome.error else 0
        if self.place.failures >= MOST_FAILURES_IN_A_ROW:
            raise RunError(f"{self.place.failures} evaluations in a row failed; the last one: {outcome.error}")

    def _best(self, outcome: Outcome) -> None:
        try:
            best = self.stage.method.best()
        except NothingEvaluatedError:
            return
        if best == self.place.best:
            return
        self.place.best = best
        notation = self.stage.method.space.notation(best)
        # Another one than was just told may have become the best, where that one was judged again and worse.
        told = isinstance(outcome.work, Advance) or outcome.work.choices == best
        metrics = dict(outcome.metrics if told else judged(self.folder, self.stage.name, best))
        self._record({"kind": "best", "choices": list(best), "notation": notation, "metrics": metrics}, sync=False)
        if self.stage.on_best:
            self.stage.on_best(best, metrics)

    def _first(self, work: Work) -> None:
        """Tell `on_best`, before anything was judged, which architecture there is: a run may end at any time."""
        if self.stage.on_best is None or self._named or self.place.best is not None:
            return
        self._named = True
        try:
            choices = self.stage.method.best()
        except NothingEvaluatedError:
            if not isinstance(work, Evaluate):
                return
            choices = work.choices
        self.stage.on_best(choices, {})

    def note(self, message: str, level: str = "warning") -> None:
        """Journal a message for people."""
        self._record({"kind": "note", "level": level, "message": message})

    def _record(self, record: dict[str, Any], sync: bool = True) -> None:
        full = {**record, "stage": self.stage.name, "t": round(self.stage.clock(), 4)}
        written = self.folder.journal.append(full, sync=sync)
        self.place.seq = written["seq"]
        for listener in self.listeners:
            listener(written)

    def _snapshot(self) -> None:
        began = time.monotonic()
        stage, place = self.stage, self.place
        state = {
            "method": stage.method.state(),
            "executor": stage.executor.state(),
            "ledger": stage.ledger.state(),
            "clock": stage.clock(),
            "ticket": place.ticket,
            "work": None if place.work is None else work_to_json(place.work),
            "failures": place.failures,
            "recoveries": place.recoveries,
            "best": None if place.best is None else list(place.best),
            "seq": place.seq,
        }
        name = snapshots.save(self.folder.snapshot_folder, stage.name, place.saved + 1, state)
        place.saved += 1
        self._saved_at = time.monotonic()
        self._saving_took = self._saved_at - began
        stage.ledger.charge(where="snapshots", seconds=self._saving_took)
        self._record({"kind": "snapshot", "name": name}, sync=False)

    def _last_snapshot(self) -> None:
        try:
            self._snapshot()
        except TrainingError as failure:
            self.note(f"{failure} The last snapshot before that stays the newest.")

    def _begin(self) -> None:
        """Start the stage. Records of it in the journal mean that its snapshots are gone: it is done again."""
        own = [r for r in self.folder.journal.records() if r["stage"] == self.stage.name]
        begun = max((r["seq"] for r in own if r["kind"] == "stage" and r["event"] == "begin"), default=0)
        self.place.seq = self.folder.journal.last_seq()
        if any(r["seq"] > begun for r in own):
            self._record({"kind": "resume", "rewind": begun})
            self.note(f"No snapshot of {self.stage.name} is left, so it starts again.")
        self._snapshot()

    def _resume(self) -> bool:
        found = snapshots.load_latest(self.folder.snapshot_folder, self.stage.name)
        if found is None:
            return False
        state = found.state
        self._restore(state, found.number)
        self.stage.ledger.restore(state["ledger"])
        tail = [r for r in self.folder.journal.records() if r["stage"] == self.stage.name and r["seq"] > state["seq"]]
        self.place.replay = {r["ticket"]: r for r in tail if r["kind"] == "outcome" and r["work"]["work"] == "evaluate"}
        self._record({"kind": "resume", "rewind": state["seq"]})
        for message in found.notes:
            self.note(message)
        return True

    def _restore(self, state: Mapping[str, Any], number: int) -> None:
        try:
            self._take_over(state, number)
        except (KeyError, TypeError) as error:
            name = snapshots.name_of(self.stage.name, number)
            raise RunError(
                f"The snapshot {self.folder.snapshot_folder / name} is whole, but not as this version of Chronas "
                f"writes it ({type(error).__name__}: {error}). Go on with the version that began the run (its journal "
                "names it), or start a new run with another --out."
            ) from error

    def _take_over(self, state: Mapping[str, Any], number: int) -> None:
        self.stage.method.load(state["method"])
        self.stage.executor.load(state["executor"])
        self.place.ticket, self.place.failures = state["ticket"], state["failures"]
        self.place.work = None if state["work"] is None else work_from_json(state["work"])
        self.place.recoveries, self.place.saved = state["recoveries"], number
        self.place.best = None if state["best"] is None else tuple(state["best"])
        self._saved_at = time.monotonic()

    def _replayed(self, work: Work) -> Outcome | None:
        """The outcome of the same evaluation in the journal's tail: it need not be run again."""
        record = self.place.replay.pop(self.place.ticket, None)
        # What failed is tried again: the cause may be gone.
        if record is None or record["error"] is not None or record["work"] != work_to_json(work):
            return None
        price = {k: float(v) for k, v in record["price"].items()}
        self.stage.ledger.charge(**{k: v for k, v in price.items() if k in self.stage.ledger.counts})  # type: ignore[arg-type]
        # The part of it before the snapshot is on the clock already.
        self.stage.clock.carried += price["seconds"] - self.stage.executor.drop()
        metrics = {k: math.nan if v is None else float(v) for k, v in record["metrics"].items()}
        return Outcome(work, metrics, price, record["error"])

    def _recover(self, failure: TrainingError) -> None:
        """Back to the newest snapshot with a gentler setting; time spent stays spent."""
        found = snapshots.load_latest(self.folder.snapshot_folder, self.stage.name)
        done = self.place.recoveries
        if self.stage.recover is None or found is None or done >= MOST_RECOVERIES:
            after = f" after {done} recoveries" if done else ""
            self.note(f"Training failed for good{after}: {failure}")
            raise failure
        self._restore(found.state, found.number)
        self.place.recoveries = done + 1
        self._record({"kind": "resume", "rewind": found.state["seq"]})
        self.note(f"{failure} Went back to {snapshots.name_of(self.stage.name, found.number)}; {self.stage.recover()}")
        # From here on this is the state to go back to: a second failure is met with a still gentler setting.
        self._snapshot()
