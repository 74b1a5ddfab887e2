"""What NASIB knows before it trains: start values of alpha (paper, section 3.4, allows priors).

Named options and given architectures (`prior_alphas`), and, our addition, scores of untrained networks
(`ScoredPrior`): random architectures are scored by a proxy, and a linear model tells what each option adds to a
score. With y the scores of n architectures by rank, as normal scores of mean 0 and spread 1 (proxies live on scales
of all kinds; only their order is to be trusted),

    y = sum over decisions d of ( u[d, c_d] + f[d, c_d] . (g + h_d) ) + noise

where c_d is the option that decision d takes, u an effect of each option by itself, f the space's features of options,
g what a feature is worth everywhere, and h_d what it is worth there: so options share strength, also ones that no
sample has. All coefficients shrink by one ridge; it is the one of a grid with the least leave-one-out error. The
effect of an option, e[d, o] = u[d, o] + f[d, o] . (g + h_d), less the mean of its decision, becomes

    prior[d, o] = prior_strength * r * e[d, o] / (root mean square of e over all decisions and options)

with r the correlation of the scores with their leave-one-out predictions, not below 0: where the model cannot predict
scores that it has not seen, there is no prior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from chronas.errors import NothingEvaluatedError, UsageError
from chronas.methods.blackbox import TRIES, Known
from chronas.methods.ranking import score_of
from chronas.proxies import PROXIES
from chronas.seeding import stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.work import Choices, Evaluate, Fidelity, Outcome

if TYPE_CHECKING:
    from chronas.methods.nasib import NasibSettings

Floats = npt.NDArray[np.float64]
RIDGES = tuple(0.03 * 10 ** (i / 2) for i in range(9))
"""Tried, in units of the mean eigenvalue of the kernel times the number of samples."""
LEAST_SCORES = 5
"""With fewer, leaving one out says nothing."""
GIVE_UP = 3
"""Failures in a row after which no more is scored: a search must not end because its prior cannot be had."""


class ScoredPrior:
    """Asks for scores of random architectures, once each, and turns them into `rows`.

    rows  per decision and option, the prior in standard deviations; None until the phase is over
    since, until  the search's progress when it began and when it was over
    """

    def __init__(self, space: Space, settings: NasibSettings, seed: int) -> None:
        PROXIES.entry(settings.prior_proxy)
        self.space, self.settings, self.seed = space, settings, seed
        self.rows: list[Floats] | None = None
        self.reliability = 0.0
        self.since: float | None = None
        self.until = 0.0
        self._drawn = self._failed = self._failed_in_a_row = 0
        self._asked: list[Choices] = []
        self._told = 0
        self._noted = False
        self._known = Known(space)
        self._scores: dict[Choices, float] = {}

    def ask(self, count: int, progress: float) -> tuple[list[Evaluate], bool]:
        """The next to be scored; and whether the phase is over (nothing to ask for, nothing under way: see `rows`)."""
        self.since = progress if self.since is None else self.since
        spent = progress - self.since >= self.settings.prior_share or self._failed_in_a_row >= GIVE_UP
        work: list[Evaluate] = []
        while not spent and len(work) < count and (choices := self._draw()) is not None:
            self._asked.append(choices)
            work.append(Evaluate(choices, Fidelity("proxy", proxy=self.settings.prior_proxy)))
        if not work and self._told == len(self._asked):
            self._conclude(progress)
        return work, self.rows is not None

    def _draw(self) -> Choices | None:
        """A network that is not known yet; None when there are enough, or the space is about used up."""
        if len(self._asked) >= self.settings.prior_samples:
            return None
        for _ in range(TRIES):
            choices = sample(self.space, stream(self.seed, "nasib", "prior", self._drawn))
            self._drawn += 1
            if self._known.add(choices):
                return choices
        return None

    def tell(self, outcome: Outcome) -> None:
        """Hear of a score; failures and scores that are no numbers count as asked and nothing else."""
        self._told += 1
        score = score_of(outcome, "score")
        if score is not None and isinstance(outcome.work, Evaluate):
            self._scores[outcome.work.choices] = score[0]
            self._failed_in_a_row = 0
            return
        self._failed += 1
        self._failed_in_a_row += 1

    def _conclude(self, progress: float) -> None:
        # In the order asked, so that the order in which outcomes come changes nothing.
        scored = [choices for choices in self._asked if choices in self._scores]
        effects, self.reliability = option_effects(self.space, scored, [self._scores[c] for c in scored])
        size = float(np.sqrt(np.mean(np.concatenate(effects) ** 2)))
        scale = self.settings.prior_strength * self.reliability / size if size > 0 else 0.0
        self.rows, self.until = [scale * effect for effect in effects], progress

    @property
    def scored(self) -> int:
        """Networks with a score."""
        return len(self._scores)

    def best(self) -> Choices:
        """The best score so far; raises NothingEvaluatedError."""
        if not self._scores:
            raise NothingEvaluatedError("No architecture has been scored yet.")
        return max((c for c in self._asked if c in self._scores), key=lambda choices: self._scores[choices])

    def words(self) -> str:
        """One line for people."""
        s = self.settings
        failed = f", {self._failed} without a score" if self._failed else ""
        if self.rows is None:
            return f"prior: {self.scored} of {s.prior_samples} untrained networks scored by {s.prior_proxy}{failed}"
        known = f"{self.scored} untrained networks scored by {s.prior_proxy}{failed}"
        if not any(row.any() for row in self.rows):
            return f"no prior: the scores do not tell options apart ({known})"
        return f"prior from {known}; left-out scores are predicted with correlation {self.reliability:.2f}"

    def notes(self) -> list[str]:
        """What became of the prior, told once."""
        if self._noted or self.rows is None:
            return []
        self._noted = True
        words = self.words()
        return [f"{words[0].upper()}{words[1:]}."]

    def state(self) -> dict[str, Any]:
        return {
            "drawn": self._drawn, "failed": self._failed, "in_a_row": self._failed_in_a_row, "told": self._told,
            "asked": [list(c) for c in self._asked], "known": self._known.state(),
            "scores": [[list(c), score] for c, score in self._scores.items()],
            "since": self.since, "noted": self._noted, "until": self.until, "reliability": self.reliability,
            "rows": None if self.rows is None else [row.tolist() for row in self.rows],
        }  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self._drawn, self._told, self._failed = state["drawn"], state["told"], state["failed"]
        self._failed_in_a_row, self.since, self.until = state["in_a_row"], state["since"], state["until"]
        self._noted = state["noted"]
        self._asked, self.reliability = [tuple(c) for c in state["asked"]], state["reliability"]
        self._scores = {tuple(choices): score for choices, score in state["scores"]}
        self._known.load(state["known"])
        # Kept rather than fitted anew: another machine's linear algebra may differ in the last bit.
        self.rows = None if state["rows"] is None else [np.array(row) for row in state["rows"]]


def option_effects(space: Space, scored: Sequence[Choices], scores: Sequence[float]) -> tuple[list[Floats], float]:
    """What each option adds to a (standardised) score, mean 0 in each decision; and r (see the module's text)."""
    sizes = [len(decision.options) for decision in space.decisions]
    nothing = [np.zeros(size) for size in sizes], 0.0
    if len(scored) < LEAST_SCORES or min(scores) == max(scores):
        return nothing
    y = normal_scores(np.array(scores))
    options = _options_in_rows(space)  # row: what one option of one decision puts into a network's row
    first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    z = np.array([options[first + np.array(choices)].sum(axis=0) for choices in scored])
    z = z - z.mean(axis=0)
    for block in _blocks(space, options.shape[1]):
        # Each kind of columns gets the same say: one ridge for all is then the same prior variance for each.
        size = float(np.sqrt(np.mean((z[:, block] ** 2).sum(axis=1))))
        options[:, block] /= size or 1.0
        z[:, block] /= size or 1.0
    weights, reliability = ridge(z, y)
    if reliability == 0:
        return nothing
    effects = np.split(options @ weights, np.cumsum(sizes)[:-1])
    return [effect - effect.mean() for effect in effects], reliability


def normal_scores(values: Floats) -> Floats:
    """Ranks (equal values share theirs) as quantiles of a normal distribution, mean 0 and spread 1."""
    below = (values[:, None] > values[None, :]).sum(axis=1)
    equal = (values[:, None] == values[None, :]).sum(axis=1)
    ranks = below + (equal - 1) / 2
    normal = NormalDist()
    found = np.array([normal.inv_cdf((rank + 0.5) / len(values)) for rank in ranks])
    return np.asarray((found - found.mean()) / found.std())


def _feature_tables(space: Space) -> list[Floats]:
    """Per decision: features of its options, each of spread 1 over all options of the space."""
    raw = [space.features(i) for i in range(len(space.decisions))]
    everything = np.concatenate(raw)
    spread = everything.std(axis=0)
    kept = spread > 0
    return [((table - everything.mean(axis=0)) / np.where(kept, spread, 1.0))[:, kept] for table in raw]


def _options_in_rows(space: Space) -> Floats:
    """All options of all decisions below each other: their own column, features of the decision, features."""
    tables = _feature_tables(space)
    count, width = sum(map(len, tables)), tables[0].shape[1]
    own = np.zeros((count, width * len(tables)))
    start = 0
    for index, table in enumerate(tables):
        own[start : start + len(table), index * width : (index + 1) * width] = table
        start += len(table)
    return np.hstack([np.eye(count), own, np.concatenate(tables)])


def _blocks(space: Space, columns: int) -> list[slice]:
    """The columns of u, h and g."""
    count = sum(len(decision.options) for decision in space.decisions)
    width = (columns - count) // (len(space.decisions) + 1)
    return [slice(0, count), slice(count, columns - width), slice(columns - width, columns)]


def ridge(z: Floats, y: Floats) -> tuple[Floats, float]:
    """Weights of y ~ z @ weights with the best ridge of the grid, and r of the module's text.

    z (n, f) and y (n,), both with mean 0 over n.
    """
    values, vectors = np.linalg.eigh(z @ z.T)
    values = np.maximum(values, 0.0)
    turned = vectors.T @ y
    best: tuple[float, float, Floats] | None = None
    for size in RIDGES:
        inverse = 1 / (values + size * values.mean() + 1e-12)
        fitted = vectors @ (values * inverse * turned)
        lever = (vectors**2) @ (values * inverse) + 1 / len(y)
        left_out = (y - fitted) / np.maximum(1 - lever, 1e-9)
        error = float(np.mean(left_out**2))
        if best is None or error < best[0]:
            predicted = y - left_out
            agreement = float(np.corrcoef(y, predicted)[0, 1]) if predicted.std() > 1e-12 else 0.0
            best = error, max(0.0, agreement), z.T @ (vectors @ (inverse * turned))
    assert best is not None
    return best[2], best[1]


def prior_alphas(space: Space, settings: NasibSettings) -> list[Floats]:
    """Start values of alpha per layer from `prior` and `prior_from`; raises UsageError for an unknown option.

    How often an option occurs in the architectures counts as log(1 + count): log-odds with one pseudo-count for every
    option. The named weights are added to that as they are.
    """
    alphas = [np.zeros(len(decision.options)) for decision in space.decisions]
    for notation in settings.prior_from:
        for alpha, choice in zip(alphas, space.parse(notation), strict=True):
            alpha[choice] += 1.0
    alphas = [np.log1p(alpha) for alpha in alphas]
    for word in settings.prior:
        option, _, weight = word.partition("=")
        for decision, alpha in zip(space.decisions, alphas, strict=True):
            if option not in decision.options:
                raise UsageError(f"method.prior names {option!r}, which is no option of {decision.name!r}.")
            try:
                alpha[decision.options.index(option)] += float(weight or 1.0)
            except ValueError as error:
                raise UsageError(f"method.prior takes OPTION=NUMBER, but got {word!r}.") from error
    return alphas
