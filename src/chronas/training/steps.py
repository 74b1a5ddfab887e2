"""One forward and backward pass, shared by all training: micro-batches, running sums without device sync."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

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
    parameters: Iterable[nn.Parameter],
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
            size = -(-len(labels) // micro.parts)
            for x, y in zip(images.split(size), labels.split(size), strict=True):
                with hardware.autocast():
                    logits = forward(x)
                    loss = criterion(logits, y)
                (loss if len(y) == len(labels) else loss * (len(y) / len(labels))).backward()  # type: ignore[no-untyped-call]
                sums.add(loss, logits, y)
                part = loss.detach() * (len(y) / len(labels))
                total = part if total is None else total + part
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
