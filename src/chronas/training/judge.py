"""Judging a trained network: loss, accuracy, confusion matrix; on as many images as there is time for."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.budget import Ledger
from chronas.data.batches import Batches
from chronas.data.images import Split
from chronas.seeding import torch_stream
from chronas.training.hardware import Hardware
from chronas.training.steps import MicroBatches, out_of_memory

CHUNK, PIXELS = 500, 500 * 32 * 32
"""Images at a time at most, and pixels of them on a CPU: the clock is looked at in between."""
LEAST_CHUNK, CHUNK_STREAMED = 16, 128

Left = Callable[[], float]
"""Seconds that are left."""


def unlimited() -> float:
    """No end in sight."""
    return math.inf


def remaining(ledger: Ledger) -> Left:
    """What is left of a budget in seconds, its reserve included: to judge is what the reserve is for."""
    return unlimited if ledger.budget.unit != "seconds" else lambda: ledger.budget.amount - ledger.seconds


@dataclass(frozen=True)
class Judgement:
    """`accuracy` in percent, mean `loss`, `confusion[true][predicted]` counts, of `images` out of `total`."""

    accuracy: float
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    images: int
    total: int

    @property
    def whole(self) -> bool:
        """Whether all images were looked at."""
        return self.images == self.total

    def per_class(self, classes: Sequence[str]) -> dict[str, float]:
        """Accuracy in percent of each class that has images."""
        return {
            name: 100 * row[i] / sum(row)
            for i, (name, row) in enumerate(zip(classes, self.confusion, strict=True))
            if sum(row)
        }


@torch.no_grad()
def judge(
    net: nn.Module, split: Split, *, mean: Sequence[float], std: Sequence[float], classes: int, hardware: Hardware,
    batch_size: int = 0, left: Left = unlimited,
) -> Judgement:  # fmt: skip
    """Run `net` in eval mode over the images of `split`, in smaller batches where memory runs out.

    The images come in a random order that is always the same: where `left` says that there is no time for another
    batch, those looked at so far are a fair sample. The first batch is always looked at. Raises TrainingError where
    memory does not suffice for one image.

    Args:
        batch_size: images at a time; 0 chooses by their size
        left: seconds that are left, asked after every batch
    """
    was_training = net.training
    net.eval()
    size = batch_size or chunk_size(split, hardware)
    batches = Batches(split, size, mean=mean, std=std, seed=0, purpose="judge", device=hardware.device, shuffle=False)
    order = torch.randperm(len(split), generator=torch_stream(0, "judge", len(split))).to(split.labels.device)
    loss: Tensor | float = 0.0
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=hardware.device)
    micro, seen, slowest, began = MicroBatches(), 0, 0.0, time.monotonic()
    for images, labels in batches.sequential(size, order):
        logits = _logits(net, images, hardware, micro)
        loss = loss + F.cross_entropy(logits, labels, reduction="sum")
        counts += torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
        seen += len(labels)
        if left is not unlimited:
            float(loss)  # a GPU is waited for, so that the clock tells the truth
            now = time.monotonic()
            slowest, began = max(slowest, now - began), now
            if left() < slowest * min(1.0, (len(split) - seen) / size):
                break
    net.train(was_training)
    table = counts.view(classes, classes).tolist()
    hits = sum(table[i][i] for i in range(classes))
    return Judgement(100 * hits / seen, float(loss) / seen, tuple(tuple(row) for row in table), seen, len(split))


def chunk_size(split: Split, hardware: Hardware) -> int:
    """Images to judge at a time: fewer large ones on a CPU, so that a batch takes about a tenth of a second or two."""
    if hardware.kind != "cpu":
        return CHUNK_STREAMED if split.streamed else CHUNK
    _, height, width = split.shape
    return max(LEAST_CHUNK, min(CHUNK, PIXELS // (height * width)))


def _logits(net: nn.Module, images: Tensor, hardware: Hardware, micro: MicroBatches) -> Tensor:
    while True:
        try:
            with hardware.autocast():
                size = micro.size(len(images))
                parts = (images[start : start + size] for start in range(0, len(images), size))
                return torch.cat([net(part).float() for part in parts])
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            micro.halve(len(images))
