"""One forward and backward pass, shared by all training: micro-batches, running sums without device sync."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from chronas.errors import TrainingError
from chronas.training.hardware import Hardware


@dataclass
class Sums:
    """Loss, hits and images summed on the device; read at the end of a slice."""

    loss: Tensor | float = 0.0
    hits: Tensor | float = 0.0
    images: int = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch; `loss` is its mean."""
        self.loss = self.loss + loss.detach() * len(labels)
        self.hits = self.hits + (logits.detach().argmax(1) == labels).sum()
        self.images += len(labels)

    def read(self, prefix: str) -> dict[str, float]:
        """`{prefix}_loss` and `{prefix}_accuracy` (percent); empty before the first batch. Syncs the device."""
        if not self.images:
            return {}
        return {
            f"{prefix}_loss": float(self.loss) / self.images,
            f"{prefix}_accuracy": 100 * float(self.hits) / self.images,
        }

    def state(self) -> dict[str, Any]:
        """For a snapshot in the middle of a slice."""
        return {"loss": self.loss, "hits": self.hits, "images": self.images}

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: str) -> Sums:
        """The sums whose `state()` was `state`."""
        loss, hits = (v.to(device) if isinstance(v, Tensor) else v for v in (state["loss"], state["hits"]))
        return cls(loss, hits, state["images"])


@dataclass
class SliceSoFar:
    """What one slice has seen: the way of a slice that a pause cuts in two to come out like an unbroken one.

    train, held_out  sums of the weight steps and of the architecture steps
    steps            weight steps; seconds: spent in earlier parts of the slice; slowest: seconds of a step
    """

    train: Sums = field(default_factory=Sums)
    held_out: Sums = field(default_factory=Sums)
    steps: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def metrics(self) -> dict[str, float]:
        """train_loss, train_accuracy, val_loss, val_accuracy, as far as there were such steps."""
        return {**self.train.read("train"), **self.held_out.read("val")}

    def step_took(self, seconds: float) -> None:
        """Remember what a step costs: the slowest, fading so that one hiccup is forgotten."""
        self.slowest = max(seconds, 0.9 * self.slowest)

    def state(self) -> dict[str, Any]:
        return {"train": self.train.state(), "held_out": self.held_out.state(), "steps": self.steps,
                "seconds": self.seconds, "slowest": self.slowest}  # fmt: skip

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: str) -> SliceSoFar:
        """The slice whose `state()` was `state`."""
        train, held_out = (Sums.restored(state[name], device) for name in ("train", "held_out"))
        return cls(train, held_out, state["steps"], state["seconds"], state["slowest"])


def require_finite(net: nn.Module, metrics: Mapping[str, float], what: str, steps: int, lr: float) -> None:
    """Raise TrainingError, naming the number, the step and the learning rate, unless all is finite.

    The weights count too: a snapshot of broken ones would be nothing to go back to. Syncs the device.
    """
    bad = next((f"{name.replace('_', ' ')} of the {what} is {value}" for name, value in metrics.items()
                if not math.isfinite(value)), None)  # fmt: skip
    if bad is None:
        norms = torch._foreach_norm([p.detach() for p in net.parameters()])
        if not bool(torch.isfinite(torch.stack(norms)).all()):
            loss = metrics.get("train_loss")
            seen = "" if loss is None else f" (the training loss was {loss:.4g})"
            bad = f"weights of the {what} are no longer finite{seen}"
    if bad:
        raise TrainingError(f"The {bad} after {steps} weight steps at a learning rate of {lr:.4g}.")


@dataclass
class MicroBatches:
    """In how many parts a batch is computed. Doubled when memory runs out; `notes` says so.

    Gradients are accumulated, so the update is that of the whole batch (but for batch-norm statistics, which
    are those of each part).
    """

    parts: int = 1
    notes: list[str] = field(default_factory=list)

    def halve(self, batch: int) -> None:
        """React to an out-of-memory error; raises TrainingError when a part is one image already."""
        if self.parts >= batch:
            raise TrainingError(
                "Not enough memory for a single image. Use smaller images (--size), a narrower space "
                "(--set space.width=...), or a device with more memory."
            )
        self.parts = min(batch, 2 * self.parts)
        self.notes.append(f"Out of memory: batches of {batch} are now computed in {self.parts} parts.")

    def size(self, batch: int) -> int:
        """Images in one part of a batch."""
        return -(-batch // self.parts)

    def drain(self) -> list[str]:
        """The notes since the last call."""
        notes, self.notes = self.notes, []
        return notes


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that the device or the machine has no memory left."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)


def forward_backward(
    forward: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    *,
    criterion: Callable[[Tensor, Tensor], Tensor],
    parameters: Sequence[nn.Parameter],
    hardware: Hardware,
    micro: MicroBatches,
    sums: Sums,
) -> Tensor:
    """Leave the gradient of the mean loss of the batch in `parameters`; returns that loss, on the device.

    images (b, c, h, w) float, labels (b,). On out-of-memory the batch is halved and tried again.
    """
    while True:
        try:
            total: Tensor | None = None
            seen: list[tuple[Tensor, Tensor, Tensor]] = []
            size = micro.size(len(labels))
            for x, y in zip(torch.split(images, size), torch.split(labels, size), strict=True):
                with hardware.autocast():
                    logits = forward(x)
                    loss = criterion(logits, y)
                (loss if len(y) == len(labels) else loss * (len(y) / len(labels))).backward()  # type: ignore[no-untyped-call]
                seen.append((loss.detach(), logits.detach(), y))
                part = loss.detach() * (len(y) / len(labels))
                total = part if total is None else total + part
            # Only now: parts that an out-of-memory error made useless must not count twice.
            for entry in seen:
                sums.add(*entry)
            assert total is not None
            return total
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            for parameter in parameters:
                parameter.grad = None
            if hardware.kind == "cuda":
                torch.cuda.empty_cache()
            micro.halve(len(labels))
