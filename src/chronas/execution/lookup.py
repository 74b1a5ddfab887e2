"""Evaluations answered from a published table: metrics and price of a row instead of a training.

One `Lookup` serves any number of simulated runs; it holds whole columns, so that an answer costs microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chronas.errors import InternalError, TableError, UsageError
from chronas.work import Choices, Evaluate, Fidelity, Outcome, Work

if TYPE_CHECKING:
    from chronas.benchmarks import Table

COSTS = {"params": "params", "madds": "flops"}
"""Metrics of an architecture's cost, and the columns of tables that hold them."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ProxyScores:
    """Scores of the table's untrained networks by one proxy, so that a simulated run need build none.

    values   (rows,) or (rows, draws): one score per row and initialisation, NaN where there is none
    seconds  what one score costs: one number, or (rows,)
    """

    values: Floats
    seconds: Floats | float
    _columns: tuple[list[float], ...] = field(init=False, repr=False, compare=False)
    _prices: list[float] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.ndim not in (1, 2):
            raise UsageError(f"Scores must have the shape (rows,) or (rows, draws), but have {values.shape}.")
        prices = np.broadcast_to(np.asarray(self.seconds, dtype=np.float64), (len(values),))
        if not (np.isfinite(prices) & (prices > 0)).all():
            raise UsageError("The seconds per score must be positive numbers.")
        matrix = values.reshape(len(values), -1)
        object.__setattr__(self, "_columns", tuple(column.tolist() for column in matrix.T))
        object.__setattr__(self, "_prices", prices.tolist())

    @property
    def draws(self) -> int:
        """How many initialisations were scored."""
        return len(self._columns)

    def of(self, row: int, draw: int) -> tuple[float, float]:
        """Score (NaN where there is none) and seconds of a row; `draw` counts round the initialisations."""
        return self._columns[draw % len(self._columns)][row], self._prices[row]


@dataclass(frozen=True)
class _Fidelity:
    """What the table knows after so many epochs; prices are None where it knows none."""

    epochs: int
    accuracy: list[float]
    seconds: list[float] | None
    usual: float


class Lookup:
    """Answers what a method asks, for one data set of a table.

    epochs  the epochs of a whole evaluation (level 1); lower levels go to the row whose epochs are nearest in ratio
    Raises UsageError for a data set or epochs that the table does not have.
    """

    def __init__(
        self, table: Table, dataset: str, *, epochs: int, proxy_scores: Mapping[str, ProxyScores] | None = None
    ) -> None:
        self.table, self.dataset, self.epochs = table, dataset, epochs
        self.proxy_scores = dict(proxy_scores or {})
        self._fidelities = {known: _read(table, dataset, known) for known in table.epochs_of(dataset)}
        if epochs not in self._fidelities:
            known = ", ".join(map(str, self._fidelities)) or "nothing"
            raise UsageError(f"{table.name} has {dataset} after {known} epochs, but not after {epochs}.")
        self._costs = {
            name: table.columns[column].tolist() for name, column in COSTS.items() if column in table.columns
        }
        self._levels: dict[float, _Fidelity] = {}
        self._rows: dict[Choices, int] = {}

    @property
    def priced(self) -> bool:
        """Whether whole evaluations have a price in seconds here."""
        return self._fidelities[self.epochs].seconds is not None

    @property
    def dearest(self) -> float:
        """Seconds of the most expensive whole evaluation; 1 where the table has no prices."""
        return max((s for s in self._fidelities[self.epochs].seconds or () if math.isfinite(s)), default=1.0)

    def whole(self) -> tuple[Floats, Floats | None]:
        """(rows,) accuracies in percent and seconds of whole evaluations."""
        found = self._fidelities[self.epochs]
        return np.asarray(found.accuracy), None if found.seconds is None else np.asarray(found.seconds)

    def row(self, choices: Choices) -> int:
        """The table's row of `choices`; raises TableError where there is none."""
        row = self._rows.get(choices)
        if row is None:
            row = self._rows[choices] = self.table.index(choices)
        return row

    def answer(self, work: Work, draw: int = 0) -> tuple[Outcome, float]:
        """The outcome of `work` and its seconds. What the table lacks is a failed evaluation at the usual price.

        Raises UsageError for work that no table can answer.
        """
        if not isinstance(work, Evaluate):
            raise UsageError("A method that trains a supernet cannot be run on a table. See: chronas list methods")
        if work.fidelity.kind == "proxy":
            return self._score(work, draw)
        if work.fidelity.kind not in ("train", "table"):
            raise InternalError(f"A table cannot answer an evaluation by {work.fidelity.kind!r}.")
        found = self.fidelity(work.fidelity)
        try:
            row = self.row(work.choices)
        except TableError as error:
            return _failed(work, str(error), found.usual), found.usual
        seconds = found.usual if found.seconds is None else found.seconds[row]
        accuracy = found.accuracy[row]
        if math.isnan(accuracy) or math.isnan(seconds):
            what = f"{self.table.name} has no {self.dataset} accuracy and price of row {row} at {found.epochs} epochs."
            return _failed(work, what, found.usual), found.usual
        price = {"seconds": seconds, "epochs": float(found.epochs), "evaluations": 1.0}
        costs = {name: float(column[row]) for name, column in self._costs.items()}
        return Outcome(work, {"val_accuracy": accuracy, **costs}, price), seconds

    def fidelity(self, wanted: Fidelity) -> _Fidelity:
        """The table's epochs nearest to a level, by ratio; of two equally near ones the cheaper."""
        found = self._levels.get(wanted.level)
        if found is None:
            target = math.log(max(wanted.level, 1e-9) * self.epochs)
            usable = sorted(known for known in self._fidelities if known <= self.epochs)
            nearest = min(usable, key=lambda known: abs(math.log(known) - target))
            found = self._levels[wanted.level] = self._fidelities[nearest]
        return found

    def require_scores(self, proxy: str) -> ProxyScores:
        """The scores by `proxy`. Raises UsageError where there are none."""
        if proxy not in self.proxy_scores:
            known = ", ".join(self.proxy_scores) or "none"
            raise UsageError(
                f"A method asks for scores by {proxy!r}, and there are none for {self.table.name} (known: {known}). "
                "Give them with --scores FILE (in Python: proxy_scores)."
            )
        return self.proxy_scores[proxy]

    def _score(self, work: Evaluate, draw: int) -> tuple[Outcome, float]:
        scores = self.require_scores(work.fidelity.proxy)
        try:
            score, seconds = scores.of(self.row(work.choices), draw)
        except TableError as error:
            seconds = float(np.mean(scores.seconds))
            return _failed(work, str(error), seconds), seconds
        if not math.isfinite(score):
            return _failed(work, f"{work.fidelity.proxy} has no score for this network.", seconds), seconds
        return Outcome(work, {"score": score}, {"seconds": seconds, "evaluations": 1.0}), seconds


def _read(table: Table, dataset: str, epochs: int) -> _Fidelity:
    values = np.asarray(table.validation_column(dataset, epochs), dtype=np.float64).tolist()
    seconds = table.seconds_column(dataset, epochs)
    prices = np.asarray([] if seconds is None else seconds, dtype=np.float64)
    known = prices[np.isfinite(prices)]
    if (known <= 0).any():
        raise TableError(f"{table.name} has prices of {dataset} at {epochs} epochs that are not positive.")
    if not len(known):
        return _Fidelity(epochs, values, None, 1.0)
    return _Fidelity(epochs, values, prices.tolist(), float(known.mean()))


def _failed(work: Evaluate, why: str, seconds: float) -> Outcome:
    price: dict[str, Any] = {"seconds": seconds, "evaluations": 1.0}
    return Outcome(work, {}, price, f"TableError: {why}")
