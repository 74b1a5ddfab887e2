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

MOST_IN_MATRIX = 200
"""With more classes there is no confusion matrix: it grows with their square."""
MISTAKES = 50
"""The most frequent mistakes that are kept in any case."""

Left = Callable[[], float]
"""Seconds that are left."""


def unlimited() -> float:
    """No end in sight."""
    return math.inf


def remaining(ledger: Ledger) -> Left:
    """What is left in seconds for an evaluation within a search: its reserve is for writing down what was found."""
    return unlimited if ledger.budget.unit != "seconds" else lambda: ledger.usable - ledger.seconds


class Watch:
    """When to end judging: where there is no time for another batch like the slowest so far.

    left   seconds that are left
    size   images in a batch, of `total` images
    """

    def __init__(self, left: Left, size: int, total: int) -> None:
        self.left, self.size, self.total = left, size, total
        self._slowest, self._began = 0.0, time.monotonic()

    def ended(self, seen: int, loss: Tensor | float) -> bool:
        """Asked after every batch, with the images looked at and their loss, which a GPU may still be computing."""
        if self.left is unlimited:
            return False
        float(loss)  # waited for, so that the clock tells the truth
        now = time.monotonic()
        self._slowest, self._began = max(self._slowest, now - self._began), now
        return self.left() < self._slowest * min(1.0, (self.total - seen) / self.size)


@dataclass(frozen=True)
class Judgement:
    """How a network does on `images` of `total` images.

    accuracy, loss  in percent, and the mean
    seen, hits      images of each class, and how many of them are told right
    mistakes        the most frequent ones: (true class, predicted class, images), most images first
    confusion       counts[true][predicted]; empty with more than `MOST_IN_MATRIX` classes
    """

    accuracy: float
    loss: float
    seen: tuple[int, ...]
    hits: tuple[int, ...]
    mistakes: tuple[tuple[int, int, int], ...]
    confusion: tuple[tuple[int, ...], ...]
    images: int
    total: int

    @property
    def whole(self) -> bool:
        """Whether all images were looked at."""
        return self.images == self.total

    def per_class(self, classes: Sequence[str]) -> dict[str, float]:
        """Accuracy in percent of each class that has images."""
        counts = zip(classes, self.seen, self.hits, strict=True)
        return {name: 100 * hits / seen for name, seen, hits in counts if seen}


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
    told: list[Tensor] = []
    micro, seen, watch = MicroBatches(), 0, Watch(left, size, len(split))
    for images, labels in batches.sequential(size, order):
        logits = _logits(net, images, hardware, micro)
        loss = loss + F.cross_entropy(logits, labels, reduction="sum")
        told.append(labels * classes + logits.argmax(1))
        seen += len(labels)
        if watch.ended(seen, loss):
            break
    net.train(was_training)
    return _judgement(torch.cat(told).cpu(), classes, float(loss) / seen, len(split))


def _judgement(told: Tensor, classes: int, loss: float, total: int) -> Judgement:
    """`told`: true class times classes plus predicted class of each image (n,)."""
    pairs, counts = torch.unique(told, return_counts=True)
    true, said = pairs // classes, pairs % classes
    seen = torch.zeros(classes, dtype=torch.int64).index_add_(0, true, counts)
    right = true == said
    hits = torch.zeros(classes, dtype=torch.int64).index_add_(0, true[right], counts[right])
    wrong = torch.stack([true[~right], said[~right], counts[~right]], 1)
    often = wrong[torch.argsort(-wrong[:, 2], stable=True)[:MISTAKES]].tolist()
    table: list[list[int]] = []
    if classes <= MOST_IN_MATRIX:
        table = torch.bincount(told, minlength=classes * classes).view(classes, classes).tolist()
    return Judgement(
        100 * int(hits.sum()) / len(told), loss, tuple(seen.tolist()), tuple(hits.tolist()),
        tuple((a, b, many) for a, b, many in often), tuple(map(tuple, table)), len(told), total,
    )  # fmt: skip


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
