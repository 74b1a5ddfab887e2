"""NASIB's rule as printed: Algorithm 1 with equations 1 to 4.

Per layer and batch one of two policies is drawn, independently: P1 with probability k^progress, else P2.
P1 = softmax(-frequency / frequency_scale) (eq. 3), P2 = softmax(alpha / lam) (eq. 4); both give two different
options. Weights learn from the plain sum of the two (eq. 1); alphas learn by SGD with momentum, on held-out
images, from the sum weighted by the softmax over the two (eq. 2). Frequencies count weight steps and
architecture steps alike. Without a scale, eq. 3 saturates after a few batches: it then draws one of the
least-used options, a randomised round-robin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chronas.nets.mix import Mix, SlotMix
from chronas.training.schedules import cosine, geometric

if TYPE_CHECKING:
    from chronas.methods.nasib import NasibSettings

Floats = npt.NDArray[np.float64]


class PaperRule:
    """Alphas moved by gradient, two policies."""

    def __init__(self, prior: list[Floats], settings: NasibSettings) -> None:
        self.settings = settings
        self.alpha = [row.copy() for row in prior]
        self.velocity = [np.zeros_like(row) for row in prior]
        self.frequency = [np.zeros_like(row) for row in prior]
        self._explored = self._drawn = 0
        self._leaves: list[Tensor] = []

    def alphas(self) -> list[Floats]:
        return self.alpha

    def shares(self) -> list[Floats]:
        """softmax(alpha) of every layer."""
        return [softmax(row) for row in self.alpha]

    def weight_mix(self, rng: np.random.Generator, progress: float) -> Mix:
        return tuple(SlotMix(self._draw(rng, slot, progress)) for slot in range(len(self.alpha)))

    def architecture_mix(self, rng: np.random.Generator, progress: float) -> Mix:
        pairs = [self._draw(rng, slot, progress) for slot in range(len(self.alpha))]
        self._leaves = [torch.tensor(self.alpha[slot][list(pair)], dtype=torch.float32, requires_grad=True)
                        for slot, pair in enumerate(pairs)]  # fmt: skip
        return tuple(SlotMix(pair, torch.softmax(leaf, 0)) for pair, leaf in zip(pairs, self._leaves, strict=True))

    def update(self, loss: Tensor, mix: Mix, progress: float) -> None:
        """SGD with momentum on the alphas of the two options of every layer; the rate follows a cosine."""
        gradients = torch.cat(torch.autograd.grad(loss, self._leaves)).double().cpu().numpy().reshape(-1, 2)
        rate = cosine(progress, self.settings.alpha_lr)
        for slot, (part, gradient) in enumerate(zip(mix, gradients, strict=True)):
            chosen = list(part.options)
            self.velocity[slot][chosen] = self.settings.alpha_momentum * self.velocity[slot][chosen] + gradient
            self.alpha[slot][chosen] -= rate * self.velocity[slot][chosen]

    def _draw(self, rng: np.random.Generator, slot: int, progress: float) -> tuple[int, int]:
        explore = bool(rng.random() < geometric(progress, self.settings.k))
        self._drawn += 1
        self._explored += explore
        if explore:
            logits = -self.frequency[slot] / self.settings.frequency_scale
        else:
            logits = self.alpha[slot] / self.settings.lam
        # The two largest of logits + Gumbel noise are a draw of two without replacement from softmax(logits).
        noisy = logits + rng.gumbel(size=len(logits))
        first, second = np.argsort(-noisy)[:2]
        self.frequency[slot][[first, second]] += 1
        return int(first), int(second)

    def scalars(self) -> dict[str, float]:
        """The share of draws by P1 since the last call."""
        explored = self._explored / max(1, self._drawn)
        self._explored = self._drawn = 0
        return {"exploration": explored}

    def words(self) -> str:
        return "two options per layer and batch, drawn by P1 or P2"

    def state(self) -> dict[str, Any]:
        rows = {"alpha": self.alpha, "velocity": self.velocity, "frequency": self.frequency}
        return {**{n: [r.tolist() for r in v] for n, v in rows.items()}, "drawn": [self._explored, self._drawn]}

    def load(self, state: Mapping[str, Any]) -> None:
        self.alpha = [np.array(row) for row in state["alpha"]]
        self.velocity = [np.array(row) for row in state["velocity"]]
        self.frequency = [np.array(row) for row in state["frequency"]]
        self._explored, self._drawn = state["drawn"]


def softmax(row: Floats) -> Floats:
    """exp(row) / sum, stable."""
    shifted = np.exp(row - row.max())
    return np.asarray(shifted / shifted.sum())
