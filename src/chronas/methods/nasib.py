"""NASIB: neural architecture search within budget (Singh et al. 2019 and 2020), Algorithm 1.

Per layer and batch one of two policies is drawn, independently: P1 (explore) with probability k^progress, else
P2 (exploit). P1 = softmax(-frequency / frequency_scale) (eq. 3), P2 = softmax(alpha / lam) (eq. 4). Both give two
different options per layer. Weights learn from the plain sum of the two (eq. 1); alphas learn, on held-out
images, from the sum weighted by the softmax over the two (eq. 2), and nothing else moves then. The architecture
is the argmax of alpha in every layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chronas.errors import UsageError
from chronas.methods.base import Inspection
from chronas.methods.oneshot import Alternation, OneShotMethod
from chronas.nets.mix import Mix, SlotMix
from chronas.spaces import Space
from chronas.training.schedules import cosine, geometric
from chronas.work import Advance, Choices, Outcome, Work

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NasibSettings:
    """Settings of NASIB.

    k                probability of exploring at the end of the budget (paper: 0.1)
    lam              temperature of P2, "very low" in the paper, no number given
    frequency_scale  divides the counts in P1; the paper's eq. 3 is 1
    interleave       epoch: a pass over the training images, then one over the held-out ones; step: spread evenly
    alpha_lr         of SGD with momentum 0.9 and a cosine over progress (paper: 0.01)
    prior            option=weight pairs, e.g. ("3x3=2", "5x5=1"): start values of alpha (paper, section 3.4)
    """

    k: float = 0.1
    lam: float = 0.1
    frequency_scale: float = 1.0
    interleave: Literal["epoch", "step"] = "epoch"
    alpha_lr: float = 0.01
    alpha_momentum: float = 0.9
    prior: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.k <= 1:
            raise UsageError(f"method.k must lie in (0, 1], but got {self.k}.")
        if self.lam <= 0 or self.frequency_scale <= 0 or self.alpha_lr <= 0:
            raise UsageError(f"method.lam, frequency_scale and alpha_lr must be positive, but got {self}.")


class Nasib(OneShotMethod):
    """Algorithm 1 of the paper."""

    name = "nasib"
    Settings = NasibSettings
    presets: Mapping[str, Mapping[str, Any]] = {"paper": {}}

    def __init__(self, space: Space, settings: NasibSettings, seed: int) -> None:
        super().__init__(space, settings, seed)
        sizes = [len(decision.options) for decision in space.decisions]
        if min(sizes) < 2:
            raise UsageError("NASIB compares two options per layer; a layer with a single option leaves nothing to search.")
        self.alpha: list[Floats] = [self._prior(i) for i in range(len(sizes))]
        self.velocity: list[Floats] = [np.zeros(size) for size in sizes]
        self.frequency: list[Floats] = [np.zeros(size) for size in sizes]
        self._explored = self._drawn = 0
        self._pair: list[Tensor] = []

    def _prior(self, slot: int) -> Floats:
        options = self.space.decisions[slot].options
        alpha = np.zeros(len(options))
        for word in self.settings.prior:
            option, _, weight = word.partition("=")
            if option not in options:
                raise UsageError(f"method.prior names {option!r}, which is no option of {self.space.decisions[slot].name!r}.")
            alpha[options.index(option)] = float(weight or 1.0)
        return alpha

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        return [Advance()]

    def tell(self, outcome: Outcome, progress: float) -> None:
        self._progress = progress

    def best(self) -> Choices:
        return tuple(int(np.argmax(row)) for row in self.alpha)

    def alternation(self, weight_steps: int, held_out_steps: int) -> Alternation:
        return Alternation(self.settings.interleave, weight_steps, held_out_steps)

    def weight_mix(self, progress: float) -> Mix:
        return tuple(SlotMix(self._draw(slot, progress)) for slot in range(len(self.alpha)))

    def architecture_mix(self, progress: float) -> Mix:
        """Two options per layer under eq. 2; their alphas are leaf tensors whose gradient is asked for."""
        pairs = [self._draw(slot, progress) for slot in range(len(self.alpha))]
        self._pair = [torch.tensor(self.alpha[slot][list(pair)], dtype=torch.float32, requires_grad=True)
                      for slot, pair in enumerate(pairs)]  # fmt: skip
        return tuple(SlotMix(pair, torch.softmax(leaf, 0)) for pair, leaf in zip(pairs, self._pair, strict=True))

    def architecture_update(self, loss: Tensor, mix: Mix, progress: float) -> None:
        """SGD with momentum on the alphas of the two options of every layer."""
        gradients = torch.autograd.grad(loss, self._pair)
        rate = cosine(progress, self.settings.alpha_lr)
        for slot, (part, gradient) in enumerate(zip(mix, gradients, strict=True)):
            chosen = list(part.options)
            self.velocity[slot][chosen] = self.settings.alpha_momentum * self.velocity[slot][chosen] + gradient.numpy()
            self.alpha[slot][chosen] -= rate * self.velocity[slot][chosen]

    def _draw(self, slot: int, progress: float) -> tuple[int, int]:
        explore = self.rng.random() < geometric(progress, self.settings.k)
        self._drawn += 1
        self._explored += explore
        if explore:
            logits = -self.frequency[slot] / self.settings.frequency_scale
        else:
            logits = self.alpha[slot] / self.settings.lam
        # The two largest of logits + Gumbel noise are a draw of two without replacement from softmax(logits).
        noisy = logits + self.rng.gumbel(size=len(logits))
        first, second = np.argpartition(-noisy, 1)[:2]
        self.frequency[slot][[first, second]] += 1
        return int(first), int(second)

    def scalars(self) -> dict[str, float]:
        shares = [np.exp(row - row.max()) / np.exp(row - row.max()).sum() for row in self.alpha]
        entropies = [float(-(p * np.log(p + 1e-12)).sum()) for p in shares]
        explored = self._explored / max(1, self._drawn)
        self._explored = self._drawn = 0
        return {"exploration": explored, "entropy": float(np.mean(entropies))}

    def inspect(self) -> Inspection:
        tables = {"alpha": [row.tolist() for row in self.alpha], "frequency": [row.tolist() for row in self.frequency]}
        return Inspection("two options per layer and batch", tables)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "alpha": [row.tolist() for row in self.alpha],
                "velocity": [row.tolist() for row in self.velocity],
                "frequency": [row.tolist() for row in self.frequency],
                "drawn": [self._explored, self._drawn]}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        super().load(state)
        self.alpha = [np.array(row) for row in state["alpha"]]
        self.velocity = [np.array(row) for row in state["velocity"]]
        self.frequency = [np.array(row) for row in state["frequency"]]
        self._explored, self._drawn = state["drawn"]
