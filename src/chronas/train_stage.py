"""The stages that train one network each, judge it on the test images, and write its row of the result."""

from __future__ import annotations

import dataclasses
import math
import shlex
from dataclasses import dataclass
from typing import Any

from torch import nn

import chronas
from chronas import nets
from chronas.account import Account
from chronas.architecture import Architecture
from chronas.budget import Ledger, format_seconds
from chronas.context import Context
from chronas.deploy.bundle import Bundle, save_bundle
from chronas.driver import Driver, Reason, Stage
from chronas.errors import UsageError
from chronas.execution.inline import InlineExecutor
from chronas.methods.single import TrainOne
from chronas.nets.ops import op_cost
from chronas.seeding import derive
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.task import Task
from chronas.training.judge import Judgement, judge
from chronas.training.network import NetworkTrainer, seeded_network
from chronas.training.recipes import Recipe
from chronas.windows import Windows


@dataclass(frozen=True)
class Network:
    """A network to train: its stage, the words for people, the architecture, and a recipe other than the run's."""

    name: str
    title: str
    architecture: Architecture
    recipe: Recipe | None = None


class TrainStage:
    """Trains networks of one run, one after the other."""

    def __init__(self, context: Context, account: Account, windows: Windows) -> None:
        self.context, self.account, self.windows = context, account, windows
        self.networks: list[dict[str, Any]] = account.result["networks"]

    def run(self, network: Network) -> Reason:
        """Train `network`, unless that is done; returns "interrupted" when asked to stop. Raises TrainingError."""
        if any(row["name"] == network.name for row in self.networks):
            return "finished"
        context, seed = self.context, derive(self.context.spec.seed, "train")
        net = seeded_network(lambda: nets.build(network.architecture, context.data.task), seed, "network")
        closing = self._closing_seconds(net)
        ledger = self.windows.ledger(network.name, closing, self._epochs(network.name))
        if ledger.exhausted and not self.windows.worked(network.name):
            return self._no_time(network, closing, ledger)
        self.account.begin(f"train {network.name}", ledger)
        recipe = network.recipe or context.recipe
        trainer = NetworkTrainer(net, context.data, recipe, context.hardware, seed, **_slice(ledger))
        stage = Stage(network.name, TrainOne(network.architecture), InlineExecutor(trainer, {}), ledger, context.clock,
                      outcome="epoch", recover=trainer.calm, on_slice=self._on_slice)  # fmt: skip
        reason = Driver(context.folder, stage, context.stop, list(context.listeners)).run()
        if reason == "finished":
            self._conclude(network, net, trainer, ledger)
        self.account.end(f"train {network.name}", ledger)
        return reason

    def _no_time(self, network: Network, closing: float, ledger: Ledger) -> Reason:
        """Judging alone takes the time: a baseline is left out, the found network is an error with a better budget."""
        context, left = self.context, max(0.0, ledger.budget.amount - ledger.seconds)
        words = (
            f"There is no time to train {network.name}: judging it takes about {format_seconds(closing)} here, and "
            f"{format_seconds(left)} are left for both."
        )
        if network.name != "found":
            context.record({"kind": "note", "stage": network.name, "level": "warning", "message": words})
            return "finished"
        if context.spec.verb == "fit":
            run, least = shlex.quote(str(context.folder.path)), math.ceil(4 * closing + 10)
            raise UsageError(f"{words} What the search found is kept: chronas train {run} DATA --budget {least}s")
        least = math.ceil(context.spec.budget.amount - left + 2 * closing)
        raise UsageError(f"{words} Give a budget of at least {least} s.")

    def _on_slice(self, method: object, progress: float) -> None:
        if self.account.report_due:
            self.account.report()

    def _epochs(self, name: str) -> float | None:
        """A baseline is trained like the found network: for its number of epochs."""
        if name not in self.context.spec.baselines:
            return None
        return next((float(row["epochs"]) for row in self.networks if row["name"] == "found" and row["epochs"]), None)

    def _closing_seconds(self, net: nn.Module) -> float:
        """What judging `net` on validation and test images will take, measured on a few hundred of them."""
        data, clock = self.context.data, self.context.clock
        few = dataclasses.replace(data.val, images=data.val.images[:500], labels=data.val.labels[:500])
        placed = self.context.hardware.place(net)
        readings = []
        for _ in range(2):
            began = clock()
            self._judge(placed, few)
            readings.append(clock() - began)
        images = 2 * len(data.val) + (len(data.test) if data.test else 0)
        return 1.2 * min(readings) * images / len(few) + 0.3

    def _judge(self, net: nn.Module, images: Any) -> Judgement:
        data = self.context.data
        return judge(net, images, mean=data.mean, std=data.std, classes=len(data.classes),
                     hardware=self.context.hardware)  # fmt: skip

    def _conclude(self, network: Network, net: nn.Module, trainer: NetworkTrainer, ledger: Ledger) -> None:
        """The only place that looks at test images, once per network."""
        final, context = trainer.finish(), self.context
        began, data = context.clock(), context.data
        row = self._row(network, trainer.recipe, ledger, final["val_accuracy"])
        if data.test is not None:
            seen = self._judge(net, data.test)
            row |= {"test_accuracy": seen.accuracy, "test_loss": seen.loss, "confusion": seen.confusion,
                    "per_class": seen.per_class(data.classes)}  # fmt: skip
        if network.name == "found":
            metrics = {k: row[k] for k in ("val_accuracy", "test_accuracy") if row[k] is not None}
            save_bundle(context.folder.model_folder, Bundle(net, network.architecture, data.task, data.classes,
                        data.mean, data.std, context.spec.data.size, metrics, chronas.__version__))  # fmt: skip
        ledger.charge(where="test", seconds=context.clock() - began)
        self.networks.append(row)
        self._note_shortage(network.name, ledger)
        context.record({"kind": "stage", "stage": network.name, "event": "end", "name": network.name, "what": "train",
                        "spent": ledger.spent})  # fmt: skip

    def _row(self, network: Network, recipe: Recipe, ledger: Ledger, val_accuracy: float) -> dict[str, Any]:
        task = self.context.data.task
        cost = nets.cost(network.architecture, task)
        return {
            "name": network.name, "title": network.title, "architecture": network.architecture.to_json(),
            "notation": network.architecture.notation, "params": cost.params, "madds": cost.madds,
            "layer_params": layer_params(network.architecture, task), "recipe": recipe.name,
            "seconds": ledger.seconds, "epochs": ledger.counts["epochs"], "val_accuracy": val_accuracy,
            "test_accuracy": None, "test_loss": None, "confusion": None, "per_class": None,
        }  # fmt: skip

    def _note_shortage(self, name: str, ledger: Ledger) -> None:
        """Say it where a baseline's time ended before it had the found network's epochs."""
        wanted = ledger.alongside
        if wanted is None or wanted.progress > 0.98:
            return
        message = f"{name} had only {ledger.counts['epochs']:.1f} of {wanted.budget.amount:.1f} epochs in its time."
        self.context.record({"kind": "note", "stage": name, "level": "warning", "message": message})


def layer_params(architecture: Architecture, task: Task) -> list[int] | None:
    """Parameters of each searched layer of a chain of kernels; None in other spaces. Builds nothing."""
    space = architecture.space
    if not isinstance(space, SuperkernelSpace):
        return None
    kernels = [space.kernels[choice] for choice in architecture.choices]
    channels = [stage.channels for stage in space.stages(task) for _ in range(stage.layers)]
    return [op_cost(kernel, wide, 1, 1).params for kernel, wide in zip(kernels, channels, strict=True)]


def _slice(ledger: Ledger) -> dict[str, Any]:
    if ledger.budget.unit == "seconds":
        return {"slice_seconds": min(30.0, max(0.4, ledger.budget.amount / 60))}
    return {}
