"""Which of many points are worth having when two or more numbers matter. All numbers: smaller is better."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]


def front(points: Points) -> list[int]:
    """Places of the points (n, m) that no other is better than: as small everywhere, and smaller somewhere."""
    return [int(i) for i in np.flatnonzero(ranks(points) == 0)]


def ranks(points: Points) -> npt.NDArray[np.int64]:
    """0 for the front, 1 for the front of the rest, and so on (Deb et al. 2002, non-dominated sorting)."""
    no_larger = (points[:, None, :] <= points[None, :, :]).all(axis=2)
    dominates = np.asarray(no_larger & (points[:, None, :] < points[None, :, :]).any(axis=2))
    found = np.full(len(points), -1, dtype=np.int64)
    rank = 0
    while (left := found < 0).any():
        found[left & ~dominates[left].any(axis=0)] = rank
        rank += 1
    return found


def crowding(points: Points) -> Points:
    """How alone each point of one front is: its neighbours' distance summed over numbers, infinite at the ends."""
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        width = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if width > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return distance
