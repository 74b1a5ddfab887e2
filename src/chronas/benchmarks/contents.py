"""What a table holds before it is a file: choices, named columns, and the facts a reader must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from chronas.errors import InternalError, TableError
from chronas.work import Choices

Group: TypeAlias = Literal["validation", "test", "seconds", "info"]
Array: TypeAlias = npt.NDArray[Any]
GROUPS: tuple[Group, ...] = ("validation", "test", "seconds", "info")
SHORT = {"validation": "val", "test": "test", "seconds": "seconds"}


@dataclass(frozen=True)
class Column:
    """One column: one number per row.

    name      unique in its table
    group     validation: what methods may see; test: only for reports; seconds: simulated price of the
              evaluation; info: everything else (params, flops, number of seeds)
    dataset   which data set, and `epochs`, after how many epochs of training; None for most of `info`
    """

    name: str
    group: Group
    values: Array
    dataset: str | None = None
    epochs: int | None = None


def measured(group: Group, dataset: str, epochs: int, values: npt.ArrayLike) -> Column:
    """A column of single-precision numbers named by what it is, e.g. cifar10_val_12."""
    array = np.asarray(values, dtype=np.float64).astype(np.float32)
    return Column(f"{dataset}_{SHORT[group]}_{epochs}", group, array, dataset, epochs)


def info(name: str, values: npt.ArrayLike, kind: npt.DTypeLike = np.int64) -> Column:
    """A column of the group info in the number type `kind`."""
    return Column(name, "info", np.asarray(values).astype(kind))


@dataclass(frozen=True)
class Facts:
    """What a reader of the numbers must know.

    title, paper, licence, source   whose measurements these are
    seeds     how many trainings stand behind a number, in words
    units     data set to the unit of its metric; "accuracy in percent" where none is named
    caveats   one sentence each
    """

    title: str
    paper: str
    licence: str
    source: str
    seeds: str
    caveats: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """A whole table in memory.

    choices   (rows, decisions) integers: row -> one option per decision of the space
    datasets  in the order in which they are listed; the first is the default one
    """

    name: str
    space: str
    settings: Mapping[str, Any]
    datasets: tuple[str, ...]
    facts: Facts
    choices: Array
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names) or "choices" in names:
            raise InternalError(f"The table {self.name!r} has two columns of one name: {', '.join(names)}.")
        for column in self.columns:
            if column.values.shape != (len(self.choices),):
                raise InternalError(f"{self.name!r}: {column.name!r} has shape {column.values.shape}.")
            if column.group not in GROUPS or (column.group != "info" and column.dataset not in self.datasets):
                raise InternalError(f"{self.name!r}: {column.name!r} belongs to no group or data set.")


def choices_array(choices: Sequence[Choices], subject: str) -> Array:
    """(rows, decisions) in the smallest unsigned integers that hold them. Raises TableError without rows."""
    if not choices:
        raise TableError(f"{subject} holds no architecture. Check that it is the right file.")
    array = np.asarray(choices, dtype=np.int64)
    return array.astype(np.uint8 if array.max() < 256 else np.uint16)


def merged(rows: Sequence[Choices]) -> tuple[list[Choices], npt.NDArray[np.int64]]:
    """Different choices in order of first appearance, and for each of `rows` the place of its own among them."""
    places: dict[Choices, int] = {}
    of_row = np.asarray([places.setdefault(choices, len(places)) for choices in rows], dtype=np.int64)
    return list(places), of_row


def mean_by(of_row: npt.NDArray[np.int64], count: int, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Mean of `values` (one per measured row) over the rows of each of `count` places; NaN where there is none."""
    numbers = np.asarray(values, dtype=np.float64)
    known = np.isfinite(numbers)
    sums = np.bincount(of_row[known], weights=numbers[known], minlength=count)
    counts = np.bincount(of_row[known], minlength=count)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
