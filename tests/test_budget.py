"""Budgets as people write them, and the ledger's arithmetic on a made-up clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chronas.budget import Budget, Ledger, RunClock, format_seconds
from chronas.errors import UsageError


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


TIMES = {
    90.0: ["90s", "90 s", "90 sec", "90sec", "90secs", "90 Seconds", "90 sec.", "1.5m", "0:01:30", "1:30 min",
           "1m30", "1 m 30 s", "9e1s", "900e-1s"],
    20.0: ["20 sec", "20sec", "00:00:20", "0:0:20", "20,0 s", "20\u00a0s"],
    18.0: ["0.3min", "0,3 min", ".3m", "0.3 Mins"],
    0.25: ["250ms", "250 msec", "0.25s", "0,250 s", "0:00:00.25"],
    1200.0: ["20m", "20 min", "20 minutes", "20M", " 20  min "],
    1800.0: [".5h", "half an hour", "Half an Hour", "half hour", "0:30:00"],
    3600.0: ["1h", "an hour", "one hour", "1 hr", "60m"],
    5400.0: ["1.5h", "1,5h", "1h30m", "1h30", "1 h 30", "1 hour 30 min", "1:30:00", "01:30:00", "1:30h", "1:30 hrs"],
    5405.0: ["1h 30m 5s", "1h, 30m, 5s", "1 h 30 m 5", "1:30:05"],
    9000.0: ["2 hours 30 min", "2 hrs 30 mins", "2 hours and 30 minutes", "2h30"],
    86400.0: ["1d", "a day", "24:00:00", "1-00:00:00"],
    129600.0: ["36h", "1d 12h", "36:00:00", "1-12:00:00"],
    172800.0: ["2 Days", " 2d "],
    604800.0: ["1w", "1 wk", "a week", "7 days"],
}  # fmt: skip
COUNTS = [
    ("50 epochs", 50.0, "epochs"),
    ("50 epoch", 50.0, "epochs"),
    ("50epochs", 50.0, "epochs"),
    ("1 epoch", 1.0, "epochs"),
    ("0.5epochs", 0.5, "epochs"),
    ("1e2 epochs", 100.0, "epochs"),
    ("1000 evaluations", 1000.0, "evaluations"),
    ("1000 Evals", 1000.0, "evaluations"),
    ("1000evals", 1000.0, "evaluations"),
    (90, 90.0, "seconds"),
    (0.5, 0.5, "seconds"),
    (np.float32(0.5), 0.5, "seconds"),
    (np.int64(7), 7.0, "seconds"),
]


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [*((text, amount, "seconds") for amount, texts in TIMES.items() for text in texts), *COUNTS],
)
def test_parse(text: Any, amount: float, unit: str) -> None:
    budget = Budget.parse(text)
    assert budget.amount == pytest.approx(amount)
    assert budget.unit == unit
    assert Budget.parse(budget) is budget


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("90", r"has no unit.*'90s'.*0:20:00 \(hours:minutes:seconds\)"),
        ("1.5", "has no unit"),
        ("1e3", "has no unit"),
        ("90 parsecs", r"Unknown unit 'parsecs'.*Use s, m, h, d.*2 hours 30 min"),
        ("20 x", "Unknown unit 'x'"),
        ("1:30 parsecs", "Cannot read"),
        ("5 epochs 3s", "a time or a single count"),
        ("5 epochs 3 evals", "a time or a single count"),
        ("", "Cannot read the budget ''.*Examples"),
        ("soon", "Cannot read"),
        ("h", "Cannot read"),
        ("1:30", "hours and minutes, or minutes and seconds. Write 1h30m or 1m30s"),
        ("1:75:00", "Cannot read"),
        ("1:00:00:00", "Cannot read"),
        ("1h75", "Cannot read"),
        ("1.5h30", "Cannot read"),
        ("2d 12", "Cannot read"),
        ("one and a half hours", "Cannot read"),
        ("1.5.5s", "Cannot read"),
        ("1,500s", "can be 1500 or 1.500"),
        ("1,000 evaluations", "can be 1000 or 1.000"),
        ("5s!", "Cannot read"),
        ("1h -5m", "Cannot read"),
        ("-5s", "must be a positive number.*'-5s'"),
        ("- 5 min", "must be a positive number"),
        ("\u22125s", "must be a positive number"),
        ("-5", "must be a positive number"),
        ("0", "must be a positive number"),
        ("nan", "must be a positive number.*'nan'"),
        ("inf h", "must be a positive number"),
        ("-inf", "must be a positive number"),
        ("0s", "must be a positive number"),
        ("0:00:00", "must be a positive number"),
        ("0 epochs", "must be a positive number"),
        ("1e999s", "must be a positive number"),
        (0, "must be a positive number"),
        (-1.0, "must be a positive number"),
        (math.nan, "must be a positive number"),
        (math.inf, "must be a positive number"),
        (True, "text or a number of seconds, but got True"),
        (None, "text or a number of seconds, but got None"),
    ],
)
def test_parse_refuses(text: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Budget.parse(text)


@given(st.text(max_size=12))
@settings(max_examples=150, derandomize=True, deadline=None)
def test_parse_raises_nothing_else(text: str) -> None:
    try:
        budget = Budget.parse(text)
    except UsageError:
        return
    assert 0 < budget.amount < math.inf


@given(st.floats(0.001, 1e6))
@settings(max_examples=50, derandomize=True, deadline=None)
def test_a_number_of_seconds_reads_back(seconds: float) -> None:
    assert Budget.parse(f"{seconds:.6f}s").amount == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (47.1, "47.1 s"),
        (99.96, "1m 40s"),
        (1205.0, "20m 05s"),
        (3599.6, "1h 00m"),
        (5400.0, "1h 30m"),
        (187200.0, "2d 04h"),
    ],
)
def test_seconds_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_budget_as_text_and_shared() -> None:
    assert str(Budget(5400.0, "seconds")) == "1h 30m"
    assert str(Budget(2.5, "epochs")) == "2.5 epochs"
    assert Budget(10.0, "epochs").share(0.25) == Budget(2.5, "epochs")


def test_time_ledger_runs_by_itself() -> None:
    clock = Clock(100.0)
    ledger = Ledger(Budget(60.0, "seconds"), clock=clock, reserve=10.0)
    assert (ledger.spent, ledger.left) == (0.0, 50.0)
    assert ledger.progress == pytest.approx(0.0, abs=1e-8)
    clock.now = 125.0
    assert (ledger.spent, ledger.left) == (25.0, 25.0)
    assert ledger.progress == pytest.approx(0.5)
    assert not ledger.exhausted
    clock.now = 150.0
    assert ledger.exhausted


def test_time_ledger_after_the_end() -> None:
    clock = Clock(100.0)
    ledger = Ledger(Budget(60.0, "seconds"), clock=clock, reserve=10.0)
    clock.now = 1000.0
    assert ledger.exhausted
    assert (ledger.progress, ledger.left, ledger.spent) == (1.0, 0.0, 900.0)


def test_time_ledger_from_an_earlier_start() -> None:
    clock = Clock(30.0)
    ledger = Ledger(Budget(60.0, "seconds"), clock=clock, started=0.0)
    assert ledger.progress == pytest.approx(0.5)


def test_a_reserve_larger_than_the_budget_leaves_nothing() -> None:
    ledger = Ledger(Budget(5.0, "seconds"), clock=Clock(), reserve=6.0)
    assert ledger.exhausted
    assert (ledger.progress, ledger.left) == (1.0, 0.0)


def test_a_reserve_means_nothing_to_counted_budgets() -> None:
    ledger = Ledger(Budget(5.0, "epochs"), clock=Clock(), reserve=6.0)
    assert (ledger.left, ledger.usable) == (5.0, 5.0)


@pytest.mark.parametrize("unit", ["epochs", "evaluations"])
def test_counted_ledger_ignores_the_clock(unit: Literal["epochs", "evaluations"]) -> None:
    clock = Clock()
    ledger = Ledger(Budget(4.0, unit), clock=clock)

    def charge(amount: float) -> None:
        ledger.charge(**{str(unit): amount})  # type: ignore[arg-type]

    clock.now = 1e9
    assert (ledger.spent, ledger.exhausted) == (0.0, False)
    charge(1.0)
    assert (ledger.spent, ledger.left) == (1.0, 3.0)
    assert ledger.progress == pytest.approx(0.25)
    ledger.charge(steps=100)
    assert ledger.spent == 1.0
    charge(3.0)
    assert ledger.exhausted


@pytest.mark.parametrize("steps_per_epoch", [1, 3, 7, 11, 49, 390, 781])
@pytest.mark.parametrize("epochs", [1, 2, 13])
def test_epochs_end_exactly(steps_per_epoch: int, epochs: int) -> None:
    ledger = Ledger(Budget(epochs, "epochs"), clock=Clock())
    steps = 0
    while not ledger.exhausted:
        ledger.charge(steps=1, epochs=1 / steps_per_epoch)
        steps += 1
    assert steps == steps_per_epoch * epochs


@given(st.floats(0.001, 1e7), st.floats(0, 1e9), st.floats(0, 1e7))
@settings(max_examples=100, derandomize=True, deadline=None)
def test_progress_is_a_share(amount: float, now: float, reserve: float) -> None:
    clock = Clock()
    ledger = Ledger(Budget(amount, "seconds"), clock=clock, reserve=reserve)
    clock.now = now
    assert 0 <= ledger.progress <= 1
    assert 0 <= ledger.left <= amount
    assert ledger.exhausted == (ledger.progress >= 1)


def test_the_account_of_time() -> None:
    ledger = Ledger(Budget(10.0, "epochs"), clock=Clock())
    ledger.charge(where="validation", seconds=1.5)
    ledger.charge(where="validation", seconds=0.5, evaluations=1)
    ledger.charge(where="test", seconds=2.0)
    assert ledger.where == {"validation": 2.0, "test": 2.0}
    assert ledger.counts == {"steps": 0.0, "epochs": 0.0, "evaluations": 1.0}


def test_a_part_starts_now_and_never_exceeds_what_is_left() -> None:
    clock = Clock(0.0)
    whole = Ledger(Budget(100.0, "seconds"), clock=clock, reserve=20.0)
    clock.now = 10.0
    part = whole.part(0.25)
    assert (part.budget, part.spent) == (Budget(20.0, "seconds"), 0.0)
    clock.now = 70.0
    assert whole.part(0.25).budget.amount == pytest.approx(10.0)
    clock.now = 500.0
    assert whole.part(0.25).budget.amount < 1e-6


def test_state_and_restore() -> None:
    ledger = Ledger(Budget(10.0, "epochs"), clock=Clock())
    ledger.charge(where="search", seconds=3.0, epochs=2.5, steps=7, evaluations=2)
    other = Ledger(Budget(10.0, "epochs"), clock=Clock())
    other.restore(ledger.state())
    ledger.charge(where="search", seconds=1.0, epochs=1.0)
    assert (other.spent, other.counts["steps"], other.where) == (2.5, 7.0, {"search": 3.0})


def test_run_clock_carries_earlier_sessions() -> None:
    fresh, resumed = RunClock(started=0.0), RunClock(started=0.0, carried=1000.0)
    assert resumed() - fresh() == pytest.approx(1000.0, abs=1.0)
    first = fresh()
    assert fresh() >= first


def test_a_clock_knows_how_much_longer_things_take_than_they_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = SimpleNamespace(wall=100.0, computed=50.0)
    monkeypatch.setattr("chronas.budget.time.monotonic", lambda: now.wall)
    monkeypatch.setattr("chronas.budget.time.process_time", lambda: now.computed)
    fresh, begun = RunClock(), RunClock(started=98.0)
    now.wall, now.computed = 104.0, 52.0
    assert fresh.slowness == pytest.approx(2.0)
    assert begun.slowness == pytest.approx(6 / 4)
    now.computed = 70.0
    assert fresh.slowness == 1.0
