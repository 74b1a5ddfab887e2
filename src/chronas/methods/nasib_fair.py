"""NASIB's default rule: fair credit.

What goes wrong with the printed rule in a small budget: alphas start to move while options are hardly trained,
P2 draws the first leader more often, it is trained more, and it runs away. And weights trained as a sum of two
are judged, at the end, alone. So here

1. weight steps run a single path (`paths` = 1), the way the network will be used;
2. every option in play is trained equally often: always one of the least used (P1, eq. 3, to its limit);
3. a short budget brings fewer options into play: as many as can each get `visits` weight steps before the field
   is narrowed, drawn at random; where there is a prior, its best option first and then in proportion to exp(prior);
4. an architecture step compares two random options in every layer at equal weights 1/2 on the same held-out
   batch, partners and all: the credit of option a against b is (dL/dw_b - dL/dw_a) / 2. One backward pass gives
   a comparison in every layer, and repeats itself better than losses of whole paths (benchmarks/credit.py);
5. alpha is the running mean of an option's credits, standardised within its layer, instead of a walk that
   remembers every noise;
6. the explored share k^progress (section 3.3) is the share of the field still in play: the worst leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chronas.methods.nasib_paper import softmax
from chronas.nets.mix import Mix, SlotMix
from chronas.seeding import stream
from chronas.training.schedules import geometric

if TYPE_CHECKING:
    from chronas.methods.nasib import NasibSettings

Floats = npt.NDArray[np.float64]
OUT_OF_PLAY = -4.0
"""The alpha shown for options that were never in play or have left it; alphas in play have spread 1."""


class FairRule:
    """Equal training, paired credit, a field that narrows."""

    def __init__(self, prior: list[Floats], settings: NasibSettings, seed: int) -> None:
        self.settings = settings
        # The first n of a row are in play.
        self.play = [_order(row, stream(seed, "field", i)) for i, row in enumerate(prior)]
        self.prior = prior
        self.frequency = [np.zeros_like(row) for row in prior]
        self.credit = [np.zeros_like(row) for row in prior]
        self.weight = [np.zeros_like(row) for row in prior]
        self.field = 0
        self._steps, self._ready = 0, 0.0
        self._leaves: list[Tensor] = []
        self._pending: list[tuple[list[tuple[int, int]], Tensor]] = []

    # -- training --------------------------------------------------------------------------------------

    def weight_mix(self, rng: np.random.Generator, progress: float) -> Mix:
        """The least used options in play, one (or two) per layer."""
        self._steps += 1
        self._narrow(progress)
        mix = []
        for slot, play in enumerate(self.play):
            used = self.frequency[slot][play] + 0.5 * rng.random(len(play))
            chosen = [play[int(i)] for i in np.argsort(used)[: self.settings.paths]]
            self.frequency[slot][chosen] += 1
            mix.append(SlotMix(tuple(chosen)))
        return tuple(mix)

    def architecture_mix(self, rng: np.random.Generator, progress: float) -> Mix:
        """Two random options in play per layer at weights 1/2 (the whole of a layer left with one option)."""
        pairs = []
        for play in self.play:
            first, second = rng.permutation(len(play))[:2] if len(play) > 1 else (0, 0)
            pairs.append((play[int(first)], play[int(second)]))
        self._leaves = [torch.full((2,), 0.5, requires_grad=True) for _ in pairs]
        return tuple(SlotMix(pair, leaf) for pair, leaf in zip(pairs, self._leaves, strict=True))

    def update(self, loss: Tensor, mix: Mix, progress: float) -> None:
        """Keep the gradients of the weights; they are read when alphas are needed (no device sync here)."""
        if progress < self.settings.warm / 2:
            return
        gradients = torch.cat(torch.autograd.grad(loss, self._leaves)).detach()
        self._pending.append(([(part.options[0], part.options[1]) for part in mix], gradients))

    def _collect(self) -> None:
        """Turn kept gradients into running means of credit."""
        if not self._pending:
            return
        stacked = torch.stack([g for _, g in self._pending]).double().cpu().numpy().reshape(len(self._pending), -1, 2)
        keep = 1 - 1 / self.settings.memory
        for (pairs, _), gradients in zip(self._pending, stacked, strict=True):
            for slot, ((a, b), (da, db)) in enumerate(zip(pairs, gradients, strict=True)):
                if a == b:
                    continue
                for option, credit in ((a, (db - da) / 2), (b, (da - db) / 2)):
                    self.credit[slot][option] = keep * self.credit[slot][option] + credit
                    self.weight[slot][option] = keep * self.weight[slot][option] + 1
        self._pending = []

    def _narrow(self, progress: float) -> None:
        """Settle how many options play, then let the worst leave as k^progress falls."""
        if not self.field:
            if progress <= 0.005:
                return
            steps = self._steps / progress * self.settings.warm * self.settings.paths
            self.field = max(2, round(steps / self.settings.visits))
            self.play = [play[: self.field] for play in self.play]
        ready = self._ready = (progress - self.settings.warm) / (1 - self.settings.warm)
        if ready <= 0:
            return
        for slot, play in enumerate(self.play):
            size = max(2, round(min(self.field, len(self.prior[slot])) * geometric(ready, self.settings.k)))
            if len(play) > size:
                self._collect()
                means = self._means(slot)
                self.play[slot] = sorted(play, key=lambda option: -means[option])[:size]

    # -- looking ---------------------------------------------------------------------------------------

    def _means(self, slot: int) -> Floats:
        return self.credit[slot] / np.maximum(self.weight[slot], 1e-9)

    def alphas(self) -> list[Floats]:
        """Mean credit, standardised among the options in play, plus the prior; OUT_OF_PLAY for the others."""
        self._collect()
        rows = []
        for slot, play in enumerate(self.play):
            row = np.full(len(self.prior[slot]), OUT_OF_PLAY)
            means = self._means(slot)[play]
            row[play] = (means - means.mean()) / max(float(means.std()), 1e-12) + self.prior[slot][play]
            rows.append(row)
        return rows

    def shares(self) -> list[Floats]:
        """softmax(alpha) over the options in play."""
        rows = []
        for alpha, play in zip(self.alphas(), self.play, strict=True):
            row = np.zeros(len(alpha))
            row[play] = softmax(alpha[play])
            rows.append(row)
        return rows

    def scalars(self) -> dict[str, float]:
        """exploration: options in play / options of the field; p1: its plan; in_play: their mean number."""
        sizes = [len(play) for play in self.play]
        planned = geometric(max(0.0, self._ready), self.settings.k)
        fields = [min(self.field, len(row)) if self.field else len(row) for row in self.prior]
        return {"exploration": sum(sizes) / sum(fields), "p1": planned, "in_play": float(np.mean(sizes))}

    def words(self) -> str:
        return f"{np.mean([len(play) for play in self.play]):.1f} options in play per layer"

    def state(self) -> dict[str, Any]:
        self._collect()
        rows = {"frequency": self.frequency, "credit": self.credit, "weight": self.weight}
        return {**{name: [row.tolist() for row in value] for name, value in rows.items()},
                "play": self.play, "field": self.field, "steps": self._steps,
                "ready": self._ready}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        for name in ("frequency", "credit", "weight"):
            setattr(self, name, [np.array(row) for row in state[name]])
        self.play, self.field, self._steps = [list(row) for row in state["play"]], state["field"], state["steps"]
        self._ready = state["ready"]
        self._pending = []


def _order(prior: Floats, rng: np.random.Generator) -> list[int]:
    """A draw of all options without replacement in proportion to exp(prior), but the prior's best comes first.

    A prior may be wrong about every option, so it does not choose the others alone.
    """
    drawn = [int(option) for option in np.argsort(-(prior + rng.gumbel(size=len(prior))))]
    if prior.max() > prior.min():
        drawn.sort(key=lambda option: prior[option] < prior.max())
    return drawn
