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

from chronas.data.batches import Batches
from chronas.seeding import torch_scope
from chronas.training.hardware import Hardware
from chronas.training.optim import SparseSGD, clip_gradients
from chronas.training.steps import MicroBatches, Sums, forward_backward, require_finite
from chronas.work import Choices

LEAST_STEPS = 8
"""An annealing of fewer steps is not worth its time."""
NORM_STEPS, NORM_SECONDS = 10, 1.0
"""Batches, and seconds, after which the statistics of batch norms are known well enough."""


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
    """

    batches: Batches
    step: int
    rate: float
    optimiser: SparseSGD
    hardware: Hardware
    clip: float = 0.0
    smoothing: float = 0.0
    stale_norms: bool = False

    @torch.no_grad()
    def renew_norms(self, net: nn.Module) -> None:
        """Find the running statistics of the batch norms of `net` anew, on a few training batches of whole images."""
        norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d) and m.track_running_stats]
        usual = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        net.train()
        for drop in _dropouts(net):
            drop.eval()
        began = time.monotonic()
        for step in range(NORM_STEPS):
            images, _ = self.batches.batch(self.step + step)
            with self.hardware.autocast():
                net(images)
            if time.monotonic() - began > NORM_SECONDS:
                break
        for norm, momentum in zip(norms, usual, strict=True):
            norm.momentum = momentum

    def annealed(self, net: nn.Module, seconds: float, clock: Callable[[], float] | None = None) -> nn.Module | None:
        """A copy of `net`, trained on for `seconds` of `clock` with a learning rate that falls to 0.

        None where there is time for a few steps at most. Raises TrainingError where the weights do not stay finite.
        """
        made = copy.deepcopy(net)
        optimiser = self.optimiser.copied(net, made)
        parameters, sums, micro, steps = list(made.parameters()), Sums(), MicroBatches(), 0
        made.train()
        clock = clock or time.monotonic
        began = clock()
        slowest = done = 0.0
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
    """Whether metrics are better than others: by validation accuracy, equal ones by loss; unjudged is worst."""
    return _key(first) > _key(second)


def _key(metrics: Mapping[str, float]) -> tuple[float, float]:
    accuracy, loss = metrics.get("val_accuracy", math.nan), metrics.get("val_loss", math.nan)
    return -math.inf if math.isnan(accuracy) else accuracy, -math.inf if math.isnan(loss) else -loss


def _dropouts(net: nn.Module) -> Iterable[nn.Dropout]:
    return (module for module in net.modules() if isinstance(module, nn.Dropout))
