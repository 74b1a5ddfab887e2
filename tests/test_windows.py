"""How a budget is shared out among the stages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from chronas.account import EXIT_SECONDS, Account
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget, RunClock
from chronas.context import Context
from chronas.deploy.show import rows
from chronas.spec import DataSpec, RunSpec, Verb
from chronas.task import Task
from chronas.train_stage import layer_params
from chronas.windows import Windows

LOADED, REPORT = 2.0, 0.5
SHARED = 100.0
WHOLE = LOADED + SHARED + REPORT + EXIT_SECONDS
BUDGET = f"{WHOLE}s"


class Clock:
    """A clock that is set by hand."""

    now = LOADED

    def __call__(self) -> float:
        return self.now


def made(clock: Clock, budget: str = BUDGET, verb: Verb = "fit", baselines: tuple[str, ...] = ()) -> Windows:
    spec = RunSpec(verb, DataSpec("digits"), Budget.parse(budget), 0, "cpu", "auto", "superkernel", "nasib", "fast", {},
                   0.6, baselines)  # fmt: skip
    records: list[dict[str, Any]] = [{"kind": "start", "t": LOADED}]
    journal = SimpleNamespace(records=lambda: records)
    context = SimpleNamespace(spec=spec, clock=cast(RunClock, clock), record=records.append,
                              folder=SimpleNamespace(journal=journal))  # fmt: skip
    return Windows(
        cast(Context, context), cast(Account, SimpleNamespace(report_seconds=REPORT, exit_seconds=EXIT_SECONDS))
    )


@pytest.mark.parametrize("order", [("random", "plain"), ("plain", "random")])
def test_found_and_baselines_get_equal_parts(order: tuple[str, ...]) -> None:
    clock = Clock()
    windows = made(clock, baselines=order)
    assert windows.ledger("search", 0.0).budget.amount == pytest.approx(LOADED + 60)
    clock.now = LOADED + 60
    for name in ("found", *order):
        assert windows.ledger(name, 0.0).budget.amount == pytest.approx(40 / 3)
        clock.now += 40 / 3
    assert clock.now == pytest.approx(LOADED + SHARED)


def test_parts_of_the_search_are_parts_of_what_loading_leaves() -> None:
    clock = Clock()
    search = made(clock).ledger("search", 0.0)
    assert search.progress == pytest.approx(0.0, abs=1e-6)
    assert search.part(0.5).budget.amount == pytest.approx(30)
    clock.now += 30
    assert search.progress == pytest.approx(0.5)
    assert search.part(0.5).budget.amount == pytest.approx(30)


def test_the_rival_gets_what_search_and_found_got() -> None:
    clock = Clock()
    assert made(clock).ledger("rival", 0.0).budget.amount == pytest.approx(100)
    assert made(clock, baselines=("random", "plain")).ledger("rival", 0.0).budget.amount == pytest.approx(60 + 40 / 3)
    assert made(clock, "50 epochs").ledger("rival", 0.0).budget == Budget(50, "epochs")


def test_a_window_does_not_move_when_its_stage_is_resumed() -> None:
    clock = Clock()
    windows = made(clock)
    clock.now = 62.0
    first = windows.ledger("found", 0.0)
    clock.now = 70.0
    again = windows.ledger("found", 0.0)
    assert (again.budget, again.started) == (first.budget, first.started)
    assert again.progress == pytest.approx(8 / 40)


def test_a_baseline_ends_with_the_epochs_or_with_the_time() -> None:
    clock = Clock()
    clock.now = LOADED + 60
    ledger = made(clock).ledger("found", 2.0, epochs=5)
    ledger.charge(steps=10, epochs=2.5)
    assert ledger.progress == pytest.approx(0.5)
    assert ledger.spent == 0
    state = ledger.state()
    ledger.charge(epochs=2.5)
    assert ledger.exhausted
    other = made(clock).ledger("found", 2.0, epochs=5)
    other.restore(state)
    assert other.progress == pytest.approx(0.5)
    clock.now += 38
    assert other.exhausted
    assert other.alongside is not None
    assert other.alongside.progress == pytest.approx(0.5)


def test_parameters_of_each_layer_are_those_of_its_module() -> None:
    task, space = Task(3, 32, 32, 10), make_space("superkernel", {"layers": 6, "width": 8, "m": 3})
    architecture = Architecture(space, (0, 1, 2, 3, 4, 5))
    counted = {row.name: row.params for row in rows(architecture, task)}
    assert layer_params(architecture, task) == [counted[decision.name] for decision in space.decisions]
    other = make_space("resnet")
    assert layer_params(Architecture(other, other.plain() or (0,) * len(other.decisions)), task) is None
