"""NASIB: neural architecture search within budget (Singh et al. 2019 and 2020).

Preset `paper` is Algorithm 1 (`chronas.methods.nasib_paper`). The default rule (`chronas.methods.nasib_fair`)
keeps its ideas (two options compared per layer, least-used first, an explored share of k^progress, the budget
decides how much is explored) and changes how credit is given, because the paper's rule picks architectures
worse than random ones in small budgets: see docs/nasib.md for the ablation. The end of the budget trains a
shortlist briefly from scratch (`chronas.methods.finals`), and the best of it is the result; where that would be less
than a pass over the images each, the supernet trains to the end and the argmax of alpha is the result. With
`prior_proxy` the search begins with scores of untrained networks, which decide where alphas start
(`chronas.methods.nasib_prior`).

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
from chronas.methods.finals import FinalRound, parts_of
from chronas.methods.nasib_fair import FairRule
from chronas.methods.nasib_paper import PaperRule
from chronas.methods.nasib_prior import ScoredPrior, prior_alphas
from chronas.methods.oneshot import Alternation, OneShotMethod
from chronas.nets.mix import Mix
from chronas.spaces import Space
from chronas.work import Advance, Choices, Evaluate, Outcome, Work

Floats = npt.NDArray[np.float64]
SETTLED_AT = 0.03
"""The part of the budget after which its passes over the images are known well enough to plan the rest."""


@dataclass(frozen=True)
class NasibSettings:
    """Settings of NASIB.

    rule             fair: this project's credit assignment; paper: Algorithm 1
    k                explored share at the end of the supernet's training (paper: 0.1)
    prior            option=weight words, e.g. ("3x3=2", "5x5=1"): start values of alpha (paper, section 3.4)
    prior_from       architectures (notations) whose options are favoured by how often they occur: our addition
    prior_proxy      a registered proxy whose scores of untrained networks become start values of alpha; "" for none:
                     our addition
    prior_samples    random architectures that are scored before training begins
    prior_share      part of the budget after which scoring ends even with fewer (a time: scores cost no epochs)
    prior_strength   spread of the prior over options, in standard deviations of an alpha
    shortlist        architectures trained briefly from scratch in the final round, 0 for no such round
    proposals        what the final round trains: spread (extremes of the space too) or pool (near random and best)
    train_share      part of the budget that trains the supernet when there is a final round
    least_passes     passes over the training images that each training of the final round must be worth; with less
                     there is no such round, because what learns fastest would win (0: there always is one)
    interleave       epoch: a pass over the training images, then one over the held-out ones; step: spread evenly
    architecture_steps  per weight step, with interleave=step
    paths            fair: options per layer in a weight step, 1 or 2 (a plain sum)
    visits           fair: weight steps that every option in play should have had when narrowing begins; decides
                     how many options a short budget brings into play
    warm             fair: part of the supernet's training before alphas move; credit is collected from its half on
    memory           fair: credits that an alpha remembers, as a running mean
    lam              paper: temperature of P2 ("very low", no number given)
    frequency_scale  paper: divides the counts in P1; 1 is eq. 3
    alpha_lr         paper: of SGD with momentum 0.9 and a cosine over progress
    """

    rule: Literal["fair", "paper"] = "fair"
    k: float = 0.1
    prior: tuple[str, ...] = ()
    prior_from: tuple[str, ...] = ()
    prior_proxy: str = ""
    prior_samples: int = 100
    prior_share: float = 0.05
    prior_strength: float = 1.0
    shortlist: int = 10
    proposals: Literal["spread", "pool"] = "spread"
    train_share: float = 0.3
    least_passes: float = 1.0
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
        if self.architecture_steps < 0 or self.memory < 1 or self.least_passes < 0:
            raise UsageError("method.architecture_steps, least_passes must be at least 0, method.memory 1, but got "
                             f"{self.architecture_steps}, {self.least_passes} and {self.memory}.")  # fmt: skip
        for name in ("lam", "frequency_scale", "alpha_lr", "visits"):
            if getattr(self, name) <= 0:
                raise UsageError(f"method.{name} must be positive, but got {getattr(self, name)}.")
        if self.paths not in (1, 2):
            raise UsageError(f"method.paths must be 1 or 2, but got {self.paths}.")
        if self.prior_samples < 1 or self.prior_strength < 0:
            raise UsageError("method.prior_samples must be at least 1 and method.prior_strength at least 0, but got "
                             f"{self.prior_samples} and {self.prior_strength}.")  # fmt: skip
        until = self.train_share if self.shortlist else 1.0
        if self.prior_proxy and not 0 < self.prior_share < until:
            raise UsageError(f"method.prior_share must lie between 0 and {until:g}, the part that trains the supernet, "
                             f"but got {self.prior_share}.")  # fmt: skip
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
        self.scored = ScoredPrior(space, settings, seed) if settings.prior_proxy else None
        self.rule = self._rule()
        self.train_until = settings.train_share if settings.shortlist else 1.0
        self._passes = self._anew = 0.0
        self._settled = not settings.shortlist or not settings.least_passes
        self._finals: FinalRound | None = None
        self._told: list[str] = []

    def _rule(self) -> PaperRule | FairRule:
        """The rule at its start: with the named priors, and the one from scores once there is one."""
        settings, prior = self.settings, prior_alphas(self.space, self.settings)
        # One standard deviation is a nat of the policy that draws options: of exp(alpha), and of P2 (eq. 4).
        unit = settings.lam if settings.rule == "paper" else 1.0
        if self.scored is not None and self.scored.rows is not None:
            prior = [named + unit * row for named, row in zip(prior, self.scored.rows, strict=True)]
        return PaperRule(prior, settings) if settings.rule == "paper" else FairRule(prior, settings, self.seed)

    # -- asking ----------------------------------------------------------------------------------------

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        if self.scored is not None and self.scored.rows is None:
            scoring, over = self.scored.ask(count, progress)
            if not over:
                return scoring
            self.rule = self._rule()
        if progress < self.train_until:
            return [Advance()]
        if self.train_until == 1.0:
            return []
        if self._finals is None:
            self._finals = self._final_round()
        return self._finals.ask(progress)

    def _final_round(self) -> FinalRound:
        shares = self.rule.shares()
        alphas = [np.where(p > 0, row, np.nan) for row, p in zip(self.rule.alphas(), shares, strict=True)]
        return FinalRound(self.space, alphas, shares, self.settings.shortlist, self.seed, self._prior_rows,
                          self.settings.proposals)  # fmt: skip

    @property
    def _prior_rows(self) -> list[Floats] | None:
        """The prior from scores, where there is one and it says anything."""
        rows = None if self.scored is None else self.scored.rows
        return rows if rows is not None and any(row.any() for row in rows) else None

    def _settle(self, progress: float) -> None:
        """Early on: is the budget worth a final round? If not, training begins anew, with all of it in view."""
        so_far = progress - self._scoring_until
        if so_far < SETTLED_AT:
            return
        self._settled = True
        each = self._passes / so_far * (1 - self.train_until) / parts_of(self.settings.shortlist)
        if 0 < each < self.settings.least_passes:
            self.train_until, self._anew = 1.0, progress
            self.rule = self._rule()
            self._told.append(f"There is no final round: each of its trainings would be worth {each:.2f} passes over "
                              "the training images. The supernet is trained to the end instead.")  # fmt: skip

    def tell(self, outcome: Outcome, progress: float) -> None:
        if not isinstance(outcome.work, Evaluate):
            self._passes += outcome.price.get("epochs", 0.0)
            if not self._settled:
                self._settle(progress)
            return
        if outcome.work.fidelity.kind == "proxy" and self.scored is not None:
            self.scored.tell(outcome)
        elif self._finals is not None:
            self._finals.tell(outcome)

    def best(self) -> Choices:
        """The best of the shortlist once one of it was judged; before that the argmax of alpha in every layer.

        While nothing is trained, and where the argmax could not be trained, the best score where there are scores.
        """
        if self._finals is not None and self._finals.judged:
            return self._finals.best()
        argmax = tuple(int(np.argmax(row)) for row in self.rule.alphas())
        if self.scored is None or not self.scored.scored:
            return argmax
        failed = self._finals is not None and argmax in self._finals.pool
        return self.scored.best() if failed or self.scored.rows is None else argmax

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
        """Progress of the supernet's training alone, scores of the prior and what was begun anew left out."""
        begun = max(self._scoring_until, self._anew)
        return min(1.0, max(0.0, progress - begun) / max(self.train_until - begun, 1e-9))

    @property
    def _scoring_until(self) -> float:
        return 0.0 if self.scored is None else self.scored.until

    # -- looking and keeping ---------------------------------------------------------------------------

    def scalars(self) -> dict[str, float]:
        """exploration: share explored in this slice; entropy: mean over layers of softmax(alpha), in nats.

        prior_agreement: how well the prior's model predicts scores that it has not seen (a correlation).
        """
        shares = self.rule.shares()
        entropies = [float(-(p * np.log(p + 1e-12)).sum()) for p in shares]
        each = {f"entropy_{i + 1}": value for i, value in enumerate(entropies)}
        prior = {} if self.scored is None else {"prior_agreement": self.scored.reliability}
        return {**self.rule.scalars(), "entropy": float(np.mean(entropies)), **each, **prior}

    def inspect(self) -> Inspection:
        tables = {"alpha": [row.tolist() for row in self.rule.alphas()],
                  "frequency": [row.tolist() for row in self.rule.frequency]}  # fmt: skip
        words = self.rule.words() if self._finals is None else self._finals.words()
        if self.scored is None:
            return Inspection(words, tables)
        if self.scored.rows is None:
            return Inspection(self.scored.words(), tables)
        return Inspection(
            f"{words}; {self.scored.words()}", {**tables, "prior": [r.tolist() for r in self.scored.rows]}
        )

    def notes(self) -> list[str]:
        told, self._told = self._told, []
        return told if self.scored is None else [*self.scored.notes(), *told]

    def state(self) -> dict[str, Any]:
        finals = None if self._finals is None else self._finals.state()
        scored = {} if self.scored is None else {"prior": self.scored.state()}
        length = {"until": self.train_until, "passes": self._passes, "settled": self._settled,
                  "anew": self._anew}  # fmt: skip
        return {**super().state(), "rule": self.rule.state(), "finals": finals, "length": length, **scored}

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        if self.scored is not None:
            self.scored.load(state["prior"])
            self.rule = self._rule()
        self.rule.load(state["rule"])
        length = state["length"]
        self.train_until, self._passes = length["until"], length["passes"]
        self._settled, self._anew = length["settled"], length["anew"]
        self._finals = None
        if state["finals"] is not None:
            self._finals = FinalRound.restored(
                self.space, state["finals"], self.settings.shortlist, self.seed,
                self._prior_rows, self.settings.proposals,
            )  # fmt: skip
