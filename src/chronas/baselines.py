"""What every comparison on a table is shown beside: random search, one random architecture, the best of N, the best.

None of them asks a method: the rows are drawn and cut off with whole arrays. A draw is uniform over the table's rows.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chronas.budget import Budget
from chronas.execution.lookup import Lookup
from chronas.seeding import stream

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Searches:
    """Many runs of one search.

    chosen       (runs,) row chosen at the end
    curve        (runs, times) row chosen by then, -1 before the first
    spent        (runs,) simulated seconds, or evaluations, at the last outcome
    evaluations  (runs,) outcomes told
    failures     (runs,) of them without metrics
    """

    chosen: Rows
    curve: Rows
    spent: Floats
    evaluations: Rows
    failures: Rows


def random_search(lookup: Lookup, budget: Budget, runs: int, *, workers: int, seed: int, times: Floats) -> Searches:
    """Draw, read, keep the best validation until the budget is spent, at the price that every method pays.

    The evaluation that would end after the budget is thrown away and ends the run of its worker.
    """
    accuracy, seconds = lookup.whole()
    counted = budget.unit == "evaluations"
    known = np.flatnonzero(np.isfinite(accuracy) if seconds is None else np.isfinite(accuracy) & np.isfinite(seconds))
    prices = np.ones(len(accuracy)) if seconds is None else seconds
    most = int(budget.amount) if counted else int(workers * (budget.amount // prices[known].min() + 1)) + 1
    made = [
        _one(known[stream(seed, "compare", "random search", run).integers(len(known), size=most)], accuracy, prices,
             budget.amount, counted, workers, times)
        for run in range(runs)
    ]  # fmt: skip
    curves, spent, counts = zip(*made, strict=True)
    curve = np.asarray(curves)
    return Searches(curve[:, -1], curve, np.asarray(spent), np.asarray(counts), np.zeros(runs, dtype=np.int64))


def _one(
    rows: Rows, accuracy: Floats, prices: Floats, amount: float, counted: bool, workers: int, times: Floats
) -> tuple[Rows, float, int]:
    """Chosen row by time, what was spent, evaluations that counted."""
    ends = np.cumsum(prices[rows]) if workers == 1 else _parallel(prices[rows], workers)
    if counted:
        ends = np.arange(1, len(rows) + 1, dtype=np.float64)
    told = np.argsort(ends, kind="stable")
    told = told[ends[told] <= amount]
    if not len(told):
        return np.full(len(times), -1), 0.0, 0
    values = accuracy[rows[told]]
    top = np.maximum.accumulate(values)
    # The place at which the running maximum was reached: of equal ones the first.
    fresh = np.concatenate([[True], top[1:] > top[:-1]])
    leader = np.maximum.accumulate(np.where(fresh, np.arange(len(told)), 0))
    place = np.searchsorted(ends[told], times, side="right") - 1
    curve = np.where(place >= 0, rows[told[leader[np.maximum(place, 0)]]], -1)
    return curve, float(ends[told[-1]]), len(told)


def _parallel(seconds: Floats, workers: int) -> Floats:
    """Ends of jobs that are taken in order by whichever worker is free first."""
    free = [0.0] * workers
    ends = np.empty(len(seconds))
    for place, price in enumerate(seconds.tolist()):
        ends[place] = heapq.heapreplace(free, free[0] + price) + price
    return ends


def random_choices(rows: int, runs: int, count: int, seed: int) -> Rows:
    """(runs, count) rows drawn with replacement."""
    draws = [stream(seed, "compare", "draw", count, run).integers(rows, size=count) for run in range(runs)]
    return np.asarray(draws, dtype=np.int64)
