"""The simulated clock: known clocks worked out by hand, and the same search under the driver."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_table import made_up

from chronas.benchmarks import Table
from chronas.budget import Budget
from chronas.driver import Driver, Stage
from chronas.errors import NothingEvaluatedError, TableError, UsageError
from chronas.execution.lookup import Lookup, ProxyScores
from chronas.execution.simulated import SimulatedClock, SimulatedExecutor, replay, simulate
from chronas.methods.base import Method
from chronas.methods.random import RandomSearch, RandomSettings
from chronas.methods.ranking import ScoreBook
from chronas.runs.folder import RunFolder
from chronas.spaces import Space
from chronas.work import Advance, Choices, Evaluate, Fidelity, Outcome, Work

FULL = Fidelity("train", share=0.1)


@dataclass(frozen=True)
class NoSettings:
    """None."""


class Script(Method):
    """Asks for a given list, again and again where `endless`, and keeps what it was told."""

    name = "script"
    Settings = NoSettings

    def __init__(self, space: Space, work: Sequence[Work], endless: bool = False) -> None:
        super().__init__(space, NoSettings(), 0)
        self.work, self.endless, self.place = list(work), endless, 0
        self.told: list[Outcome] = []
        self.progress: list[float] = []
        self.book = ScoreBook()

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if self.place >= len(self.work) and not self.endless:
            return []
        self.place += 1
        return [self.work[(self.place - 1) % len(self.work)]]

    def tell(self, outcome: Outcome, progress: float) -> None:
        self.told.append(outcome)
        self.progress.append(progress)
        self.book.tell(outcome)

    def best(self) -> Choices:
        return self.book.best()

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return made_up(tmp_path)


def scripted(table: Table, *choices: Choices, fidelity: Fidelity = FULL, endless: bool = False) -> Script:
    return Script(table.space, [Evaluate(one, fidelity) for one in choices], endless)


def random_search(table: Table, seed: int = 0) -> RandomSearch:
    return RandomSearch(table.space, RandomSettings(candidates=0), seed)


def test_the_clock_advances_by_the_price_of_the_row(table: Table) -> None:
    method = scripted(table, (0, 0, 0), (1, 3, 0), (3, 0, 0))
    trace = simulate(method, table, "one", 1000)
    assert trace.spent == 12 * (1 + 2 + 4)
    assert trace.finished
    assert trace.evaluations == 3
    assert [o.price["seconds"] for o in method.told] == [12, 24, 48]
    assert method.progress == pytest.approx([0.012, 0.036, 0.084])
    assert method.told[1].metrics == {"val_accuracy": table.validation("one", (1, 3, 0), 12).val_accuracy}
    assert list(zip(trace.times, trace.choices, strict=True)) == [(12, (0, 0, 0)), (36, (1, 3, 0))]
    assert [trace.at(t) for t in (11.9, 12, 35, 36, 1000)] == [None, (0, 0, 0), (0, 0, 0), (1, 3, 0), (1, 3, 0)]


def test_an_evaluation_that_ends_after_the_budget_is_thrown_away(table: Table) -> None:
    method = scripted(table, (0, 0, 0), (3, 3, 3), (0, 1, 0))
    trace = simulate(method, table, "one", 12 + 47)
    assert [o.work for o in method.told] == method.work[:1]
    assert trace.best == (0, 0, 0)
    assert trace.spent == 12
    assert not trace.finished
    exactly = simulate(scripted(table, (0, 0, 0), (3, 3, 3)), table, "one", 12 + 48)
    assert exactly.best == (3, 3, 3)


def test_workers_are_told_in_order_of_completion(table: Table) -> None:
    # Prices 48, 12, 24, 12: the second worker does three while the first does one; two end at 48 together.
    method = scripted(table, (3, 0, 0), (0, 0, 1), (1, 0, 2), (0, 0, 3))
    trace = simulate(method, table, "one", 1000, workers=2)
    assert [o.work.choices[2] for o in method.told if isinstance(o.work, Evaluate)] == [1, 2, 0, 3]
    assert method.progress == pytest.approx([0.012, 0.036, 0.048, 0.048])
    assert trace.spent == 48


def test_a_worker_whose_work_comes_too_late_leaves_the_others_working(table: Table) -> None:
    method = scripted(table, (3, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3))
    trace = simulate(method, table, "one", 40, workers=2)
    assert [o.work.choices[2] for o in method.told if isinstance(o.work, Evaluate)] == [1, 2, 3]
    assert trace.spent == 36


def test_levels_read_the_nearest_epochs_at_their_price(table: Table) -> None:
    levels = (1.0, 1 / 2, 1 / 4, 1 / 9, 1 / 16, 1e-6)
    work = [Evaluate((0, 2, 1), Fidelity("train", share=0.1, level=level)) for level in levels]
    method = Script(table.space, work)
    simulate(method, table, "one", 1000, epochs=48)
    assert [o.price["epochs"] for o in method.told] == [48, 12, 12, 3, 3, 3]
    assert [o.price["seconds"] for o in method.told] == [48, 12, 12, 3, 3, 3]
    expected = [table.validation("one", (0, 2, 1), e).val_accuracy for e in (48, 12, 12, 3, 3, 3)]
    assert [o.metrics["val_accuracy"] for o in method.told] == expected
    whole = scripted(table, (0, 2, 1))
    simulate(whole, table, "one", 1000, epochs=12)
    assert whole.told[0].price["epochs"] == 12


def test_proxies_are_answered_from_scores(table: Table) -> None:
    values = np.stack([np.arange(64.0), -np.arange(64.0)], axis=1)
    values[5] = np.nan
    scores = {"naswot": ProxyScores(values, 0.5)}
    work = [Evaluate(table.choices(row), Fidelity("proxy", proxy="naswot")) for row in (7, 5, 9)]
    method = Script(table.space, work)
    lookup = Lookup(table, "one", epochs=12, proxy_scores=scores)
    trace = replay(method, lookup, Budget.parse("100s"))
    assert trace.spent == 1.5
    assert trace.failures == 1
    assert method.told[1].error is not None
    assert {abs(o.metrics["score"]) for o in method.told if not o.error} == {7.0, 9.0}
    signs = set()
    for seed in range(20):
        again = Script(table.space, work[:1])
        replay(again, lookup, Budget.parse("100s"), seed=seed)
        signs.add(again.told[0].metrics["score"])
    assert signs == {7.0, -7.0}
    with pytest.raises(UsageError, match="there are none for made_up"):
        simulate(Script(table.space, work), table, "one", 100)


def test_what_the_table_lacks_is_told_as_a_failure(tmp_path: Path) -> None:
    table = made_up(tmp_path, holes=(0,), rows=40)
    method = scripted(table, (0, 0, 0), (3, 3, 3), (0, 0, 1))
    trace = simulate(method, table, "one", 1000)
    assert [o.error is None for o in method.told] == [False, False, True]
    assert "no row for" in str(method.told[1].error)
    assert trace.best == (0, 0, 1)
    assert trace.failures == 2
    endless = scripted(table, (3, 3, 3), endless=True)
    with pytest.raises(TableError, match="1000 evaluations in a row"):
        simulate(endless, table, "one", 1e9)


def test_a_budget_in_evaluations(tmp_path: Path, table: Table) -> None:
    method = scripted(table, (3, 0, 0), (0, 0, 0), endless=True)
    trace = simulate(method, table, "one", "7 evaluations", workers=3)
    assert trace.evaluations == trace.spent == 7
    assert not trace.finished
    assert method.progress == pytest.approx([n / 7 for n in range(1, 8)])
    free = made_up(tmp_path, prices=False)
    assert simulate(random_search(free), free, "one", "7 evaluations").evaluations == 7
    with pytest.raises(UsageError, match="no prices in seconds"):
        simulate(random_search(free), free, "one", 100)


def test_wrong_words(table: Table) -> None:
    with pytest.raises(UsageError, match="not after 5"):
        simulate(random_search(table), table, "one", 100, epochs=5)
    with pytest.raises(UsageError, match="at least 1 worker"):
        simulate(random_search(table), table, "one", 100, workers=0)
    with pytest.raises(UsageError, match="seconds or evaluations"):
        simulate(random_search(table), table, "one", "5 epochs")
    with pytest.raises(UsageError, match="supernet"):
        simulate(Script(table.space, [Advance()]), table, "one", 100)
    with pytest.raises(NothingEvaluatedError):
        _ = simulate(scripted(table, (3, 0, 0)), table, "one", 1).best


def test_looks_note_the_same_best_at_those_times(table: Table) -> None:
    lookup = Lookup(table, "one", epochs=12)
    always = replay(random_search(table), lookup, Budget.parse("900s"))
    looks = [5.0, 12.0, 100.0, 350.5, 900.0]
    seldom = replay(random_search(table), lookup, Budget.parse("900s"), looks=looks)
    assert len(always.times) > 2
    assert [seldom.at(t) for t in looks] == [always.at(t) for t in looks]
    assert seldom.best == always.best


class Flag:
    """A stop flag that is raised after so many outcomes."""

    def __init__(self, after: int | None = None) -> None:
        self.left = after

    @property
    def requested(self) -> bool:
        return self.left is not None and self.left <= 0

    def hear(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "outcome" and self.left is not None:
            self.left -= 1


class Killed(BaseException):
    """The process ends here."""


class Kill(Flag):
    """Ends the process after so many outcomes, so that no last snapshot is written."""

    def hear(self, record: Mapping[str, Any]) -> None:
        super().hear(record)
        if self.requested:
            raise Killed


def drive(path: Path, table: Table, flag: Flag) -> tuple[RandomSearch, SimulatedClock]:
    folder = RunFolder.open(path) if path.exists() else RunFolder.create(path, {"format": 1})
    clock = SimulatedClock()
    method = random_search(table)
    executor = SimulatedExecutor(Lookup(table, "one", epochs=12), clock)
    stage = Stage("search", method, executor, clock.ledger(Budget.parse("500s")), clock, every=1e9)
    with folder.locked():
        Driver(folder, stage, flag, [flag.hear]).run()
    return method, clock


def outcomes(path: Path) -> list[dict[str, Any]]:
    return [r for r in RunFolder.open(path).journal.records() if r["kind"] == "outcome"]


def test_the_driver_gives_what_simulate_gives(tmp_path: Path, table: Table) -> None:
    trace = simulate(random_search(table), table, "one", 500)
    method, clock = drive(tmp_path / "run", table, Flag())
    told = outcomes(tmp_path / "run")
    assert method.best() == trace.best
    assert len(told) == trace.evaluations > 5
    assert told[-1]["spent"] == trace.spent
    # What was thrown away took the rest of the budget.
    assert clock() == 500


@pytest.mark.parametrize("end", [Flag, Kill])
def test_a_stopped_search_goes_on_at_the_same_time(tmp_path: Path, table: Table, end: type[Flag]) -> None:
    drive(tmp_path / "whole", table, Flag())
    with contextlib.suppress(Killed):
        drive(tmp_path / "cut", table, end(after=4))
    assert len(outcomes(tmp_path / "cut")) == 4
    drive(tmp_path / "cut", table, Flag())

    def essence(path: Path) -> list[str]:
        kept = ("ticket", "work", "metrics", "price", "spent")
        return [json.dumps({k: r[k] for k in kept}) for r in outcomes(path)]

    assert essence(tmp_path / "cut") == essence(tmp_path / "whole")


def test_the_shipped_table_answers_with_costs_so_that_two_objectives_can_be_weighed() -> None:
    from chronas.benchmarks import load
    from chronas.methods.nsga2 import Nsga2, Nsga2Settings

    table = load("nasbench201")
    method = Nsga2(table.space, Nsga2Settings(), 0)
    trace = simulate(method, table, "cifar10", "60 evaluations")
    assert trace.evaluations == 60
    front = method.front()
    costs = [point.cost for point in front]
    assert len(front) > 1
    assert costs == sorted(costs)
    row = table.index(front[0].choices)
    assert front[0].cost == table.columns["flops"][row]
