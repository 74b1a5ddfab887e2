"""Scores of untrained networks in words: the best by each proxy, and how well proxies rank a published table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chronas.reports.units import short

if TYPE_CHECKING:
    import numpy.typing as npt
    from rich.table import Table as RichTable

    from chronas.scoring import Scores

TRIVIAL = ("params", "flops")
"""Proxies that every other must beat."""
LEAST = 10
"""Networks that a rank correlation is worth printing for."""


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau of every proxy with the test accuracy of one data set of a published table.

    taus  proxy to tau, the mean of ranks over all proxies under "all together"
    """

    dataset: str
    networks: int
    taus: dict[str, float]


def agreement(scores: Scores) -> list[Agreement]:
    """How each proxy ranks the networks that the table shipped for their space knows; empty without such a table."""
    from chronas.benchmarks import BENCHMARKS, load
    from chronas.benchmarks.testing_door import test_accuracy

    name = scores.space.name
    if name not in BENCHMARKS or "file" in BENCHMARKS.entry(name).needs or len(scores.networks) < LEAST:
        return []
    table = load(name)
    rows = np.array([table.index(choices) for choices in scores.networks])
    found = []
    for dataset in table.datasets:
        accuracy = test_accuracy(table, dataset, rows)
        found.append(Agreement(dataset, int(np.isfinite(accuracy).sum()), _taus(scores, accuracy)))
    return found


def _taus(scores: Scores, accuracy: npt.NDArray[np.float64]) -> dict[str, float]:
    from chronas.proxies.ranks import aggregate, kendall_tau

    columns = {name: np.array([np.nan if v is None else v for v in column]) for name, column in scores.columns.items()}
    # A network without a score has been judged the worst, which counts.
    taus = {name: kendall_tau(np.nan_to_num(column, nan=-np.inf), accuracy) for name, column in columns.items()}
    joined = {name: column for name, column in columns.items() if name not in TRIVIAL}
    if len(joined) > 1:
        taus["all together"] = kendall_tau(aggregate(joined), accuracy)
    return taus


def best_table(scores: Scores, count: int = 3) -> RichTable:
    """The `count` best networks by each proxy."""
    from rich.table import Table

    made = Table(title="Best by each proxy", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for word, side in (("proxy", "left"), ("score", "right"), ("parameters", "right"), ("multiply-adds", "right")):
        made.add_column(word, justify=side)  # type: ignore[arg-type]
    made.add_column("architecture", overflow="fold")
    for proxy, column in scores.columns.items():
        if all(value is None for value in column):
            made.add_row(proxy, "none", "", "", scores.reasons[proxy][0])
            continue
        for place in scores.best(proxy, count):
            made.add_row(proxy, f"{column[place]:,.5g}", short(scores.params[place]), short(scores.madds[place]),
                         scores.space.notation(scores.networks[place]))  # fmt: skip
    return made


def proxy_table(scores: Scores, agreements: Sequence[Agreement]) -> RichTable:
    """Time, failures, and the rank correlation with published accuracies, one row per proxy."""
    from rich.table import Table

    title = "Proxies" if not agreements else "Proxies, and Kendall's tau with published test accuracies"
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for word in ("proxy", "ms a network", "without score", *(found.dataset for found in agreements)):
        made.add_column(word, justify="left" if word == "proxy" else "right")
    names = [*scores.columns, *(["all together"] if agreements and "all together" in agreements[0].taus else [])]
    for name in names:
        known = name in scores.columns
        made.add_row(name, f"{1000 * scores.seconds[name]:.0f}" if known else "",
                     str(len(scores.reasons[name])) if known else "",
                     *(f"{found.taus[name]:.3f}" for found in agreements))  # fmt: skip
    return made
