"""The supernet training loop: the only one, for every one-shot method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Ledger
from chronas.data.augment import Augment
from chronas.data.batches import Batches
from chronas.data.images import ImageData
from chronas.errors import InternalError, UsageError
from chronas.methods.oneshot import OneShotMethod
from chronas.nets.mix import Mix, one_hot
from chronas.seeding import torch_scope
from chronas.training.hardware import Hardware
from chronas.training.judge import Left, Watch, unlimited
from chronas.training.optim import SparseSGD, clip_gradients
from chronas.training.schedules import cosine
from chronas.training.steps import MicroBatches, SliceSoFar, Sums, forward_backward, out_of_memory, require_finite
from chronas.training.unfinished import Schedule, Unfinished
from chronas.work import Choices


@dataclass(frozen=True)
class SupernetSettings:
    """How shared weights are trained: SGD with momentum 0.9, cosine over progress (NASIB section 4.1).

    lr, lr_end     learning rate at the beginning and end; weight_decay: L2 on convolutions and the classifier
    clip           limit of the gradient's norm, 0 for none
    batch_size     images per step; on small data at most an eighth of the training images
    """

    batch_size: int = 64
    lr: float = 0.05
    lr_end: float = 0.0005
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip: float = 5.0

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.lr <= 0 or not 0 <= self.momentum < 1 or self.clip < 0:
            raise UsageError(f"The supernet settings are out of range: {self}.")


@dataclass(frozen=True)
class Slice:
    """How long one `Advance` is: at most so many weight steps and seconds."""

    steps: int = 10**9
    seconds: float = math.inf


class SupernetTrainer:
    """Trains a supernet slice by slice and judges architectures with its weights."""

    def __init__(
        self,
        net: nn.Module,
        method: OneShotMethod,
        data: ImageData,
        augment: Augment | None,
        settings: SupernetSettings,
        hardware: Hardware,
        seed: int,
    ) -> None:
        self.net, self.method, self.data = hardware.place(net), method, data
        self.settings, self.hardware, self.seed = settings, hardware, seed
        size = max(2, min(settings.batch_size, len(data.train) // 8))
        held_size = max(2, min(4 * settings.batch_size, len(data.val)))
        common = {"mean": data.mean, "std": data.std, "seed": seed, "device": hardware.device}
        self.train = Batches(data.train, size, purpose="weights", augment=augment, **common)  # type: ignore[arg-type]
        self.held_out = Batches(data.val, held_size, purpose="architecture", **common)  # type: ignore[arg-type]
        # Judging normalises by the batch: in their own order the images of one class may follow each other.
        self.mixed = Batches(data.val, held_size, purpose="judging", drop_last=False, **common)  # type: ignore[arg-type]
        self.turns = method.alternation(len(self.train), len(self.held_out))
        self.optimiser = SparseSGD(momentum=settings.momentum, weight_decay=settings.weight_decay)
        self.micro = MicroBatches()
        self.held_micro = MicroBatches()
        self._slice: SliceSoFar | None = None
        self.index = self.steps = self.held_out_steps = 0
        self.lr_scale, self.step_seconds = 1.0, 0.0
        self._option_parameters: dict[tuple[int, int], list[nn.Parameter]] = {}
        self._dropouts = [module for module in net.modules() if isinstance(module, nn.Dropout)]
        owned = {id(p) for slot in range(len(method.space.decisions)) for p in net.slots[slot].parameters()}  # type: ignore[index, union-attr]
        self._shared = [p for p in net.parameters() if id(p) not in owned]

    @property
    def epoch_steps(self) -> int:
        """Weight steps in one pass over the training images."""
        return len(self.train)

    def advance(
        self, ledger: Ledger, limit: Slice, pause: Callable[[], bool] = lambda: False
    ) -> dict[str, float] | None:
        """Train until the slice or the budget ends; the ledger is charged and looked at after every step.

        None when `pause`, asked after every step, cut the slice off; the next call goes on with it. Raises
        TrainingError when the loss or the weights are no longer finite.
        """
        self.net.train()
        so_far = self._slice = self._slice or SliceSoFar()
        began = time.monotonic() - so_far.seconds
        paused = False
        while not paused:
            started = time.monotonic()
            self._step(ledger, so_far)
            now = time.monotonic()
            so_far.step_took(now - started)
            if so_far.steps >= limit.steps or now - began >= limit.seconds or ledger.exhausted:
                break
            if not ledger.fits(so_far.slowest):
                break
            paused = pause()
        so_far.seconds, self.step_seconds = time.monotonic() - began, so_far.slowest
        metrics = so_far.metrics()
        require_finite(self.net, metrics, "supernet", self.steps, self._lr(ledger.progress))
        if paused:
            return None
        self._slice = None
        images = so_far.train.images + so_far.held_out.images
        return {**metrics, **self.method.scalars(), "images_per_second": images / so_far.seconds,
                "step_seconds": so_far.slowest, "lr": self._lr(ledger.progress)}  # fmt: skip

    def _step(self, ledger: Ledger, so_far: SliceSoFar) -> None:
        if self.turns.turn(self.index) == "weights":
            self._weight_step(ledger.progress, so_far.train)
            ledger.charge(steps=1, epochs=1 / self.epoch_steps)
            so_far.steps += 1
        else:
            self._architecture_step(ledger.progress, so_far.held_out)
        self.index += 1

    def notes(self) -> list[str]:
        """What people should know, each message handed out once."""
        return [*self.micro.drain(), *self.held_micro.drain()]

    def _lr(self, progress: float) -> float:
        until = self.method.train_until
        return self.lr_scale * cosine(progress / until, self.settings.lr, self.settings.lr_end)

    def _weight_step(self, progress: float, sums: Sums) -> None:
        images, labels = self.train.batch(self.steps)
        mix = self.method.weight_mix(progress)
        parameters = self._active(mix)
        with torch_scope(self.seed, "supernet", "dropout", self.steps, device=self.hardware.device):
            forward_backward(lambda x: self.net(x, mix), images, labels, criterion=F.cross_entropy,
                             parameters=parameters, hardware=self.hardware, micro=self.micro, sums=sums)  # fmt: skip
        clip_gradients(parameters, self.settings.clip)
        self.optimiser.step(parameters, self._lr(progress))
        self.steps += 1

    def _architecture_step(self, progress: float, sums: Sums) -> None:
        images, labels = self.held_out.batch(self.held_out_steps)
        while True:
            # The update wants one loss, so where memory is short it is that of a part of the batch.
            part = slice(self.held_micro.size(len(labels)))
            try:
                with torch_scope(self.seed, "supernet", "held-out", self.held_out_steps, device=self.hardware.device):
                    logits, loss = self._learn_architecture(images[part], labels[part], progress)
                break
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                self.held_micro.halve(len(labels))
        sums.add(loss, logits, labels[part])
        self.held_out_steps += 1

    def _learn_architecture(self, images: Tensor, labels: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        mix = self.method.architecture_mix(progress)
        with self.hardware.autocast():
            logits = self.net(images, mix)
            loss = F.cross_entropy(logits, labels)
        self.method.architecture_update(loss, mix, progress)
        return logits, loss

    def _active(self, mix: Mix) -> list[nn.Parameter]:
        active = list(self._shared)
        for slot, part in enumerate(mix):
            for option in part.options:
                key = (slot, option)
                if key not in self._option_parameters:
                    module = self.net.option_modules(slot, option)  # type: ignore[operator]
                    self._option_parameters[key] = list(module.parameters())
                active += self._option_parameters[key]
        return active

    def unfinished(self, choices: Choices, ledger: Ledger) -> list[Unfinished]:
        """The network of `choices` with the shared weights as they are now, cut out of the supernet."""
        if not self.steps:
            return []
        net, optimiser = self._cut_out(choices)
        schedule = Schedule(self.train, self.steps, self._lr(ledger.progress), optimiser, self.hardware,
                            self.settings.clip, stale_norms=True, step_seconds=self.step_seconds,
                            parts=self.micro.parts)  # fmt: skip
        seconds = ledger.seconds - ledger.opening
        return [Unfinished(net, choices, seconds, self.steps / self.epoch_steps, schedule=schedule)]

    @torch.no_grad()
    def _cut_out(self, choices: Choices) -> tuple[nn.Module, SparseSGD]:
        """The network of `choices` with weights and velocities of its own; batch norms have no statistics yet.

        A supernet with a one-hot mix is the built network, its parameters in the same order (`chronas.testing.nets`).
        """
        with torch_scope(self.seed, "cut out"):
            net = self.hardware.place(nets.build(Architecture(self.method.space, choices), self.data.task))
        wanted = {id(p) for p in self._active(one_hot(choices))}
        active = [(name, p) for name, p in self.net.named_parameters() if id(p) in wanted]
        if [p.shape for _, p in active] != [p.shape for p in net.parameters()]:
            raise InternalError("The network that was built is not the part of the supernet that its choices name.")
        velocity, kept = self.optimiser.state(self.net), {}
        for (name, source), (own, target) in zip(active, net.named_parameters(), strict=True):
            target.copy_(source)
            if name in velocity:
                kept[own] = velocity[name]
        optimiser = SparseSGD(momentum=self.settings.momentum, weight_decay=self.settings.weight_decay)
        optimiser.load(net, kept)
        return net, optimiser

    @torch.no_grad()
    def evaluate(self, choices: Choices, left: Left = unlimited) -> dict[str, float]:
        """`val_loss` and `val_accuracy` of one architecture with the shared weights, on all held-out images.

        Batch norm takes the statistics of the batch, which are those of this architecture. The batches are mixed, and
        the same for all architectures; dropout is off. Where `left` (seconds) does not suffice, there are fewer images,
        and `val_images` says how many.
        """
        sums, mix, total = Sums(), one_hot(choices), len(self.data.val)
        watch = Watch(left, self.mixed.batch_size, total)
        self.net.train()
        for module in self._dropouts:
            module.eval()
        for step in range(len(self.mixed)):
            images, labels = self.mixed.batch(step)
            with self.hardware.autocast():
                logits: Tensor = self.net(images, mix)
                sums.add(F.cross_entropy(logits, labels), logits, labels)
            if watch.ended(sums.images, sums.loss):
                break
        part = {"val_images": float(sums.images)} if sums.images < total else {}
        return {**sums.read("val"), **part}

    @property
    def evaluation_epochs(self) -> float:
        """What one `evaluate` is charged in epochs: a forward pass counts a third of a training pass."""
        return len(self.data.val) / len(self.data.train) / 3

    def state(self) -> dict[str, Any]:
        """Weights, velocities and the place in the data."""
        return {
            "net": dict(self.net.state_dict()),
            "optimiser": self.optimiser.state(self.net),
            "index": self.index,
            "steps": self.steps,
            "held_out_steps": self.held_out_steps,
            "parts": self.micro.parts,
            "held_parts": self.held_micro.parts,
            "lr_scale": self.lr_scale,
            "step_seconds": self.step_seconds,
            "slice": None if self._slice is None else self._slice.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore `state()`."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load(self.net, state["optimiser"])
        self.index, self.steps, self.held_out_steps = state["index"], state["steps"], state["held_out_steps"]
        self.micro.parts, self.held_micro.parts = state["parts"], state["held_parts"]
        self.lr_scale, so_far = state["lr_scale"], state["slice"]
        # Snapshots of earlier versions do not know it.
        self.step_seconds = state.get("step_seconds", 0.0)
        self._slice = None if so_far is None else SliceSoFar.restored(so_far, self.hardware.device)
