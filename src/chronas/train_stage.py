"""The stages that train one network each, judge it on the test images, and write its row of the result."""

from __future__ import annotations

import dataclasses
import math
import shlex
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from chronas import nets
from chronas.account import Account
from chronas.architecture import Architecture
from chronas.budget import Ledger, format_seconds
from chronas.context import Context
from chronas.data.images import Split
from chronas.deploy.bundle import save_bundle
from chronas.driver import Driver, Reason, Stage
from chronas.errors import UsageError
from chronas.execution.inline import InlineExecutor
from chronas.methods.single import TrainOne
from chronas.nets.ops import op_cost
from chronas.seeding import derive
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.task import Task
from chronas.training.judge import Judgement, Left, judge, unlimited
from chronas.training.network import NetworkTrainer, seeded_network
from chronas.training.recipes import Recipe
from chronas.unfinished import Keeper
from chronas.windows import Windows

JUDGING_MARGIN, MOST_MARGIN = 1.5, 1.3
"""How much longer than measured judging may take before it looks at a part of the images only; more beside others."""
ROOM = 0.3
"""Seconds for a last step that takes longer than the steps before it, and a first batch to judge that does."""
MOST_GROWTH = 3.0
"""How much more than at first is kept back for closing at most: judging ends with the clock in any case."""


@dataclass(frozen=True)
class Network:
    """A network to train: its stage, the words for people, the architecture, and a recipe other than the run's."""

    name: str
    title: str
    architecture: Architecture
    recipe: Recipe | None = None


class Reserve:
    """What a training's ledger keeps back for its closing, which is known better with every look at the images.

    The middle one of all measurements counts, at most `MOST_GROWTH` times the first: one look that was slow or fast
    says little. Where the reserve shrinks, progress waits for the clock: it never falls, so no learning rate rises.

    closing   what closing takes where a look took so many seconds
    """

    def __init__(self, ledger: Ledger, closing: Callable[[float], float]) -> None:
        self.ledger, self.closing = ledger, closing
        self._first, self._looks, self._progress = ledger.reserve, [0.0], 0.0

    def looked(self, seconds: float) -> None:
        """The newest look took `seconds`; told again after every slice."""
        ledger, looks = self.ledger, self._looks
        if seconds != looks[-1]:
            looks.append(seconds)
        if len(looks) > 2:
            middle = statistics.median([self._first, *map(self.closing, looks[1:])])
            wanted = min(middle, MOST_GROWTH * self._first)
            if wanted < ledger.reserve:
                waiting = ledger.opening + (ledger.seconds - ledger.opening) / self._progress
                wanted = min(ledger.reserve, max(wanted, ledger.budget.amount - waiting))
            ledger.reserve = wanted
        self._progress = max(1e-9, ledger.progress)


class TrainStage:
    """Trains networks of one run, one after the other."""

    def __init__(self, context: Context, account: Account, windows: Windows, keeper: Keeper) -> None:
        self.context, self.account, self.windows, self.keeper = context, account, windows, keeper
        self.networks: list[dict[str, Any]] = account.result["networks"]

    def run(self, network: Network) -> Reason:
        """Train `network`, unless that is done; returns "interrupted" when asked to stop. Raises TrainingError."""
        if any(row["name"] == network.name for row in self.networks):
            return "finished"
        self._name_best(network)
        context, seed = self.context, derive(self.context.spec.seed, "train")
        net = seeded_network(lambda: nets.build(network.architecture, context.data.task), seed, "network")
        closing = self._closing_seconds(net)
        ledger = self.windows.ledger(network.name, closing, self._epochs(network.name))
        if ledger.exhausted and not self.windows.worked(network.name):
            return self._no_time(network, closing, ledger)
        self.account.begin(f"train {network.name}", ledger)
        recipe = network.recipe or context.recipe
        trainer = NetworkTrainer(net, context.data, recipe, context.hardware, seed, **_slice(ledger))
        executor, images = InlineExecutor(trainer, {}), len(context.data.val)
        reserve = Reserve(ledger, lambda seconds: self._closing(seconds / images))
        stage = Stage(network.name, TrainOne(network.architecture), executor, ledger, context.clock,
                      outcome="epoch", recover=trainer.calm,
                      on_slice=lambda method, progress: self._on_slice(trainer, reserve))  # fmt: skip
        if network.name == "found":
            choices, space = network.architecture.choices, network.architecture.space
            self.keeper.begin("found", space, lambda: executor.unfinished(choices, ledger))
        reason = Driver(context.folder, stage, context.stop, list(context.listeners)).run()
        if reason == "finished":
            self._conclude(network, net, trainer, ledger)
        else:
            self.keeper.keep()
        self.account.end(f"train {network.name}", ledger)
        return reason

    def _name_best(self, network: Network) -> None:
        """best.json from the start, also where the architecture was given."""
        folder, architecture = self.context.folder, network.architecture
        if network.name == "found" and folder.read_best() is None:
            began = self.context.clock()
            folder.write_best({"format": 1, "architecture": architecture.to_json(), "notation": architecture.notation,
                               "choices": list(architecture.choices), "metrics": {}})  # fmt: skip
            self.account.writing_took(self.context.clock() - began)

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

    def _on_slice(self, trainer: NetworkTrainer, reserve: Reserve) -> None:
        if trainer.look_seconds:
            # What judging takes here is known better by now than when the stage began.
            reserve.looked(trainer.look_seconds)
        if self.account.report_due:
            self.account.report()

    def _epochs(self, name: str) -> float | None:
        """A baseline is trained like the found network: for its number of epochs."""
        if name not in self.context.spec.baselines:
            return None
        return next((float(row["epochs"]) for row in self.networks if row["name"] == "found" and row["epochs"]), None)

    def _closing_seconds(self, net: nn.Module) -> float:
        """What judging `net` on validation and test images, and writing it down, will take: measured on a few."""
        data, clock = self.context.data, self.context.clock
        few = dataclasses.replace(data.val, images=data.val.images[:500], labels=data.val.labels[:500])
        placed = self.context.hardware.place(net)
        readings = []
        for _ in range(3):
            began = clock()
            self._judge(placed, few)
            readings.append(clock() - began)
        return self._closing(statistics.median(readings) / len(few))

    def _closing(self, seconds: float) -> float:
        """What closing a training takes, where judging takes `seconds` an image."""
        images = len(self.context.data.val) + len(self.context.data.test or ())
        margin = JUDGING_MARGIN * min(MOST_MARGIN, self.account.slowness)
        return margin * seconds * images + ROOM * self.account.slowness + self.account.filing_seconds

    def _judge(self, net: nn.Module, images: Split, left: Left = unlimited) -> Judgement:
        data = self.context.data
        return judge(net, images, mean=data.mean, std=data.std, classes=len(data.classes),
                     hardware=self.context.hardware, left=left)  # fmt: skip

    def _conclude(self, network: Network, net: nn.Module, trainer: NetworkTrainer, ledger: Ledger) -> None:
        """The only place that looks at test images, once per network.

        All images where the time suffices, which it was reserved for. On a machine that has become slow both splits
        are looked at in part: a model, its result and the report are there in time.
        """
        context, data = self.context, self.context.data
        left, tests = self._left(ledger), len(data.test or ())
        later = 0.0 if left is unlimited else left() * tests / (tests + len(data.val))
        final = trainer.finish(unlimited if left is unlimited else lambda: left() - later)
        began = context.clock()
        row = self._row(network, trainer.recipe, ledger, final)
        if data.test is not None:
            seen = self._judge(net, data.test, left)
            row |= {"test_accuracy": seen.accuracy, "test_loss": seen.loss, "test_images": seen.images,
                    "confusion": seen.confusion or None, "mistakes": _shares(seen),
                    "per_class": seen.per_class(data.classes)}  # fmt: skip
        if network.name == "found":
            self._save(network, net, row)
        self._note_parts(network.name, row)
        ledger.charge(where="test", seconds=context.clock() - began)
        self.networks.append(row)
        self._note_shortage(network.name, ledger)
        context.record({"kind": "stage", "stage": network.name, "event": "end", "name": network.name, "what": "train",
                        "spent": ledger.spent})  # fmt: skip

    def _left(self, ledger: Ledger) -> Left:
        """What is left for judging, in seconds, when the time for writing things down is kept back."""
        if ledger.budget.unit != "seconds":
            return unlimited
        return lambda: ledger.budget.amount - ledger.seconds - self.account.filing_seconds

    def _save(self, network: Network, net: nn.Module, row: Mapping[str, Any]) -> None:
        metrics = {k: row[k] for k in ("val_accuracy", "test_accuracy") if row[k] is not None}
        with self.context.stop.held():
            save_bundle(self.context.folder.model_folder, self.context.bundle(net, network.architecture, metrics))
        self.account.result["unfinished"] = None
        self.keeper.end()

    def _note_parts(self, name: str, row: Mapping[str, Any]) -> None:
        """Say where there was no time to look at all images."""
        data = self.context.data
        for key, kind, split in (("val", "validation", data.val), ("test", "test", data.test)):
            seen = row[f"{key}_images"]
            if split is not None and seen < len(split):
                message = (
                    f"There was time to look at {seen:,} of {len(split):,} {kind} images, drawn at random: "
                    f"the {kind} accuracy of {name} is of these."
                )
                self.context.record({"kind": "note", "stage": name, "level": "warning", "message": message})

    def _row(self, network: Network, recipe: Recipe, ledger: Ledger, final: Mapping[str, float]) -> dict[str, Any]:
        task = self.context.data.task
        cost = nets.cost(network.architecture, task)
        return {
            "name": network.name, "title": network.title, "architecture": network.architecture.to_json(),
            "notation": network.architecture.notation, "params": cost.params, "madds": cost.madds,
            "layer_params": layer_params(network.architecture, task), "recipe": recipe.name,
            "seconds": ledger.seconds, "epochs": ledger.counts["epochs"], "val_accuracy": final["val_accuracy"],
            "val_images": round(final["val_images"]), "test_accuracy": None, "test_loss": None, "test_images": None,
            "confusion": None, "mistakes": None, "per_class": None,
        }  # fmt: skip

    def _note_shortage(self, name: str, ledger: Ledger) -> None:
        """Say it where a baseline's time ended before it had the found network's epochs."""
        wanted = ledger.alongside
        if wanted is None or wanted.progress > 0.98:
            return
        message = f"{name} had only {ledger.counts['epochs']:.1f} of {wanted.budget.amount:.1f} epochs in its time."
        self.context.record({"kind": "note", "stage": name, "level": "warning", "message": message})


def _shares(seen: Judgement) -> list[list[int]]:
    """The most frequent mistakes as [true class, predicted class, images, images of the true class]."""
    return [[true, said, many, seen.seen[true]] for true, said, many in seen.mistakes]


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
