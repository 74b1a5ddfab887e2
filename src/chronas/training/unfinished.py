"""Networks whose training was cut off, made usable: the learning rate is brought to its end in a second or two."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.budget import Ledger
from chronas.data.batches import Batches
from chronas.seeding import torch_scope
from chronas.training.hardware import Hardware
from chronas.training.optim import SparseSGD, clip_gradients
from chronas.training.steps import MicroBatches, Sums, forward_backward, out_of_memory, require_finite
from chronas.work import Choices

LEAST_STEPS = 8
"""An annealing of fewer steps is not worth its time."""
NORM_STEPS, NORM_SECONDS = 10, 1.0
"""Batches, and seconds, after which the statistics of batch norms are known well enough."""
FORWARD = 1 / 3
"""The part of a training step that its forward pass takes."""


@dataclass(frozen=True)
class Unfinished:
    """A network as it is in the middle of a training, or after a short one.

    net        nobody trains these weights any further
    choices    its architecture
    seconds    it was trained for
    epochs     likewise, in passes over the training images
    metrics    val_accuracy and val_loss, where it was judged
    schedule   what goes on from here; None where the schedule came to its end
    """

    net: nn.Module
    choices: Choices
    seconds: float
    epochs: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    schedule: Schedule | None = None


@dataclass(frozen=True)
class Schedule:
    """Where a training stood: its batches, the next of them, learning rate and optimiser.

    stale_norms   whether the running statistics of batch norms are of no use: of shrunk images, or none yet
    step_seconds  what a training step takes here; 0 where that is not known
    parts         in how many parts a batch must be computed for the memory to suffice
    """

    batches: Batches
    step: int
    rate: float
    optimiser: SparseSGD
    hardware: Hardware
    clip: float = 0.0
    smoothing: float = 0.0
    stale_norms: bool = False
    step_seconds: float = 0.0
    parts: int = 1

    @property
    def image_seconds(self) -> float:
        """What it takes to look at a training image; 0 where that is not known."""
        return FORWARD * self.step_seconds / self.batches.batch_size

    @torch.no_grad()
    def renew_norms(self, net: nn.Module, seconds: float = NORM_SECONDS) -> bool:
        """Find the running statistics of the batch norms of `net` anew, on a few training batches of whole images.

        False, and nothing is changed, where `seconds` do not suffice for one batch.
        """
        if self.image_seconds * self.batches.batch_size > seconds:
            return False
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.track_running_stats]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        net.train()
        for drop in _dropouts(net):
            drop.eval()
        micro, slowest, done, began = MicroBatches(self.parts), 0.0, 0.0, time.monotonic()
        for step in range(NORM_STEPS):
            images, _ = self.batches.batch(self.step + step)
            self._look(net, images, micro)
            now = time.monotonic() - began
            slowest, done = max(slowest, now - done), now
            if done > NORM_SECONDS or done + slowest > seconds:
                break
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum
        return True

    def _look(self, net: nn.Module, images: Tensor, micro: MicroBatches) -> None:
        """A forward pass, in smaller parts where memory runs out; the device is waited for."""
        while True:
            try:
                for part in torch.split(images, micro.size(len(images))):
                    with self.hardware.autocast():
                        logits: Tensor = net(part)
                    float(logits.sum())
                return
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                micro.halve(len(images))

    def annealed(self, net: nn.Module, seconds: float, clock: Callable[[], float] | None = None) -> nn.Module | None:
        """A copy of `net`, trained on for `seconds` of `clock` with a learning rate that falls to 0.

        None where there is time for a few steps at most. Raises TrainingError where the weights do not stay finite.
        """
        if LEAST_STEPS * self.step_seconds > seconds:
            return None
        made = copy.deepcopy(net)
        optimiser = self.optimiser.copied(net, made)
        parameters, sums, micro, steps = list(made.parameters()), Sums(), MicroBatches(self.parts), 0
        made.train()
        clock = clock or time.monotonic
        began = clock()
        slowest, done = self.step_seconds, 0.0
        while done + slowest <= seconds:
            self._step(made, parameters, optimiser, micro, sums, steps, self.rate * (1 - done / seconds))
            steps += 1
            now = clock() - began
            slowest, done = max(0.8 * slowest, now - done), now
        if steps < LEAST_STEPS:
            return None
        require_finite(made, sums.read("train"), "network", self.step + steps, self.rate)
        return made

    def _step(
        self, net: nn.Module, parameters: list[nn.Parameter], optimiser: SparseSGD, micro: MicroBatches, sums: Sums,
        done: int, rate: float,
    ) -> None:  # fmt: skip
        images, labels = self.batches.batch(self.step + done)
        with torch_scope(0, "anneal", "dropout", done, device=self.hardware.device):
            forward_backward(net, images, labels, criterion=self._criterion, parameters=parameters,
                             hardware=self.hardware, micro=micro, sums=sums)  # fmt: skip
        clip_gradients(parameters, self.clip)
        optimiser.step(parameters, rate)

    def _criterion(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.smoothing)


def better(first: Mapping[str, float], second: Mapping[str, float]) -> bool:
    """Whether metrics are better than others: by validation accuracy, equal ones by loss; unjudged is worst.

    An accuracy on `val_images`, fewer than all, counts a standard error less.
    """
    return _key(first) > _key(second)


def _key(metrics: Mapping[str, float]) -> tuple[float, float]:
    accuracy, loss = metrics.get("val_accuracy", math.nan), metrics.get("val_loss", math.nan)
    if "val_images" in metrics:
        accuracy -= 50 / math.sqrt(metrics["val_images"])
    return -math.inf if math.isnan(accuracy) else accuracy, -math.inf if math.isnan(loss) else -loss


def stopped(ledger: Ledger) -> Ledger:
    """A copy of `ledger` whose clock stands still: what is asked of it later is as of now."""
    made, now = copy.copy(ledger), ledger.clock()
    made.clock = lambda: now
    return made


def _dropouts(net: nn.Module) -> Iterable[nn.Dropout]:
    return (module for module in net.modules() if isinstance(module, nn.Dropout))
