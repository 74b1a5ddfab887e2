"""What every weight-sharing method has in common: it asks for slices of supernet training.

A one-shot method is told apart by little: the mix of a weight step, the mix and the update of an architecture
step, when the two alternate, and how the architecture is read off. The training loop itself stands once, in
`chronas.training.supernet`, and calls the hooks below.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from chronas.methods.base import Method
from chronas.nets.mix import Mix
from chronas.seeding import restore_rng, rng_state, stream
from chronas.spaces import Space

Turn = Literal["weights", "architecture"]


@dataclass(frozen=True)
class Alternation:
    """When weight steps and architecture steps take turns.

    interleave  "epoch": all weight steps of an epoch, then all architecture steps (NASIB, workshop section 2.2);
                "step": spread evenly.
    """

    interleave: Literal["epoch", "step"]
    weight_steps: int
    architecture_steps: int

    def turn(self, index: int) -> Turn:
        """Whose turn step `index` (from 0) is."""
        cycle = self.weight_steps + self.architecture_steps
        place = index % cycle
        if self.interleave == "epoch":
            return "weights" if place < self.weight_steps else "architecture"
        due = (place + 1) * self.architecture_steps // cycle > place * self.architecture_steps // cycle
        return "architecture" if due else "weights"


class OneShotMethod(Method):
    """Base of the weight-sharing methods.

    train_until  the progress at which supernet training ends, so that its learning rate ends there too.
    """

    train_until: float = 1.0

    def __init__(self, space: Space, settings: Any, seed: int) -> None:
        super().__init__(space, settings, seed)
        self.rng = stream(seed, self.name, "mix")

    def alternation(self, weight_steps: int, held_out_steps: int) -> Alternation:
        """The turns, given the steps of one pass over the training and over the held-out images."""
        return Alternation("epoch", weight_steps, 0)

    @abstractmethod
    def weight_mix(self, progress: float) -> Mix:
        """The mix of the next weight step."""

    def architecture_mix(self, progress: float) -> Mix:
        """The mix of the next architecture step; only called where `alternation` gives architecture steps."""
        raise NotImplementedError

    def architecture_update(self, loss: Tensor, mix: Mix, progress: float) -> None:
        """Learn from the loss of an architecture step on held-out images; weights stay as they are."""
        raise NotImplementedError

    def scalars(self) -> dict[str, float]:
        """Numbers worth plotting, taken at the end of a slice, e.g. exploration, entropy."""
        return {}

    def state(self) -> dict[str, Any]:
        return {"rng": rng_state(self.rng)}

    def load(self, state: Mapping[str, Any]) -> None:
        self.rng = restore_rng(state["rng"])
