"""Which method is best for a budget: many simulated runs of each on a published table.

The protocol is that of the searches on NAS-Bench-201 (Dong & Yang 2020; NASWOT, section 4): a method sees validation
accuracies of one data set at few epochs, each at the price of its row; reported is what the table knows of the chosen
architecture after the longest training, on every data set. Test metrics are read here and shown to no method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.baselines import Rows, Searches, random_choices, random_search
from chronas.benchmarks import Table, load
from chronas.benchmarks.testing_door import test_accuracy
from chronas.budget import Budget
from chronas.comparison import Comparison, Line, Measured, Split, ranks
from chronas.errors import TableError, UnknownNameError, UsageError
from chronas.execution.lookup import Lookup, ProxyScores
from chronas.execution.simulated import check_budget, replay
from chronas.methods import METHODS
from chronas.methods.base import Method
from chronas.seeding import derive
from chronas.settings import resolve

Floats = npt.NDArray[np.float64]
POINTS = 60
"""Times on the any-time curve."""
OPTIMAL_OF = (10, 100)
RANDOM_SEARCH = "random search"


@dataclass(frozen=True)
class Contender:
    """A method of the comparison: its registered name, a preset of it, settings over the preset, and its label.

    Without a preset it is the one named like the table, else `paper`, where the method has such: on tables methods
    are known by their published runs.
    """

    method: str
    preset: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def name(self) -> str:
        """The label, or else the words that choose the method."""
        return self.label or (f"{self.method}:{self.preset}" if self.preset else self.method)

    @classmethod
    def parse(cls, text: str, settings: Mapping[str, Mapping[str, Any]] | None = None) -> Contender:
        """Read "rea" or "rea:paper"; `settings` by the method's name."""
        method, _, preset = text.strip().partition(":")
        return cls(method, preset, (settings or {}).get(method, {}))

    def check(self, table: str) -> None:
        """Raise UsageError for what cannot be run on a table of that name."""
        entry = METHODS.entry(self.method)
        if entry.needs & {"supernet", "gradient"}:
            raise UsageError(
                f"{self.method} trains a supernet, and a table holds none. Methods without one: "
                + ", ".join(e.name for e in METHODS if not e.needs & {"supernet", "gradient"})
            )
        self.resolved(table)

    def resolved(self, table: str) -> tuple[type[Method], Any]:
        """The method's class and its settings on the table of that name; raises UsageError."""
        kind = METHODS.load(self.method)
        presets: Mapping[str, Mapping[str, Any]] = {"default": {}, **kind.presets}
        preset = self.preset or next(name for name in (table, "paper", "default") if name in presets)
        if preset not in presets:
            raise UnknownNameError(f"preset of {self.method}", preset, presets)
        return kind, resolve(kind.Settings, {**presets[preset], **self.settings}, prefix=self.method)


@dataclass(frozen=True)
class _Plan:
    """What all runs have in common; small, so that other processes get it whole."""

    table: Table
    dataset: str
    epochs: int
    proxy_scores: Mapping[str, ProxyScores]
    budget: Budget
    workers: int
    seed: int
    times: Floats

    @cached_property
    def lookup(self) -> Lookup:
        return Lookup(self.table, self.dataset, epochs=self.epochs, proxy_scores=self.proxy_scores)


Progress = Callable[[str, int], None]


def compare(
    table: Table | str | Path,
    methods: Sequence[str | Contender],
    dataset: str | None = None,
    budget: float | str | Budget = "12000s",
    runs: int = 500,
    workers: int = 1,
    seed: int = 0,
    *,
    epochs: int | None = None,
    proxy_scores: Mapping[str, ProxyScores] | None = None,
    processes: int = 1,
    optimal_of: Sequence[int] = OPTIMAL_OF,
    progress: Progress | None = None,
) -> Comparison:
    """Run every method `runs` times on a table; the result has random search at equal price and chance beside.

    table         a table, its registered name or its file
    methods       "rea", "rea:paper" (a preset) or a Contender
    dataset       whose validation accuracy the methods see (default: the table's first)
    budget        simulated seconds, or evaluations
    workers       evaluations under way at once
    epochs        of a whole evaluation (default: 12 where the table has it, else its fewest)
    proxy_scores  scores of the untrained networks, for methods that ask for them
    processes     of this machine; the result depends only on `seed`
    progress      called with (label, runs done) now and then

    Raises UsageError for words that do not fit the table.
    """
    opened = table if isinstance(table, Table) else load(table)
    entered = [one if isinstance(one, Contender) else Contender.parse(one) for one in methods]
    plan = _plan(opened, dataset, epochs, Budget.parse(budget), workers, seed, proxy_scores or {})
    _check(entered, plan, runs, processes)
    searches: dict[str, Searches] = {}
    for one in entered:
        searches[one.name] = _merged(_searches(one, plan, runs, processes, progress))
        _require_chosen(one.name, searches[one.name], plan)
    searches[RANDOM_SEARCH] = random_search(
        plan.lookup, plan.budget, runs, workers=workers, seed=seed, times=plan.times
    )
    _require_chosen(RANDOM_SEARCH, searches[RANDOM_SEARCH], plan)
    return _judged(plan, searches, runs, optimal_of)


def _plan(
    table: Table, dataset: str | None, epochs: int | None, budget: Budget, workers: int, seed: int,
    proxy_scores: Mapping[str, ProxyScores],
) -> _Plan:  # fmt: skip
    chosen = table.datasets[0] if dataset is None else dataset
    if chosen not in table.datasets:
        raise UnknownNameError(f"data set of {table.name}", chosen, table.datasets)
    known = table.epochs_of(chosen)
    if not known:
        raise UsageError(f"{table.name} has no validation metric of {chosen}: nothing a method could go by.")
    usual = 12 if 12 in known else known[0]
    times = _times(budget)
    return _Plan(table, chosen, epochs or usual, proxy_scores, budget, workers, seed, times)


def _times(budget: Budget) -> Floats:
    """Where the any-time curve is read, evenly spaced on a logarithmic axis, the budget the last."""
    if budget.unit == "evaluations":
        return np.unique(np.geomspace(1, max(1, int(budget.amount)), POINTS).round())
    return np.geomspace(budget.amount / 1000, budget.amount, POINTS)


def _check(entered: Sequence[Contender], plan: _Plan, runs: int, processes: int) -> None:
    if runs < 1 or processes < 1:
        raise UsageError(f"A comparison needs at least one run and one process, but got {runs} and {processes}.")
    names = [one.name for one in entered]
    for name in names:
        if names.count(name) > 1 or name == RANDOM_SEARCH:
            raise UsageError(f"The comparison names {name!r} twice.")
    for one in entered:
        one.check(plan.table.name)
        asked = getattr(one.resolved(plan.table.name)[1], "proxy", None)
        if "proxy" in METHODS.entry(one.method).needs and asked is not None:
            plan.lookup.require_scores(asked)
    check_budget(plan.lookup, plan.budget, plan.workers)


def _searches(one: Contender, plan: _Plan, runs: int, processes: int, progress: Progress | None) -> Iterator[Searches]:
    """All runs of a method in parts, in the order of their numbers."""
    size = max(1, -(-runs // max(processes, 10)))
    parts = [range(start, min(start + size, runs)) for start in range(0, runs, size)]
    if processes == 1:
        for part in parts:
            yield _runs(one, plan, part)
            if progress:
                progress(one.name, part.stop)
        return
    with ProcessPoolExecutor(min(processes, len(parts)), mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_runs, one, plan, part): part for part in parts}
        done, found = 0, {}
        for future in as_completed(futures):
            found[futures[future].start] = future.result()
            done += len(futures[future])
            if progress:
                progress(one.name, done)
    yield from (found[part.start] for part in parts)


def _runs(one: Contender, plan: _Plan, part: range) -> Searches:
    """The runs of one method with the numbers in `part`."""
    kind, settings = one.resolved(plan.table.name)
    lookup, looks = plan.lookup, plan.times.tolist()
    curves, spent, counts, failures = [], [], [], []
    for run in part:
        seed = derive(plan.seed, "compare", one.name, run)
        method = kind(lookup.table.space, settings, seed)
        trace = replay(method, lookup, plan.budget, workers=plan.workers, seed=seed, looks=looks)
        curves.append([-1 if choices is None else lookup.row(choices) for choices in map(trace.at, looks)])
        spent.append(trace.spent)
        counts.append(trace.evaluations)
        failures.append(trace.failures)
    curve = np.asarray(curves, dtype=np.int64)
    return Searches(curve[:, -1], curve, np.asarray(spent), np.asarray(counts), np.asarray(failures))


def _merged(parts: Iterator[Searches]) -> Searches:
    found = list(parts)
    return Searches(*(np.concatenate([getattr(part, name) for part in found])
                      for name in ("chosen", "curve", "spent", "evaluations", "failures")))  # fmt: skip


def _require_chosen(name: str, found: Searches, plan: _Plan) -> None:
    empty = int((found.chosen < 0).sum())
    if empty:
        least = Budget(plan.lookup.dearest if plan.budget.unit == "seconds" else 1.0, plan.budget.unit)
        raise UsageError(
            f"{name} judged nothing in {empty} of {len(found.chosen)} runs: within {plan.budget} not every single "
            f"evaluation fits. Give at least {least}."
        )


# -- what the table knows of the chosen ------------------------------------------------------------------------


class _Judge:
    """Whole columns of the longest trainings, by data set and split."""

    def __init__(self, table: Table) -> None:
        self.columns: dict[Split, Floats] = {}
        self.measured: list[Measured] = []
        everything = np.arange(len(table))
        for dataset in table.datasets:
            known = table.epochs_of(dataset)
            if known:
                column = np.asarray(table.validation_column(dataset, known[-1]), dtype=np.float64)
                self.columns[dataset, "val"] = column
            with suppress(TableError):  # a table without test metrics is judged by validation
                self.columns[dataset, "test"] = test_accuracy(table, dataset, everything)
            self.measured.append(Measured(dataset, known[-1] if known else None, (dataset, "test") in self.columns))

    def of(self, rows: Rows) -> dict[Split, Floats]:
        """Metrics of rows, by data set and split; what the table does not know of all of them is left out."""
        found = {split: column[rows] for split, column in self.columns.items()}
        return {split: values for split, values in found.items() if np.isfinite(values).all()}

    def best_of(self, rows: Rows) -> dict[Split, Floats]:
        """The best of each row of `rows` (runs, count), for each split by itself."""
        found = {split: np.where(np.isfinite(column), column, -np.inf)[rows].max(axis=1)
                 for split, column in self.columns.items()}  # fmt: skip
        return {split: values for split, values in found.items() if np.isfinite(values).all()}


def _judged(plan: _Plan, searches: Mapping[str, Searches], runs: int, optimal_of: Sequence[int]) -> Comparison:
    judge, table = _Judge(plan.table), plan.table
    main: Split = (plan.dataset, "test" if (plan.dataset, "test") in judge.columns else "val")
    values = {name: judge.of(found.chosen) for name, found in searches.items()}
    ranked = ranks({name: metrics[main] for name, metrics in values.items() if main in metrics})
    lines = [
        Line(name, "baseline" if name == RANDOM_SEARCH else "method", metrics, searches[name].spent,
             searches[name].evaluations, searches[name].failures, ranked.get(name))
        for name, metrics in values.items()
    ]  # fmt: skip
    drawn = random_choices(len(table), runs, 1, plan.seed)
    lines.append(Line("random choice", "chance", judge.of(drawn[:, 0])))
    for count in optimal_of:
        lines.append(
            Line(f"optimal of {count}", "chance", judge.best_of(random_choices(len(table), runs, count, plan.seed)))
        )
    lines.append(Line("optimum of the table", "chance", judge.best_of(np.arange(len(table))[None, :])))
    curves = {name: {split: _curve(column, found.curve) for split, column in judge.columns.items()}
              for name, found in searches.items()}  # fmt: skip
    return Comparison(
        table.name, plan.dataset, plan.budget, runs, plan.workers, plan.seed, plan.epochs, main,
        tuple(judge.measured), tuple(lines), plan.times, curves,
    )  # fmt: skip


def _curve(column: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Mean and deviation over the runs by time; NaN until every run has chosen, for the rest would mislead."""
    values = np.where(rows >= 0, column[np.maximum(rows, 0)], np.nan)
    spread = values.std(axis=0, ddof=1) if len(rows) > 1 else np.zeros(rows.shape[1])
    return values.mean(axis=0), spread
