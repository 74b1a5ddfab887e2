"""Training one plain network from scratch, slice by slice: the visible loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from chronas.budget import Ledger
from chronas.data.augment import Augment, default_augment
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.seeding import torch_scope
from chronas.training.hardware import Hardware
from chronas.training.judge import Judgement, Left, judge, unlimited
from chronas.training.optim import SparseSGD, clip_gradients
from chronas.training.recipes import Recipe
from chronas.training.steps import MicroBatches, SliceSoFar, Sums, forward_backward, require_finite
from chronas.training.unfinished import Schedule, Unfinished
from chronas.work import Choices


@dataclass(frozen=True)
class Looks:
    """How often a training looks at the validation images.

    times  looks in all, spread evenly over progress, the last one at the end; 0 for none before the end
    share  a look is taken when it costs at most this part of the time so far
    """

    times: int = 6
    share: float = 0.01


class NetworkTrainer:
    """Trains `net` under a recipe whose schedule follows the ledger's progress.

    The clock is looked at after every step; the state is a place in the data, weights and velocities.
    """

    def __init__(
        self,
        net: nn.Module,
        data: ImageData,
        recipe: Recipe,
        hardware: Hardware,
        seed: int,
        *,
        looks: Looks | None = None,
        slice_steps: int = 0,
        slice_seconds: float = math.inf,
    ) -> None:
        self.net, self.data, self.recipe, self.hardware, self.seed = hardware.place(net), data, recipe, hardware, seed
        size = max(2, min(recipe.batch_size, len(data.train) // 16))
        self.train = Batches(data.train, size, mean=data.mean, std=data.std, seed=seed, purpose="train",
                             augment=plan(data, recipe), device=hardware.device)  # fmt: skip
        self.scale = size / 128
        self.looks = looks or Looks()
        self.slice_steps, self.slice_seconds = slice_steps or len(self.train), slice_seconds
        self.optimiser = SparseSGD(momentum=recipe.momentum, nesterov=recipe.nesterov, weight_decay=recipe.weight_decay)
        self.parameters = list(net.parameters())
        self.micro = MicroBatches()
        self.steps, self.looked, self.lr_scale = 0, 0, 1.0
        self.look_seconds = self.step_seconds = 0.0
        self.best: dict[str, Any] | None = None
        self._slice: SliceSoFar | None = None
        for module in net.modules():
            if isinstance(module, nn.Dropout) and recipe.dropout:
                module.p = recipe.dropout

    @property
    def least(self) -> float:
        """Seconds of a step."""
        return self.step_seconds

    def advance(self, ledger: Ledger, pause: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Train for one slice; the last one of the budget ends on time.

        None when `pause`, asked after every step, cut the slice off; the next call goes on with it. Raises
        TrainingError when the loss or the weights are no longer finite.
        """
        self.net.train()
        so_far = self._slice = self._slice or SliceSoFar()
        began = time.monotonic() - so_far.seconds
        paused = False
        while not paused:
            started = time.monotonic()
            self._step(ledger.progress, so_far.train)
            ledger.charge(steps=1, epochs=1 / len(self.train))
            so_far.steps += 1
            now = time.monotonic()
            so_far.step_took(now - started)
            if so_far.steps >= self.slice_steps or now - began >= self.slice_seconds or ledger.exhausted:
                break
            if not ledger.fits(so_far.slowest):
                break
            paused = pause()
        so_far.seconds, self.step_seconds = time.monotonic() - began, so_far.slowest
        metrics = so_far.metrics()
        require_finite(self.net, metrics, "network", self.steps, self._rate(ledger.progress))
        if paused:
            return None
        self._slice = None
        return self._report(metrics, so_far, ledger)

    def _report(self, metrics: dict[str, float], so_far: SliceSoFar, ledger: Ledger) -> dict[str, float]:
        metrics["images_per_second"] = so_far.train.images / so_far.seconds
        metrics |= self._look(ledger)
        metrics["lr"] = self._rate(ledger.progress)
        metrics["epoch"] = self.steps / len(self.train)
        metrics["step_seconds"] = so_far.slowest
        return metrics

    def notes(self) -> list[str]:
        """What people should know, each message handed out once."""
        return self.micro.drain()

    def _rate(self, progress: float) -> float:
        return self.recipe.rate(progress) * self.scale * self.lr_scale

    def _step(self, progress: float, sums: Sums) -> None:
        images, labels = self.train.batch(self.steps)
        images = self._shrunk(images, progress)
        with torch_scope(self.seed, "network", "dropout", self.steps, device=self.hardware.device):
            forward_backward(self.net, images, labels, criterion=self._criterion, parameters=self.parameters,
                             hardware=self.hardware, micro=self.micro, sums=sums)  # fmt: skip
        clip_gradients(self.parameters, self.recipe.clip)
        self.optimiser.step(self.parameters, self._rate(progress))
        self.steps += 1

    def _shrunk(self, images: Tensor, progress: float) -> Tensor:
        """Images (b, c, h, w) at the side that the recipe wants at `progress`, their shape kept."""
        height, width = images.shape[2:]
        shorter = min(height, width)
        side = self.recipe.side(progress, shorter)
        if side == shorter:
            return images
        size = (round(height * side / shorter), round(width * side / shorter))
        return F.interpolate(images, size=size, mode="bilinear", antialias=True)

    def _criterion(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def _look(self, ledger: Ledger) -> dict[str, float]:
        """Validation at the times that `looks` names, while it costs little; keeps the best weights seen."""
        due = math.floor(ledger.progress * self.looks.times)
        if due <= self.looked or ledger.progress >= 1:
            return {}
        self.looked = due
        if ledger.budget.unit == "seconds" and self.look_seconds > self.looks.share * ledger.seconds:
            return {}
        began = time.monotonic()
        found = self.validate()
        self.look_seconds = time.monotonic() - began
        ledger.charge(where="validation", seconds=self.look_seconds)
        if self.best is None or found["val_accuracy"] > self.best["val_accuracy"]:
            weights = {name: value.detach().clone() for name, value in self.net.state_dict().items()}
            self.best = {**found, "weights": weights, "steps": self.steps, "seconds": ledger.seconds - ledger.opening}
        return found

    def validate(self, left: Left = unlimited) -> dict[str, float]:
        """`val_accuracy` (percent) and `val_loss`; `val_images` too, where there was no time to look at all of them."""
        seen = self.judge(self.net, left)
        return metrics_of(seen) | ({} if seen.whole else {"val_images": float(seen.images)})

    def judge(self, net: nn.Module, left: Left = unlimited) -> Judgement:
        """`net` on the validation images, as many as there is time for."""
        return judge(net, self.data.val, mean=self.data.mean, std=self.data.std, classes=len(self.data.classes),
                     hardware=self.hardware, left=left)  # fmt: skip

    def finish(self, left: Left = unlimited) -> dict[str, float]:
        """Judge the last weights; where an earlier look was better, go back to those. Returns their metrics.

        `val_images` are those that were looked at, fewer than all where `left` (seconds) did not suffice.
        """
        seen = self.judge(self.net, left)
        last = {**metrics_of(seen), "val_images": float(seen.images)}
        if self.best is None or last["val_accuracy"] >= self.best["val_accuracy"]:
            return last
        self.net.load_state_dict(self.best["weights"])
        # The same weights on the same images; snapshots of earlier versions do not know their loss.
        return {"val_accuracy": self.best["val_accuracy"], "val_loss": self.best.get("val_loss", math.nan),
                "val_images": float(len(self.data.val))}  # fmt: skip

    def unfinished(self, choices: Choices, ledger: Ledger) -> list[Unfinished]:
        """What can be used of this training now: the weights as they are, and the best that were looked at."""
        if not self.steps:
            return []
        rate = self._rate(ledger.progress)
        shrunk = self.recipe.side(ledger.progress, min(self.data.task.height, self.data.task.width))
        schedule = Schedule(
            self.train, self.steps, rate, self.optimiser, self.hardware, self.recipe.clip,
            self.recipe.label_smoothing, stale_norms=shrunk < min(self.data.task.height, self.data.task.width),
            step_seconds=self.step_seconds, parts=self.micro.parts,
        )  # fmt: skip
        seconds = ledger.seconds - ledger.opening
        found = [Unfinished(self.net, choices, seconds, self.steps / len(self.train), schedule=schedule)]
        if self.best is not None:
            seen = copy.deepcopy(self.net)
            seen.load_state_dict(self.best["weights"])
            # Snapshots of earlier versions know neither steps nor seconds of it.
            steps, seconds = self.best.get("steps", self.steps), self.best.get("seconds", seconds)
            known: dict[str, float] = {name: value for name, value in self.best.items() if name.startswith("val_")}
            found.append(Unfinished(seen, choices, seconds, steps / len(self.train), known))
        return found

    def calm(self) -> str:
        """React to a training that diverged: halve the learning rate from here on."""
        self.lr_scale /= 2
        return "the learning rate is halved from here on."

    def state(self) -> dict[str, Any]:
        return {"net": dict(self.net.state_dict()), "optimiser": self.optimiser.state(self.net), "steps": self.steps,
                "looked": self.looked, "look_seconds": self.look_seconds, "best": self.best,
                "parts": self.micro.parts, "lr_scale": self.lr_scale, "step_seconds": self.step_seconds,
                "slice": None if self._slice is None else self._slice.state()}  # fmt: skip

    def load(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimiser.load(self.net, state["optimiser"])
        self.steps, self.looked, self.look_seconds = state["steps"], state["looked"], state["look_seconds"]
        self.best, self.micro.parts, self.lr_scale = state["best"], state["parts"], state["lr_scale"]
        # Snapshots of earlier versions do not know it.
        self.step_seconds = state.get("step_seconds", 0.0)
        so_far = state["slice"]
        self._slice = None if so_far is None else SliceSoFar.restored(so_far, self.hardware.device)


def plan(data: ImageData, recipe: Recipe) -> Augment:
    """The augmentation that fits the data, with the recipe's cutout (a share of the shorter side)."""
    usual = default_augment(data)
    side = round(recipe.cutout * min(data.task.height, data.task.width))
    return Augment(flip=usual.flip, crop=usual.crop, cutout=side)


def metrics_of(seen: Judgement) -> dict[str, float]:
    """`val_accuracy` (percent) and `val_loss`."""
    return {"val_accuracy": seen.accuracy, "val_loss": seen.loss}


def seeded_network(make: Any, seed: int, *path: str | int) -> nn.Module:
    """`make()` with its initial weights drawn from a named stream instead of torch's global one."""
    with torch_scope(seed, "init", *path):
        net: nn.Module = make()
    return net
