"""Comparing and joining scores by rank."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy import stats  # type: ignore[import-untyped]

from chronas.errors import UsageError

Numbers = npt.NDArray[np.float64]


def aggregate(scores: Mapping[str, npt.ArrayLike]) -> Numbers:
    """Mean over proxies of the rank of each network, 1 the lowest; ties share their mean rank.

    scores   proxy name to one score per network, all in the same order; higher is better. NaN (no score) ranks
             below everything. Returns one number per network, higher is better. Raises UsageError.
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in scores.items()}
    shapes = {column.shape for column in columns.values()}
    if not columns or len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise UsageError(f"Ranks need one score per network from each proxy, but got the shapes {sorted(shapes)}.")
    ranks = [stats.rankdata(np.where(np.isnan(column), -np.inf, column)) for column in columns.values()]
    mean: Numbers = np.mean(ranks, axis=0)
    return mean


def kendall_tau(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's tau-b of two columns, over the rows where both are numbers; raises UsageError below two such rows."""
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise UsageError(f"Kendall's tau compares two columns of one length, but got {a.shape} and {b.shape}.")
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < 2:
        raise UsageError("Kendall's tau needs at least two networks with both numbers.")
    return float(stats.kendalltau(a[both], b[both]).statistic)
