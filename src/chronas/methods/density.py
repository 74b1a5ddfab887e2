"""The model of BOHB: a kernel density over the good architectures and one over the bad ones.

Falkner et al. 2018, as HpBandSter does it for unordered options: each decision has a kernel that gives the observed
option 1 - h and shares h among the others (Aitchison & Aitken 1976); kernels multiply over decisions and average over
observations. Proposals are good observations of which each option is kept with probability 1 - h, else drawn
uniformly; the one with the best ratio good/bad wins.

The bandwidth is the rule of thumb 1.06 spread n^(-1/(4+d)), between a least value and the h at which the kernel is
uniform (HpBandSter does not bound it above, where a kernel may become negative). `codes` takes for the spread the
standard deviation of the option numbers, as HpBandSter does through statsmodels, although their order means nothing;
`options` takes that of the one-hot vectors, sqrt(1 - sum p^2). Kernels know the number of options of the decision;
statsmodels counts the different ones observed. HpBandSter's bandwidth factor acts on continuous values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from chronas.methods.ranking import Score
from chronas.work import Choices

Spread = Literal["options", "codes"]
Rows = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
TINY = 1e-32
"""Densities are never below it in the ratio."""


class Density:
    """A kernel density of unordered options. rows (n, d): option numbers; options (d,): how many there are."""

    def __init__(self, rows: Rows, options: Rows, least: float, spread: Spread = "options") -> None:
        self.rows, self.options = rows, options
        count, dims = rows.shape
        rule = 1.06 * _spread(rows, options, spread) * count ** (-1 / (4 + dims))
        self.bandwidth: Array = np.minimum(np.maximum(rule, least), (options - 1) / options)

    def pdf(self, points: Rows) -> Array:
        """The density at points (m, d): (m,)."""
        other = self.bandwidth / np.maximum(self.options - 1, 1)
        product = np.ones((len(points), len(self.rows)))
        for place, (same, different) in enumerate(zip(1 - self.bandwidth, other, strict=True)):
            product *= np.where(points[:, place, None] == self.rows[None, :, place], same, different)
        return np.asarray(product.mean(axis=1))

    def draw(self, rng: np.random.Generator, count: int) -> Rows:
        """Points (count, d) near observations."""
        near = self.rows[rng.integers(len(self.rows), size=count)]
        keep = rng.random(near.shape) < 1 - self.bandwidth
        return np.where(keep, near, rng.integers(self.options, size=near.shape))


def _spread(rows: Rows, options: Rows, spread: Spread) -> Array:
    if spread == "codes":
        return np.asarray(rows.std(axis=0))
    dims, most = len(options), int(options.max())
    counts = np.bincount((rows + most * np.arange(dims)).ravel(), minlength=dims * most).reshape(dims, most)
    return np.asarray(np.sqrt(np.maximum(0.0, 1 - ((counts / len(rows)) ** 2).sum(axis=1))))


def split(scored: Sequence[tuple[Choices, Score]], top_percent: int) -> tuple[Rows, Rows] | None:
    """Good and bad rows: the best `top_percent` and the rest, d+1 of each at least; None while there are too few."""
    dims = len(scored[0][0]) if scored else 0
    count = len(scored)
    good = max(dims + 1, top_percent * count // 100)
    bad = max(dims + 1, (100 - top_percent) * count // 100)
    if not scored or count - good <= dims:
        return None
    ranked = sorted(scored, key=lambda pair: pair[1], reverse=True)
    rows = np.array([choices for choices, _ in ranked[: good + bad]], dtype=np.int64)
    return rows[:good], rows[good:]


def propose(good: Density, bad: Density, samples: int, rng: np.random.Generator) -> Iterator[Choices]:
    """`samples` proposals near good observations, best ratio good/bad first."""
    points = good.draw(rng, samples)
    ratio = np.maximum(bad.pdf(points), TINY) / np.maximum(good.pdf(points), TINY)
    for i in np.argsort(ratio, kind="stable"):
        yield tuple(points[i].tolist())
