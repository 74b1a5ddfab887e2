"""From choices to a row: by arithmetic in complete small spaces, by a sorted hash in all others."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from chronas.benchmarks.contents import Array
from chronas.seeding import stream
from chronas.work import Choices

MOST_RANKS = 1 << 22


class Lookup:
    """Rows of `choices` (rows, decisions), found without walking through them.

    `options` is the number of options per decision. Choices outside of it are not found.
    """

    def __init__(self, choices: Array, options: tuple[int, ...]) -> None:
        self._choices = choices
        self._options = options
        size = math.prod(options)
        self._small = size <= MOST_RANKS
        if self._small:
            # plain Python integers: one look-up is a dot product of a handful of small numbers
            weights = [math.prod(options[place + 1 :]) for place in range(len(options))]
            self._weights: tuple[int, ...] = tuple(weights)
            self._rows = np.full(size, -1, dtype=np.int32)
            self._rows[choices.astype(np.int64) @ np.asarray(weights, dtype=np.int64)] = np.arange(len(choices))
        else:
            draws = stream(0, "table look-up").integers(1 << 62, size=len(options), dtype=np.uint64)
            self._multipliers: npt.NDArray[np.uint64] = draws * np.uint64(2) + np.uint64(1)
            keys = choices.astype(np.uint64) @ self._multipliers
            self._order = np.argsort(keys, kind="stable")
            self._keys = keys[self._order]

    def find(self, choices: Choices) -> int | None:
        """The row of exactly these choices, or None."""
        if len(choices) != len(self._options):
            return None
        if any(not 0 <= choice < limit for choice, limit in zip(choices, self._options, strict=True)):
            return None
        if self._small:
            row = int(self._rows[sum(c * w for c, w in zip(choices, self._weights, strict=True))])
            return row if row >= 0 else None
        wanted = np.asarray(choices, dtype=np.uint64)
        key = wanted @ self._multipliers
        place = int(np.searchsorted(self._keys, key))
        while place < len(self._keys) and self._keys[place] == key:
            row = int(self._order[place])
            if np.array_equal(self._choices[row], wanted):
                return row
            place += 1
        return None
