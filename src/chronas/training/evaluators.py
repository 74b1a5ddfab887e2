"""Evaluators that train or use weights: short training, and the supernet's weights."""

from __future__ import annotations

from typing import Any

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Ledger
from chronas.data.images import ImageData
from chronas.errors import TrainingError
from chronas.seeding import derive
from chronas.spaces import Space
from chronas.training.hardware import Hardware
from chronas.training.network import Looks, NetworkTrainer, seeded_network
from chronas.training.recipes import Recipe
from chronas.training.supernet import Slice, SupernetTrainer
from chronas.work import Evaluate


class ShortTraining:
    """Fidelity "train": from scratch under a complete schedule, within a share of the budget."""

    def __init__(self, space: Space, data: ImageData, recipe: Recipe, hardware: Hardware, seed: int) -> None:
        self.space, self.data, self.recipe, self.hardware, self.seed = space, data, recipe, hardware, seed
        self._judging = 0.0

    def evaluate(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """`val_accuracy`, `val_loss`, `train_loss`, `epochs`. Raises TrainingError."""
        task = self.data.task
        part = ledger.part(work.fidelity.share)
        if part.budget.unit == "seconds":
            part.reserve = min(self._judging, 0.5 * part.budget.amount)
        net = seeded_network(lambda: nets.build(Architecture(self.space, work.choices), task),
                             self.seed, "short", *work.choices)  # fmt: skip
        trainer = NetworkTrainer(net, self.data, self.recipe, self.hardware, derive(self.seed, "short"),
                                 looks=Looks(times=0))  # fmt: skip
        metrics: dict[str, float] = {}
        while not part.exhausted:
            if metrics and part.budget.unit == "seconds" and part.left < metrics["step_seconds"]:
                break
            metrics = trainer.advance(part)
        if not metrics:
            raise TrainingError("There was no time for a single step.")
        began = part.clock()
        found = trainer.validate()
        self._judging = part.clock() - began
        ledger.charge(steps=part.counts["steps"], epochs=part.counts["epochs"])
        return {**found, "train_loss": metrics["train_loss"], "epochs": metrics["epoch"],
                "images_per_second": metrics["images_per_second"]}  # fmt: skip


class SharedWeights:
    """Fidelity "shared": all held-out images with the supernet's weights."""

    def __init__(self, trainer: SupernetTrainer) -> None:
        self.trainer = trainer

    def evaluate(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """`val_accuracy` and `val_loss`."""
        found = self.trainer.evaluate(work.choices)
        ledger.charge(epochs=self.trainer.evaluation_epochs)
        return found


class SupernetSlices:
    """Advances a supernet and its method by slices of a fixed length."""

    def __init__(self, trainer: SupernetTrainer, limit: Slice) -> None:
        self.trainer, self.limit = trainer, limit

    def advance(self, ledger: Ledger) -> dict[str, float]:
        return self.trainer.advance(ledger, self.limit)

    def state(self) -> dict[str, Any]:
        return self.trainer.state()

    def load(self, state: Any) -> None:
        self.trainer.load(state)
