"""The result of `chronas.compare`, as plain data with the few statistics that its table shows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from chronas.budget import Budget
from chronas.errors import InternalError

Floats = npt.NDArray[np.float64]
Split: TypeAlias = tuple[str, Literal["val", "test"]]
"""A data set and which of its metrics."""


@dataclass(frozen=True)
class Measured:
    """A data set of the table: after how many epochs its validation was measured, and whether it has test metrics."""

    dataset: str
    val_epochs: int | None
    test: bool


@dataclass(frozen=True)
class Line:
    """One row of the comparison.

    kind         method; baseline: random search at equal price; chance: what knows or pays nothing
    values       (runs,) metrics of the chosen architecture, by data set and split
    spent        (runs,) simulated seconds (or evaluations) until the last outcome; None for chance
    evaluations  (runs,) evaluations told; `failures` of them had no metrics
    rank         mean rank over the runs by the main metric, 1 is best; None for chance
    """

    label: str
    kind: Literal["method", "baseline", "chance"]
    values: Mapping[Split, Floats]
    spent: Floats | None = None
    evaluations: npt.NDArray[np.int64] | None = None
    failures: npt.NDArray[np.int64] | None = None
    rank: float | None = None

    def mean(self, split: Split) -> float:
        """Mean over the runs; NaN where the table does not know it."""
        values = self.values.get(split)
        return math.nan if values is None else float(values.mean())

    def std(self, split: Split) -> float:
        """Sample standard deviation over the runs; 0 for a single one, NaN where the table does not know it."""
        values = self.values.get(split)
        if values is None:
            return math.nan
        return float(values.std(ddof=1)) if len(values) > 1 else 0.0

    def error(self, split: Split) -> float:
        """Standard error of the mean."""
        values = self.values.get(split)
        return math.nan if values is None else self.std(split) / math.sqrt(len(values))


@dataclass(frozen=True)
class Comparison:
    """What every method found for one budget, and what chance finds.

    dataset  whose validation after `epochs` epochs the methods saw
    main     the metric of ranks and differences
    times    where the any-time curves were read, in the budget's unit
    curves   (mean, deviation) over the runs by label and split, NaN until every run had chosen
    """

    table: str
    dataset: str
    budget: Budget
    runs: int
    workers: int
    seed: int
    epochs: int
    main: Split
    measured: tuple[Measured, ...]
    lines: tuple[Line, ...]
    times: Floats
    curves: Mapping[str, Mapping[Split, tuple[Floats, Floats]]]

    @property
    def splits(self) -> tuple[Split, ...]:
        """Every metric that some line has, data set by data set."""
        known = {split for line in self.lines for split in line.values}
        every: list[Split] = [s for m in self.measured for s in ((m.dataset, "val"), (m.dataset, "test"))]
        return tuple(split for split in every if split in known)

    def line(self, label: str) -> Line:
        """The line of that label."""
        found = next((line for line in self.lines if line.label == label), None)
        if found is None:
            raise InternalError(f"The comparison has no line {label!r}.")
        return found

    @property
    def baseline(self) -> Line:
        """Random search at equal price."""
        return next(line for line in self.lines if line.kind == "baseline")

    def difference(self, line: Line) -> float | None:
        """Mean of the main metric less that of random search, in standard errors of that difference.

        None for the baseline itself, for chance, and where the table does not know the metric.
        """
        if line.kind != "method":
            return None
        gap = line.mean(self.main) - self.baseline.mean(self.main)
        if math.isnan(gap):
            return None
        error = math.hypot(line.error(self.main), self.baseline.error(self.main))
        return gap / error if error > 0 else (0.0 if gap == 0 else math.copysign(math.inf, gap))

    def ended_early(self, line: Line) -> bool:
        """Whether a method left more than a tenth of the budget: nothing was left to do in its plan."""
        return line.spent is not None and float(line.spent.mean()) < 0.9 * self.budget.amount

    def words(self, split: Split) -> str:
        """A heading for people: "cifar100 val (12 epochs)"."""
        dataset, which = split
        longest = max((m.val_epochs or 0 for m in self.measured), default=0)
        own = next(m.val_epochs for m in self.measured if m.dataset == dataset)
        short = f" ({own} epochs)" if which == "val" and own is not None and own < longest else ""
        return f"{dataset} {which}{short}"


def ranks(values: Mapping[str, Floats]) -> dict[str, float]:
    """Mean rank over the runs by name, 1 is best; equal values share the mean of their ranks."""
    if not values:
        return {}
    matrix = np.stack(list(values.values()))
    above = (matrix[None, :, :] > matrix[:, None, :]).sum(axis=1)
    equal = (matrix[None, :, :] == matrix[:, None, :]).sum(axis=1)
    mean = (1 + above + (equal - 1) / 2).mean(axis=1)
    return {name: float(rank) for name, rank in zip(values, mean, strict=True)}
