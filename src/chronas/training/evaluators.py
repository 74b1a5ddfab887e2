"""Evaluators that train or use weights: short training, and the supernet's weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Budget, Ledger, Slowest
from chronas.data.images import ImageData
from chronas.errors import TrainingError
from chronas.seeding import derive, torch_scope
from chronas.spaces import Space
from chronas.training.at_once import AtOnce
from chronas.training.hardware import Hardware
from chronas.training.judge import remaining
from chronas.training.network import Looks, NetworkTrainer, seeded_network
from chronas.training.recipes import Recipe
from chronas.training.supernet import Slice, SupernetTrainer
from chronas.training.unfinished import Unfinished, better
from chronas.work import Choices, Evaluate

EPOCHS_AN_EVALUATION = 8
"""A budget in evaluations names no length; a full one then takes so many epochs, and others their level of them."""


@dataclass(frozen=True)
class _CutOff:
    """A short training that a pause cut off, or that has just begun."""

    work: Evaluate
    part: Ledger
    trainer: NetworkTrainer


class ShortTraining:
    """Fidelity "train": from scratch under a complete schedule, within a share of the budget."""

    def __init__(self, space: Space, data: ImageData, recipe: Recipe, hardware: Hardware, seed: int) -> None:
        self.space, self.data, self.recipe, self.hardware, self.seed = space, data, recipe, hardware, seed
        self._judging, self._slowest = 0.0, Slowest()
        self._cut_off: _CutOff | None = None
        self._best: Mapping[str, Any] | None = None
        self._waiting: Mapping[str, Any] | None = None
        self._notes: list[str] = []

    @property
    def least(self) -> float:
        """A step and judging, of the slowest training so far (fading): one that has less time would end late."""
        return self._slowest.seconds

    def evaluate(
        self, work: Evaluate, ledger: Ledger, pause: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """val_accuracy, val_loss, train_loss, epochs, params, madds; None when `pause` cut it off.

        `val_images` too, where there was no time to look at all of them.

        Raises TrainingError.
        """
        begun = self._begun(work, ledger)
        # Forgotten first: an evaluation that fails must not be gone on with.
        self._cut_off = self._waiting = None
        metrics = self._train(begun, pause)
        if metrics is None:
            self._cut_off = begun
            return None
        return self._judge(begun, metrics, ledger)

    def _begun(self, work: Evaluate, ledger: Ledger) -> _CutOff:
        """The training that was cut off, else a new one."""
        if self._cut_off is not None and self._cut_off.work == work:
            return self._cut_off
        if ledger.budget.unit == "evaluations":
            part = Ledger(Budget(EPOCHS_AN_EVALUATION * work.fidelity.level, "epochs"), clock=ledger.clock)
        else:
            part = ledger.part(work.fidelity.share)
        if part.budget.unit == "seconds":
            part.reserve = min(self._judging, 0.5 * part.budget.amount)
        net = seeded_network(lambda: nets.build(Architecture(self.space, work.choices), self.data.task),
                             self.seed, "short", *work.choices)  # fmt: skip
        trainer = NetworkTrainer(net, self.data, self.recipe, self.hardware, derive(self.seed, "short"),
                                 looks=Looks(times=0))  # fmt: skip
        saved = self._waiting
        if saved is not None:
            amount, started = saved["amount"], ledger.clock() - saved["seconds"]
            part = Ledger(
                Budget(amount, part.budget.unit), clock=ledger.clock, started=started, reserve=saved["reserve"]
            )
            part.restore(saved["part"])
            trainer.load(saved["trainer"])
        return _CutOff(work, part, trainer)

    def _train(self, begun: _CutOff, pause: Callable[[], bool]) -> dict[str, float] | None:
        part, trainer = begun.part, begun.trainer
        metrics: dict[str, float] = {}
        # One that was cut off has metrics only after another step, though the snapshot took its last seconds.
        while not part.exhausted or (trainer.steps and not metrics):
            if metrics and not part.fits(metrics["step_seconds"]):
                break
            advanced = trainer.advance(part, pause)
            self._notes += trainer.notes()
            if advanced is None:
                return None
            metrics = advanced
        if not metrics:
            raise TrainingError("There was no time for a single step.")
        return metrics

    def _judge(self, begun: _CutOff, metrics: dict[str, float], ledger: Ledger) -> dict[str, float]:
        part, trainer = begun.part, begun.trainer
        began = part.clock()
        found = trainer.validate(remaining(ledger))
        self._judging = part.clock() - began
        self._notes += _partial(found, self.space.notation(begun.work.choices), len(self.data.val))
        self._remember(begun, found)
        self._slowest.took(metrics["step_seconds"] + self._judging)
        ledger.charge(steps=part.counts["steps"], epochs=part.counts["epochs"])
        cost = nets.cost(Architecture(self.space, begun.work.choices), self.data.task)
        return {**found, "params": float(cost.params), "madds": float(cost.madds), "train_loss": metrics["train_loss"],
                "epochs": metrics["epoch"], "images_per_second": metrics["images_per_second"]}  # fmt: skip

    def _remember(self, begun: _CutOff, found: Mapping[str, float]) -> None:
        """Keep the weights of the best network so far: a run that is stopped gives them."""
        best = None if self._best is None else self._best["metrics"]
        # What is known of a part of the images is no reason to give up what was judged on all.
        doubtful = best is not None and "val_images" in found and "val_images" not in best
        if best is None or (better(found, best) and not doubtful):
            weights = {name: value.detach().cpu().clone() for name, value in begun.trainer.net.state_dict().items()}
            self._best = {
                "choices": list(begun.work.choices), "metrics": dict(found), "weights": weights,
                "seconds": begun.part.seconds, "epochs": begun.trainer.steps / len(begun.trainer.train),
            }  # fmt: skip

    def unfinished(self) -> list[Unfinished]:
        """What can be used now: the network that is in training, and the best of those that were judged."""
        found: list[Unfinished] = []
        if self._cut_off is not None:
            found += self._cut_off.trainer.unfinished(self._cut_off.work.choices, self._cut_off.part)
        if self._best is not None:
            choices = tuple(self._best["choices"])
            with torch_scope(self.seed, "cut out"):
                net = self.hardware.place(nets.build(Architecture(self.space, choices), self.data.task))
            net.load_state_dict(self._best["weights"])
            found.append(
                Unfinished(net, choices, self._best["seconds"], self._best["epochs"], self._best["metrics"])
            )  # fmt: skip
        return found

    def drop(self) -> None:
        """Forget a training that was cut off."""
        self._cut_off = self._waiting = None

    def notes(self) -> list[str]:
        """What people should know, each message handed out once."""
        notes, self._notes = self._notes, []
        return notes

    def state(self) -> dict[str, Any]:
        """The training that is cut off, if one is."""
        begun = self._cut_off
        known = {"slowest": self._slowest.seconds, "best": self._best}
        if begun is None:
            return {**known, "begun": self._waiting}
        part = begun.part
        kept = {"amount": part.budget.amount, "reserve": part.reserve, "seconds": part.seconds, "part": part.state()}
        return {**known, "begun": {**kept, "trainer": begun.trainer.state()}}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore `state()`. The driver asks for the same work next."""
        self._cut_off, self._waiting = None, state["begun"]
        # Snapshots of earlier versions do not know these.
        self._slowest, self._best = Slowest(state.get("slowest", 0.0)), state.get("best")


class SharedWeights(AtOnce):
    """Fidelity "shared": all held-out images with the supernet's weights, which belong to the trainer."""

    def __init__(self, trainer: SupernetTrainer) -> None:
        super().__init__()
        self.trainer = trainer
        self._notes: list[str] = []

    def judge(self, work: Evaluate, ledger: Ledger) -> dict[str, float]:
        """`val_accuracy` and `val_loss`; `val_images` where there was no time to look at all of them."""
        found = self.trainer.evaluate(work.choices, remaining(ledger))
        ledger.charge(epochs=self.trainer.evaluation_epochs)
        self._notes += _partial(found, self.trainer.method.space.notation(work.choices), len(self.trainer.data.val))
        return found

    def notes(self) -> list[str]:
        """What people should know, each message handed out once."""
        notes, self._notes = self._notes, []
        return notes


def _partial(found: Mapping[str, float], notation: str, images: int) -> list[str]:
    """What to say where a network was judged on a part of the validation images."""
    if "val_images" not in found:
        return []
    seen = f"{found['val_images']:,.0f} of {images:,}"
    return [f"There was time to judge {notation} on {seen} validation images, drawn at random."]


class SupernetSlices:
    """Advances a supernet and its method by slices of a fixed length."""

    def __init__(self, trainer: SupernetTrainer, limit: Slice) -> None:
        self.trainer, self.limit = trainer, limit

    @property
    def least(self) -> float:
        """Seconds of a step."""
        return self.trainer.step_seconds

    def advance(self, ledger: Ledger, pause: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        return self.trainer.advance(ledger, self.limit, pause)

    def notes(self) -> list[str]:
        return self.trainer.notes()

    def unfinished(self, choices: Choices, ledger: Ledger) -> list[Unfinished]:
        """As of `SupernetTrainer.unfinished`."""
        return self.trainer.unfinished(choices, ledger)

    def state(self) -> dict[str, Any]:
        return self.trainer.state()

    def load(self, state: Mapping[str, Any]) -> None:
        self.trainer.load(state)
