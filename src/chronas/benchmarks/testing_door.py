"""Test metrics of published tables. Only chronas.reports and chronas.compare may import this; a test asserts it."""

# ruff: noqa: PT028  (test_accuracy is no test function)
from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from chronas.benchmarks.table import Optimum, Table
from chronas.errors import TableError
from chronas.work import Choices


@overload
def test_accuracy(table: Table, dataset: str, which: Choices, epochs: int | None = None) -> float: ...
@overload
def test_accuracy(
    table: Table, dataset: str, which: npt.NDArray[np.integer], epochs: int | None = None
) -> npt.NDArray[np.float64]: ...
def test_accuracy(
    table: Table, dataset: str, which: Choices | npt.NDArray[np.integer], epochs: int | None = None
) -> float | npt.NDArray[np.float64]:
    """Test metric after `epochs` epochs of training (default: the longest there is), in the unit of the table.

    `which` is one architecture (a tuple of choices), giving a float, or an integer array of rows, giving an array
    that has NaN where the table knows nothing. Raises TableError where the table has no such metric.
    """
    column = table._hidden(dataset, _epochs(table, dataset, epochs))
    if isinstance(which, np.ndarray):
        return np.asarray(column[which], dtype=np.float64)
    accuracy = float(column[table.index(which)])
    if not np.isfinite(accuracy):
        raise TableError(f"The table {table.name!r} has no test metric of {table.space.notation(which)} on {dataset}.")
    return accuracy


def test_optimum(table: Table, dataset: str, epochs: int | None = None) -> Optimum:
    """The best row by the test metric, which no search can know. Raises TableError as `test_accuracy`."""
    return table._best(table._hidden(dataset, _epochs(table, dataset, epochs)))


def _epochs(table: Table, dataset: str, epochs: int | None) -> int:
    if epochs is not None:
        return epochs
    known = table._test_epochs(dataset)
    if not known:
        raise TableError(f"The table {table.name!r} has no test metric on {dataset!r}.")
    return known[-1]


# pytest takes names that begin with test_ for tests where a test module imports them
test_accuracy.__test__ = False  # type: ignore[attr-defined]
test_optimum.__test__ = False  # type: ignore[attr-defined]
