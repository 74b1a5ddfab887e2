"""What all tables of the NAS-Bench-101 space share: cells as text, one row per cell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chronas.architecture import make_space
from chronas.benchmarks.contents import Array, choices_array, merged
from chronas.errors import ArchitectureError, TableError
from chronas.work import Choices

SPACE = "nasbench101"


@dataclass(frozen=True)
class Cells:
    """The different cells of a file: `choices` (cells, decisions), and for each row of the file its cell."""

    choices: Array
    of_row: npt.NDArray[np.int64]

    @property
    def count(self) -> int:
        return len(self.choices)

    def first(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The value of each cell's first row."""
        places = np.unique(self.of_row, return_index=True)[1]
        return np.asarray(values, dtype=np.float64)[places]


def read_cells(pairs: Iterable[tuple[str, str]], subject: str) -> Cells:
    """Cells from (adjacency, operations) texts, isomorphic ones as one. Raises TableError naming `subject`.

    adjacency is the 0/1 matrix row by row; operations are joined by commas, input first and output last.
    """
    space = make_space(SPACE)
    known: dict[tuple[str, str], Choices] = {}
    rows = []
    for pair in pairs:
        if pair not in known:
            try:
                known[pair] = space.canonical(space.parse(f"{pair[0]}:{pair[1]}"))
            except ArchitectureError as error:
                raise TableError(f"{subject} holds a cell that is not one of NAS-Bench-101: {error}") from error
        rows.append(known[pair])
    different, of_row = merged(rows)
    return Cells(choices_array(different, subject), of_row)
