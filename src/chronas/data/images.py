"""What a loaded data set is: splits of uint8 images with labels, class names, and statistics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch

from chronas.data.levels import PixelRange
from chronas.data.options import DataOptions
from chronas.data.order import Order
from chronas.task import Task

CHUNK = 4096


@dataclass(frozen=True)
class Split:
    """Images (n, c, h, w) as uint8 and labels (n,) as int64, both on one device."""

    streamed: ClassVar[bool] = False
    """Whether the images are read from disk again and again."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        """The number of images."""
        return int(self.labels.shape[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one image."""
        channels, height, width = self.images.shape[1:]
        return int(channels), int(height), int(width)

    def reader(self, order: Order) -> Callable[[int], torch.Tensor]:
        """A function from a step to its images (b, c, h, w) uint8, on the split's device."""
        held: dict[int, torch.Tensor] = {}

        def images(step: int) -> torch.Tensor:
            epoch, place = divmod(step, len(order))
            if epoch not in held:
                held.clear()
                held[epoch] = torch.from_numpy(order.epoch(epoch)).to(self.images.device)
            return self.images[held[epoch][place * order.batch_size : (place + 1) * order.batch_size]]

        return images

    def chunks(self, size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """All images, `size` at a time: in their order, or in that of the places in `order` (n,)."""
        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.images[part if order is None else order[part]]

    def to(self, device: str | torch.device) -> Self:
        """The same split on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class ImageData:
    """A data set ready for use.

    train, val, test: the splits (test is None when there is none); classes: a name per label;
    mean, std: per channel of the training images, in units of 0..1; source: what was read;
    fingerprint: a hash of all pixels and labels, so that a resume notices other data;
    notes: what the reader of a result should know (held-out splits, images left out); warnings: what may be wrong;
    mirror: whether training shows mirror images too; range: the values of black and white where they are not those
    of 8 bits; reading: how the images were read, with all that was decided on the way filled in.
    """

    train: Split
    val: Split
    test: Split | None
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    source: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    mirror: bool = False
    range: PixelRange | None = None
    reading: DataOptions = field(default_factory=DataOptions)

    @property
    def task(self) -> Task:
        """What a network must fit."""
        channels, height, width = self.train.shape
        return Task(channels, height, width, len(self.classes))

    @property
    def streamed(self) -> bool:
        """Whether the images are read from disk while training."""
        return self.train.streamed

    @property
    def bytes(self) -> int:
        """Memory that the images of all splits take."""
        return sum(split.images.numel() for split in (self.train, self.val, self.test) if split is not None)

    def to(self, device: str | torch.device) -> ImageData:
        """The same data with every split on `device`."""
        test = None if self.test is None else self.test.to(device)
        return replace(self, train=self.train.to(device), val=self.val.to(device), test=test)

    def summary(self) -> dict[str, Any]:
        """The entry "data" of result.json."""
        return {
            "source": self.source,
            "train": len(self.train),
            "val": len(self.val),
            "test": None if self.test is None else len(self.test),
            "classes": list(self.classes),
            "shape": list(self.train.shape),
        }


def channel_statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of uint8 images (n, c, h, w), in units of 0..1.

    Computed from exact histograms, so the result does not depend on threads or layout. A channel without any
    variation gets the deviation 1, so that normalising divides by no zero.
    """
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        for channel in range(images.shape[1]):
            counts[channel] += torch.bincount(chunk[:, channel].reshape(-1), minlength=256).cpu()
    share = counts.double() / counts.sum(1, keepdim=True)
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean = share @ levels
    std = ((share * (levels - mean[:, None]) ** 2).sum(1)).sqrt()
    std = torch.where(std > 0, std, torch.ones_like(std))
    return tuple(mean.tolist()), tuple(std.tolist())


def fingerprint(*splits: Split | None) -> str:
    """A hash (32 hex digits) of the shapes, pixels and labels of all splits, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for split in splits:
        digest.update(b"none" if split is None else repr(tuple(split.images.shape)).encode())
        if split is None:
            continue
        for start in range(0, len(split), CHUNK):
            chunk = split.images[start : start + CHUNK]
            digest.update(chunk.permute(0, 2, 3, 1).contiguous().cpu().numpy().data)
        digest.update(split.labels.cpu().contiguous().numpy().data)
    return digest.hexdigest()
