"""The executor of one process: what it begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chronas.architecture import make_space
from chronas.budget import Budget, Ledger, RunClock
from chronas.driver import Driver, Stage
from chronas.execution.inline import Advancer, InlineExecutor
from chronas.methods.random import RandomSearch, RandomSettings
from chronas.runs.folder import RunFolder
from chronas.work import Advance, Evaluate, Fidelity


class Clock(RunClock):
    """Stands still unless moved."""

    def __call__(self) -> float:
        return self.carried


class Trainings:
    """Each takes its share and `over` seconds more, and at least 3 s, which is known once one was done."""

    def __init__(self, clock: Clock, over: float) -> None:
        self.clock, self.over, self.least = clock, over, 0.0

    def evaluate(self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool]) -> dict[str, float] | None:
        self.least = 3.0
        self.clock.carried += max(self.least, ledger.part(work.fidelity.share).budget.amount + self.over)
        return {"val_accuracy": 50.0, "val_loss": 1.0}

    def drop(self) -> None: ...

    def notes(self) -> list[str]:
        return []

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None: ...


class Never:
    requested = False


@pytest.mark.parametrize(("over", "done", "end"), [(0.0, 8, 80.0), (0.5, 8, 80.5), (1.2, 7, 78.4)])
def test_no_training_is_begun_that_would_end_late(tmp_path: Path, over: float, done: int, end: float) -> None:
    """Of eight trainings of 10 s in 80 s; the last one would need 3 s, and 6.5 or 1.6 s are left."""
    clock = Clock(started=0.0)
    method = RandomSearch(make_space("superkernel", {"layers": 3, "m": 3}), RandomSettings(candidates=8), 0)
    ledger = Ledger(Budget(80.0, "seconds"), clock=clock, started=0.0)
    executor = InlineExecutor(None, {"train": Trainings(clock, over)})
    folder = RunFolder.create(tmp_path / "run", {"format": 1})
    with folder.locked():
        Driver(folder, Stage("search", method, executor, ledger, clock, every=1e9), Never(), []).run()
    assert ledger.counts["evaluations"] == done
    assert clock() == pytest.approx(end)


def test_counted_budgets_and_supernets_that_have_not_begun_go_on() -> None:
    clock = Clock(started=0.0)
    trainings = Trainings(clock, 0.0)
    trainings.least = 100.0
    executor = InlineExecutor(None, {"train": trainings})
    seconds, epochs = (Ledger(Budget(5.0, unit), clock=clock) for unit in ("seconds", "epochs"))
    work = Evaluate((0, 0, 0), Fidelity("train", 0.1))
    assert not executor.fits(work, seconds)
    assert executor.fits(work, epochs)
    assert executor.fits(Advance(), seconds)


def test_no_slice_is_begun_whose_first_step_would_end_late() -> None:
    clock = Clock(started=0.0)
    trainer = SimpleNamespace(least=0.0)
    executor = InlineExecutor(cast(Advancer, trainer), {})
    seconds, epochs = (Ledger(Budget(5.0, unit), clock=clock, started=0.0) for unit in ("seconds", "epochs"))
    clock.carried = 3.0
    assert executor.fits(Advance(), seconds), "nothing is known before the first step"
    for least, fits in ((1.9, True), (2.1, False)):
        trainer.least = least
        assert executor.fits(Advance(), seconds) is fits
        assert executor.fits(Advance(), epochs)
