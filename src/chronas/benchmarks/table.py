"""A published table: what methods may see of it. Test metrics are behind chronas.benchmarks.testing_door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np

from chronas.architecture import make_space
from chronas.benchmarks.container import AGAIN, Container, Entry
from chronas.benchmarks.contents import Array, Facts, Group
from chronas.benchmarks.lookup import Lookup
from chronas.errors import TableError, UsageError
from chronas.spaces import Space
from chronas.work import Choices


@dataclass(frozen=True)
class TableRow:
    """One look-up. `val_accuracy`: validation metric (percent unless the table's units say otherwise), higher is
    better; `seconds`: what its training and validation would have cost, None where the table does not know."""

    val_accuracy: float
    seconds: float | None


@dataclass(frozen=True)
class Optimum:
    """The best row by a metric."""

    row: int
    choices: Choices
    accuracy: float


class _Columns(Mapping[str, Array]):
    """The columns that methods may see, by name, read when they are asked for."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._names = [e.name for e in container.header.entries.values() if e.group != "test"]

    def __getitem__(self, name: str) -> Array:
        if name not in self._names:
            raise KeyError(name)
        return self._container.array(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@final
class Table:
    """One published table, mapped from its file.

    name       as registered in BENCHMARKS
    datasets   e.g. ("cifar10", "cifar100", "imagenet16"); the first is the default one
    epochs     the fidelities at which some data set has validation metrics, ascending
    columns    whole read-only arrays aligned with the rows, without test metrics; "choices" is (rows, decisions)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._container = Container(path)
        header = self._container.header
        self.name: str = header.name
        self.datasets: tuple[str, ...] = header.datasets
        self.facts: Facts = header.facts
        self.columns: Mapping[str, Array] = _Columns(self._container)
        self.epochs: tuple[int, ...] = self.epochs_of(None)

    def __len__(self) -> int:
        return self._container.header.rows

    def __reduce__(self) -> tuple[type[Table], tuple[Path]]:
        return Table, (self.path,)

    @cached_property
    def space(self) -> Space:
        """The space of the table; its settings are those of the measured networks. Raises TableError."""
        header = self._container.header
        try:
            space = make_space(header.space, header.settings)
        except UsageError as error:
            raise TableError(f"{self.path} is a table of a space that is not usable here: {error}") from error
        choices = self.columns["choices"]
        limits = np.asarray([len(decision.options) for decision in space.decisions])
        if choices.shape[1] != len(limits) or (len(choices) and (choices.max(axis=0) >= limits).any()):
            raise TableError(f"{self.path} holds choices that the space {space.name!r} does not have. {AGAIN}")
        return space

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.columns["choices"], tuple(len(decision.options) for decision in self.space.decisions))

    def epochs_of(self, dataset: str | None) -> tuple[int, ...]:
        """The fidelities with validation metrics on `dataset` (None: on any), ascending."""
        found = {e.epochs for e in self._entries("validation") if dataset is None or e.dataset == dataset}
        return tuple(sorted(epochs for epochs in found if epochs is not None))

    def nearest_epochs(self, dataset: str, level: float) -> int:
        """The fidelity nearest to the part `level` in (0, 1] of the longest one. Raises TableError."""
        known = self.epochs_of(dataset)
        if not known:
            raise self._lacks("validation", dataset, None)
        return min(known, key=lambda epochs: (abs(epochs - level * known[-1]), -epochs))

    def index(self, choices: Choices) -> int:
        """The row of `choices`, or of their canonical form. Raises TableError where the table has neither."""
        choices = tuple(choices)
        row = self._lookup.find(choices)
        if row is None:
            self.space.check(choices)
            row = self._lookup.find(self.space.canonical(choices))
        if row is None:
            raise TableError(
                f"The table {self.name!r} ({len(self)} rows) has no row for {self.space.notation(choices)}."
            )
        return row

    def choices(self, row: int) -> Choices:
        """The choices of a row."""
        return tuple(int(choice) for choice in self.columns["choices"][row])

    def notation(self, row: int) -> str:
        """The published text form of a row."""
        return self.space.notation(self.choices(row))

    def validation(self, dataset: str, choices: Choices, epochs: int) -> TableRow:
        """What a method may see of `choices` after `epochs` epochs on `dataset`; never NaN. Raises TableError."""
        row = self.index(choices)
        accuracy = float(self.validation_column(dataset, epochs)[row])
        if not np.isfinite(accuracy):
            raise TableError(
                f"The table {self.name!r} has no validation of {self.notation(row)} on {dataset} at {epochs} epochs."
            )
        prices = self.seconds_column(dataset, epochs)
        seconds = float(prices[row]) if prices is not None else float("nan")
        return TableRow(accuracy, seconds if np.isfinite(seconds) else None)

    def validation_column(self, dataset: str, epochs: int) -> Array:
        """Validation metric of every row; NaN where unknown. Raises TableError where the table has none."""
        return self._column("validation", dataset, epochs)

    def seconds_column(self, dataset: str, epochs: int) -> Array | None:
        """Simulated seconds of one evaluation of every row, None where the table has no times."""
        entry = self._entry("seconds", dataset, epochs)
        return None if entry is None else self._container.array(entry.name)

    def optimum(self, dataset: str, epochs: int | None = None) -> Optimum:
        """The best row by validation at `epochs` (default: the longest there is). Raises TableError."""
        at = epochs if epochs is not None else self.nearest_epochs(dataset, 1.0)
        return self._best(self.validation_column(dataset, at))

    def describe(self) -> str:
        """Whose measurements these are, what is in them, and what to beware of, in lines of text."""
        facts = self.facts
        lines = [
            f"{self.name}: {facts.title}",
            f"  rows      {len(self)} architectures of {self._container.header.space}",
        ]
        for dataset in self.datasets:
            unit = facts.units.get(dataset, "accuracy in percent")
            lines.append(f"  {dataset}: {unit}; validation at {_list(self.epochs_of(dataset))} epochs,"
                         f" test at {_list(self._test_epochs(dataset))}")  # fmt: skip
        lines += [f"  trainings {facts.seeds}", f"  paper     {facts.paper}", f"  source    {facts.source}"]
        lines += [f"  licence   {facts.licence}", *(f"  beware    {caveat}" for caveat in facts.caveats)]
        return "\n".join(lines)

    def _best(self, values: Array) -> Optimum:
        row = int(np.nanargmax(values))
        return Optimum(row, self.choices(row), float(values[row]))

    def _hidden(self, dataset: str, epochs: int) -> Array:
        """Test metric of every row: for chronas.benchmarks.testing_door alone."""
        return self._column("test", dataset, epochs)

    def _test_epochs(self, dataset: str) -> tuple[int, ...]:
        return tuple(sorted(e.epochs for e in self._entries("test") if e.dataset == dataset and e.epochs is not None))

    def _entries(self, group: Group) -> list[Entry]:
        return [entry for entry in self._container.header.entries.values() if entry.group == group]

    @cached_property
    def _places(self) -> dict[tuple[str, str | None, int | None], Entry]:
        return {(e.group, e.dataset, e.epochs): e for e in self._container.header.entries.values()}

    def _entry(self, group: Group, dataset: str, epochs: int) -> Entry | None:
        return self._places.get((group, dataset, epochs))

    def _column(self, group: Group, dataset: str, epochs: int) -> Array:
        entry = self._entry(group, dataset, epochs)
        if entry is None:
            raise self._lacks(group, dataset, epochs)
        return self._container.array(entry.name)

    def _lacks(self, group: Group, dataset: str, epochs: int | None) -> TableError:
        if dataset not in self.datasets:
            return TableError(
                f"The table {self.name!r} has no data set {dataset!r}; it has {', '.join(self.datasets)}."
            )
        known = self._test_epochs(dataset) if group == "test" else self.epochs_of(dataset)
        what = "test" if group == "test" else "validation"
        at = "" if epochs is None else f" at {epochs} epochs"
        return TableError(
            f"The table {self.name!r} has no {what} metric on {dataset}{at}; it has it at {_list(known)} epochs."
        )


def _list(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers)) or "no"
