"""Columns of a Parquet file as NumPy arrays, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.errors import TableError, missing_extra


class Rows:
    """The columns `text` (as lists of str) and `numbers` (as float64, null as NaN) of a file.

    Raises EnvironmentFault without pyarrow, TableError for a file that is damaged or lacks a column.
    """

    def __init__(self, path: Path, text: Sequence[str], numbers: Sequence[str]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ModuleNotFoundError:
            raise missing_extra("pyarrow", "parquet", f"Reading {path}") from None
        self.path = path
        try:
            names = pq.read_schema(path).names
            missing = [name for name in (*text, *numbers) if name not in names]
            if missing:
                raise TableError(f"{path} is another table: it lacks the column {missing[0]!r}. Check KIND and file.")
            table = pq.read_table(path, columns=[*text, *numbers])
        except (pa.ArrowInvalid, OSError) as error:
            raise TableError(f"{path} is no intact Parquet file ({error}). Copy it again.") from error
        self._text = {name: [str(value) for value in table.column(name).to_pylist()] for name in text}
        self._numbers = {name: _floats(table.column(name), path) for name in numbers}
        self.count: int = table.num_rows

    def text(self, name: str) -> list[str]:
        return self._text[name]

    def numbers(self, name: str) -> npt.NDArray[np.float64]:
        return self._numbers[name]

    def texts(self, *names: str) -> Iterator[tuple[str, ...]]:
        """Several text columns row by row."""
        return zip(*(self._text[name] for name in names), strict=True)


def _floats(column: Any, path: Path) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(column.to_pylist(), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise TableError(f"{path} has a column that holds no numbers ({error}).") from error


def only_file(source: Path, example: str) -> Path:
    """`source` itself, or the file `example` in it. Raises TableError where there is neither."""
    file = source / example if source.is_dir() else source
    if not file.is_file():
        raise TableError(f"There is no file {file}. Give the file, such as {example}.")
    return file


def expect_rows(found: int, expected: int, source: Path, partial: bool) -> None:
    """Raise TableError where rows are missing and `partial` does not allow that."""
    if found > expected or (found < expected and not partial):
        raise TableError(
            f"{source} has {found} of {expected} architectures, so it is cut short or another release. Copy it again,"
            " or take what is there with --partial."
        )
