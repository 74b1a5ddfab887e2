"""Batches as a pure function of (seed, purpose, step): to go on after a stop takes the step alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from chronas.data.augment import Augment, augment
from chronas.data.images import Split
from chronas.data.order import Order
from chronas.errors import UsageError
from chronas.seeding import torch_stream


class Batches:
    """Normalised batches of a split, in memory or streamed.

    `batch(step)` depends on nothing but the arguments given here and `step`: the order of epoch
    e = step // len comes from stream(seed, purpose, "order", e), the augmentation from
    torch_stream(seed, purpose, "augment", step).

    mean, std: per channel in units of 0..1; device: where batches are wanted (put the split there with
    `split.to(device)` when it fits); drop_last: leave out an epoch's last, smaller batch (a split smaller
    than one batch is one batch all the same). Raises UsageError for a batch size below 1 or an empty split.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        purpose: str,
        augment: Augment | None = None,
        device: str | torch.device = "cpu",
        channels_last: bool = True,
        dtype: torch.dtype = torch.float32,
        shuffle: bool = True,
        drop_last: bool = True,
    ) -> None:
        if batch_size < 1 or not len(split):
            raise UsageError(f"Batches need a size of at least 1 and an image, but got {batch_size} of {len(split)}.")
        self.split, self.seed, self.purpose, self.plan = split, seed, purpose, augment
        self.order = Order(len(split), batch_size, seed, purpose, shuffle, drop_last)
        self.batch_size = self.order.batch_size
        self._images, self._labels = split.reader(self.order), torch.empty(0)
        self.normalise = Normalise(mean, std, device, channels_last, dtype)
        self._epoch = -1

    def __len__(self) -> int:
        """Steps in an epoch, at least 1."""
        return len(self.order)

    def labels(self, step: int) -> torch.Tensor:
        """The labels (b,) of step `step`, on `device`."""
        epoch, place = divmod(step, len(self))
        if epoch != self._epoch:
            # One move to the device per epoch instead of one per step.
            order = torch.from_numpy(self.order.epoch(epoch)).to(self.split.labels.device)
            self._labels, self._epoch = self.split.labels[order].to(self.normalise.device), epoch
        return self._labels[place * self.batch_size : (place + 1) * self.batch_size]

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (b, c, h, w), normalised, and labels (b,) of step `step` (0 and up)."""
        images = self._images(step)
        if self.plan is not None:
            images = augment(images, self.plan, torch_stream(self.seed, self.purpose, "augment", step))
        return self.normalise(images), self.labels(step)

    def sequential(
        self, batch_size: int | None = None, order: torch.Tensor | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """All images once, without augmentation: in their order or that of the places in `order` (n,), on their device.

        The last batch may be smaller.
        """
        size = batch_size or self.batch_size
        for place, images in enumerate(self.split.chunks(size, order)):
            part = slice(place * size, (place + 1) * size)
            labels = self.split.labels[part if order is None else order[part]]
            yield self.normalise(images), labels.to(self.normalise.device, non_blocking=True)


class Normalise:
    """uint8 images (b, c, h, w) to (x / 255 - mean) / std on `device`, by one product and one sum."""

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        device: str | torch.device,
        channels_last: bool,
        dtype: torch.dtype,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.format = torch.channels_last if channels_last else torch.contiguous_format
        spread = torch.tensor(std, dtype=torch.float64).view(1, -1, 1, 1)
        centre = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
        self.scale = (1 / (255 * spread)).to(self.device, torch.float32)
        self.shift = (-centre / spread).to(self.device, torch.float32)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The normalised images in the wanted type and memory format."""
        moved = images.to(self.device, non_blocking=True)
        values = moved.to(torch.float32, memory_format=self.format)
        return values.mul_(self.scale).add_(self.shift).to(self.dtype)
