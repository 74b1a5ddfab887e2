"""Stratified choices of images: held-out splits and subsets, a pure function of labels and seed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chronas.data.raw import Labels
from chronas.seeding import stream


def shares(counts: npt.NDArray[np.int64], total: int, least: int, leave: int) -> npt.NDArray[np.int64]:
    """How many of each class make up `total` images, in proportion to `counts`.

    Each class gives at least `least` where it can, and always keeps `leave` images (or gives none). The total
    is met when these bounds allow it.
    """
    most = np.maximum(counts - leave, 0)
    exact = counts * (total / max(int(counts.sum()), 1))
    taken = np.minimum(np.maximum(np.floor(exact).astype(np.int64), least), most)
    remainder = exact - np.floor(exact)
    while int(taken.sum()) < min(total, int(most.sum())):
        open_classes = np.flatnonzero(taken < most)
        short = np.argsort(-(exact - taken)[open_classes] - 1e-9 * remainder[open_classes], kind="stable")
        missing = min(total, int(most.sum())) - int(taken.sum())
        taken[open_classes[short[:missing]]] += 1
    while int(taken.sum()) > total and bool((taken > least).any()):
        over = np.where(taken > least, taken - exact, -np.inf)
        taken[int(np.argmax(over))] -= 1
    return np.asarray(taken, dtype=np.int64)


def held_out(
    labels: Labels, total: int, seed: int, purpose: str, *, least: int, leave: int = 1
) -> tuple[Labels, Labels]:
    """Indices (kept, held out) with about `total` held out, stratified by label, both in rising order."""
    values, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    taken = shares(counts.astype(np.int64), total, least, leave)
    chosen = np.zeros(len(labels), dtype=bool)
    for index in range(len(values)):
        members = np.flatnonzero(inverse == index)
        order = stream(seed, purpose, index).permutation(len(members))
        chosen[members[order[: int(taken[index])]]] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
