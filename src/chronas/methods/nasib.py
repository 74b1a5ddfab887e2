"""NASIB: neural architecture search within budget (Singh et al. 2019 and 2020).

Preset `paper` is Algorithm 1 (`chronas.methods.nasib_paper`). The default rule (`chronas.methods.nasib_fair`)
keeps its ideas (two options compared per layer, least-used first, an explored share of k^progress, the budget
decides how much is explored) and changes how credit is given, because the paper's rule picks architectures
worse than random ones in small budgets: see docs/nasib.md for the ablation. The end of the budget trains a
shortlist briefly from scratch (`chronas.methods.finals`), and the best of it is the result.

Left open by the papers, chosen here: lam 0.1 and raw counts in P1 (preset `paper`), supernet batch 64, learning
rate 0.05, clipping at 5, L2 3e-4, no dropout while searching, crop and flip on colour images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from chronas.errors import UsageError
from chronas.methods.base import Inspection
from chronas.methods.finals import FinalRound
from chronas.methods.nasib_fair import FairRule
from chronas.methods.nasib_paper import PaperRule
from chronas.methods.oneshot import Alternation, OneShotMethod
from chronas.nets.mix import Mix
from chronas.spaces import Space
from chronas.work import Advance, Choices, Evaluate, Outcome, Work

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NasibSettings:
    """Settings of NASIB.

    rule             fair: this project's credit assignment; paper: Algorithm 1
    k                explored share at the end of the supernet's training (paper: 0.1)
    prior            option=weight words, e.g. ("3x3=2", "5x5=1"): start values of alpha (paper, section 3.4)
    prior_from       architectures (notations) whose options are favoured by how often they occur: our addition
    shortlist        architectures trained briefly from scratch in the final round, 0 for no such round
    train_share      part of the budget that trains the supernet when there is a final round
    interleave       epoch: a pass over the training images, then one over the held-out ones; step: spread evenly
    architecture_steps  per weight step, with interleave=step
    paths            fair: options per layer in a weight step, 1 or 2 (a plain sum)
    visits           fair: weight steps that every option in play should have had when narrowing begins; decides
                     how many options a short budget brings into play
    warm             fair: part of the supernet's training before alphas move
    memory           fair: credits that an alpha remembers, as a running mean
    lam              paper: temperature of P2 ("very low", no number given)
    frequency_scale  paper: divides the counts in P1; 1 is eq. 3
    alpha_lr         paper: of SGD with momentum 0.9 and a cosine over progress
    """

    rule: Literal["fair", "paper"] = "fair"
    k: float = 0.1
    prior: tuple[str, ...] = ()
    prior_from: tuple[str, ...] = ()
    shortlist: int = 10
    train_share: float = 0.3
    interleave: Literal["epoch", "step"] = "step"
    architecture_steps: float = 0.2
    paths: int = 1
    visits: float = 60.0
    warm: float = 0.3
    memory: float = 60.0
    lam: float = 0.1
    frequency_scale: float = 1.0
    alpha_lr: float = 0.01
    alpha_momentum: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.k <= 1:
            raise UsageError(f"method.k must lie in (0, 1], but got {self.k}.")
        if not 0 < self.train_share <= 1 or not 0 <= self.warm < 1:
            raise UsageError(f"method.train_share and method.warm are shares, but got {self.train_share}, {self.warm}.")
        for name in ("lam", "frequency_scale", "alpha_lr", "visits", "memory"):
            if getattr(self, name) <= 0:
                raise UsageError(f"method.{name} must be positive, but got {getattr(self, name)}.")
        if self.paths not in (1, 2):
            raise UsageError(f"method.paths must be 1 or 2, but got {self.paths}.")
        if self.shortlist < 0 or self.shortlist == 1:
            raise UsageError(f"method.shortlist must be 0 or at least 2, but got {self.shortlist}.")


class Nasib(OneShotMethod):
    """Superkernel search that explores as much as the budget allows."""

    name = "nasib"
    Settings = NasibSettings
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"rule": "paper", "interleave": "epoch", "shortlist": 0}
    }

    def __init__(self, space: Space, settings: NasibSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        if min(len(decision.options) for decision in space.decisions) < 2:
            raise UsageError("NASIB compares two options per layer; a layer with one option leaves nothing to search.")
        prior = prior_alphas(space, settings)
        self.rule = PaperRule(prior, settings) if settings.rule == "paper" else FairRule(prior, settings, seed)
        self.train_until = settings.train_share if settings.shortlist else 1.0
        self._finals: FinalRound | None = None

    # -- asking ----------------------------------------------------------------------------------------

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if progress < self.train_until:
            return [Advance()]
        if not self.settings.shortlist:
            return []
        if self._finals is None:
            self._finals = self._final_round()
        return self._finals.ask()

    def _final_round(self) -> FinalRound:
        shares = self.rule.shares()
        alphas = [np.where(p > 0, row, np.nan) for row, p in zip(self.rule.alphas(), shares, strict=True)]
        return FinalRound(self.space, alphas, shares, self.settings.shortlist, 1 - self.train_until, self.seed)

    def tell(self, outcome: Outcome, progress: float) -> None:
        if isinstance(outcome.work, Evaluate) and self._finals is not None:
            self._finals.tell(outcome)

    def best(self) -> Choices:
        """The best of the shortlist once one of it was judged; before that the argmax of alpha in every layer."""
        if self._finals is not None and self._finals.judged:
            return self._finals.best()
        return self._argmax()

    def _argmax(self) -> Choices:
        return tuple(int(np.argmax(row)) for row in self.rule.alphas())

    # -- training --------------------------------------------------------------------------------------

    def alternation(self, weight_steps: int, held_out_steps: int) -> Alternation:
        if self.settings.interleave == "epoch":
            return Alternation("epoch", weight_steps, held_out_steps)
        return Alternation("step", 1000, round(1000 * self.settings.architecture_steps))

    def weight_mix(self, progress: float) -> Mix:
        return self.rule.weight_mix(self.rng, self._training(progress))

    def architecture_mix(self, progress: float) -> Mix:
        return self.rule.architecture_mix(self.rng, self._training(progress))

    def architecture_update(self, loss: Tensor, mix: Mix, progress: float) -> None:
        self.rule.update(loss, mix, self._training(progress))

    def _training(self, progress: float) -> float:
        """Progress of the supernet's training alone."""
        return min(1.0, progress / self.train_until)

    # -- looking and keeping ---------------------------------------------------------------------------

    def scalars(self) -> dict[str, float]:
        """exploration: share explored in this slice; entropy: mean over layers of softmax(alpha), in nats."""
        shares = self.rule.shares()
        entropies = [float(-(p * np.log(p + 1e-12)).sum()) for p in shares]
        each = {f"entropy_{i + 1}": value for i, value in enumerate(entropies)}
        return {**self.rule.scalars(), "entropy": float(np.mean(entropies)), **each}

    def inspect(self) -> Inspection:
        tables = {"alpha": [row.tolist() for row in self.rule.alphas()],
                  "frequency": [row.tolist() for row in self.rule.frequency]}  # fmt: skip
        if self._finals is not None:
            return Inspection(self._finals.words(), tables)
        return Inspection(self.rule.words(), tables)

    def state(self) -> dict[str, Any]:
        finals = None if self._finals is None else self._finals.state()
        return {**super().state(), "rule": self.rule.state(), "finals": finals}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.rule.load(state["rule"])
        self._finals = None
        if state["finals"] is not None:
            self._finals = FinalRound.restored(
                self.space, state["finals"], self.settings.shortlist, 1 - self.train_until, self.seed
            )


def prior_alphas(space: Space, settings: NasibSettings) -> list[Floats]:
    """Start values of alpha per layer from `prior` and `prior_from`; raises UsageError for an unknown option."""
    alphas = [np.zeros(len(decision.options)) for decision in space.decisions]
    for word in settings.prior:
        option, _, weight = word.partition("=")
        for decision, alpha in zip(space.decisions, alphas, strict=True):
            if option not in decision.options:
                raise UsageError(f"method.prior names {option!r}, which is no option of {decision.name!r}.")
            try:
                alpha[decision.options.index(option)] += float(weight or 1.0)
            except ValueError as error:
                raise UsageError(f"method.prior takes OPTION=NUMBER, but got {word!r}.") from error
    for notation in settings.prior_from:
        for alpha, choice in zip(alphas, space.parse(notation), strict=True):
            alpha[choice] += 1.0
    if settings.prior_from:
        # Counts become log-odds with one pseudo-count for every option.
        alphas = [np.log1p(alpha) if alpha.min() >= 0 else alpha for alpha in alphas]
    return alphas
