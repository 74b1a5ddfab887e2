"""Judging a trained network: loss, accuracy, confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chronas.data.batches import Batches
from chronas.data.images import Split
from chronas.training.hardware import Hardware
from chronas.training.steps import MicroBatches, out_of_memory


@dataclass(frozen=True)
class Judgement:
    """`accuracy` in percent, mean `loss`, `confusion[true][predicted]` counts."""

    accuracy: float
    loss: float
    confusion: tuple[tuple[int, ...], ...]

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
    batch_size: int = 500,
) -> Judgement:  # fmt: skip
    """Run `net` in eval mode over all images of `split`, in smaller batches where memory runs out.

    Raises TrainingError where it does not suffice for one image.
    """
    was_training = net.training
    net.eval()
    batches = Batches(
        split, batch_size, mean=mean, std=std, seed=0, purpose="judge", device=hardware.device, shuffle=False
    )
    loss: Tensor | float = 0.0
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=hardware.device)
    micro = MicroBatches()
    for images, labels in batches.sequential(batch_size):
        logits = _logits(net, images, hardware, micro)
        loss = loss + F.cross_entropy(logits, labels, reduction="sum")
        counts += torch.bincount(labels * classes + logits.argmax(1), minlength=classes * classes)
    net.train(was_training)
    table = counts.view(classes, classes).tolist()
    hits = sum(table[i][i] for i in range(classes))
    return Judgement(100 * hits / len(split), float(loss) / len(split), tuple(tuple(row) for row in table))


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
