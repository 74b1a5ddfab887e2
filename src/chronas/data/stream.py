"""Image folders too large for memory: read by worker processes ahead of the training."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from chronas.data.decode import DAMAGED, fit_channels, open_pixels
from chronas.data.images import Split
from chronas.data.order import Order
from chronas.data.raw import Encoded, RawPart
from chronas.errors import DataError
from chronas.seeding import torch_stream

AHEAD = 4


@dataclass(frozen=True)
class StreamedSplit(Split):
    """A split whose images stay on disk; `images` is empty (0, c, h, w) and tells only the shape.

    files: the encoded images, one per label; size: side to bring each to, or None; workers: processes.
    """

    streamed = True

    files: tuple[Encoded, ...] = ()
    size: int | None = None
    workers: int = 2

    def reader(self, order: Order) -> Callable[[int], torch.Tensor]:
        """As of `Split.reader`; steps in their order are read ahead, a jump restarts the workers."""
        return _Ahead(self, order)

    def chunks(self, size: int) -> Iterator[torch.Tensor]:
        """As of `Split.chunks`, read ahead by workers."""
        blocks = [list(range(start, min(start + size, len(self)))) for start in range(0, len(self), size)]
        yield from map(_checked, self._loader(blocks))

    def sample(self, count: int) -> torch.Tensor:
        """Some images (at most `count`, evenly spaced) as (n, c, h, w) uint8."""
        places = np.linspace(0, len(self) - 1, min(count, len(self))).astype(int)
        return torch.stack([self.read(int(place)) for place in places])

    def read(self, index: int) -> torch.Tensor:
        """Image `index` as (c, h, w) uint8. Raises DataError when it cannot be read or has another size."""
        item = self.files[index]
        try:
            pixels, _ = open_pixels(item, self.size)
        except DAMAGED as error:
            raise DataError(f"{item.name} cannot be read: {error}. Remove it and start a new run; --skip-bad reads "
                            "every image beforehand and goes on without such.") from None  # fmt: skip
        channels, height, width = self.shape
        if pixels.shape[:2] != (height, width):
            raise DataError(f"{item.name} is {pixels.shape[1]}x{pixels.shape[0]}, not {width}x{height}; pass --size.")
        return torch.from_numpy(fit_channels(pixels, channels)).permute(2, 0, 1)

    def _loader(self, batches: Any) -> DataLoader[torch.Tensor | str]:
        # A generator of its own, since a DataLoader draws its workers' seeds from the global one otherwise.
        return DataLoader(
            _Files(self),
            batch_sampler=batches,
            num_workers=self.workers,
            prefetch_factor=AHEAD if self.workers else None,
            collate_fn=_stack,
            generator=torch_stream(0, "workers"),
        )


def streamed(part: RawPart, shape: tuple[int, int, int], size: int | None) -> StreamedSplit:
    """A streamed split of the files in `part`, whose images come out as `shape` = (c, h, w)."""
    workers = max(1, min(8, (os.cpu_count() or 2) - 1))
    files = part.pixels if isinstance(part.pixels, tuple) else ()
    empty = torch.empty((0, *shape), dtype=torch.uint8)
    return StreamedSplit(empty, torch.from_numpy(part.labels), files, size, workers)


def files_fingerprint(splits: Iterable[StreamedSplit]) -> str:
    """A hash (32 hex digits) of shapes, labels, names and file sizes, without reading any image."""
    digest = hashlib.blake2b(digest_size=16)
    for split in splits:
        digest.update(repr((split.shape, split.size)).encode())
        digest.update(split.labels.numpy().data)
        for item in split.files:
            size = item.content.stat().st_size if isinstance(item.content, Path) else len(item.content)
            digest.update(f"{item.name}\0{size}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stack(images: Sequence[torch.Tensor | str]) -> torch.Tensor | str:
    faults = [image for image in images if isinstance(image, str)]
    return faults[0] if faults else torch.stack([image for image in images if not isinstance(image, str)])


def _checked(batch: torch.Tensor | str) -> torch.Tensor:
    if isinstance(batch, str):
        raise DataError(batch)
    return batch


class _Files(Dataset[torch.Tensor | str]):
    """The images of a streamed split, as workers read them; a message in place of an unreadable one."""

    def __init__(self, split: StreamedSplit) -> None:
        self.split = replace(split, labels=split.labels.cpu(), images=split.images.cpu())

    def __getitem__(self, index: int) -> torch.Tensor | str:
        try:
            return self.split.read(index)
        except DataError as error:
            # Raised again where it is asked for: an error that crosses processes drags its traceback along.
            return str(error)


class _Steps(Sampler[list[int]]):
    """The batches of `order` from `start` on, without end."""

    def __init__(self, order: Order, start: int) -> None:
        self.order, self.start = order, start

    def __iter__(self) -> Iterator[list[int]]:
        step = self.start
        while True:
            yield self.order.indices(step).tolist()
            step += 1


class _Ahead:
    """Images of a step; remembers the latest, expects the next."""

    def __init__(self, split: StreamedSplit, order: Order) -> None:
        self.split, self.order = split, order
        self.step = -1
        self.latest: torch.Tensor | None = None
        self.source: Iterator[torch.Tensor | str] | None = None

    def __call__(self, step: int) -> torch.Tensor:
        if self.latest is not None and step == self.step:
            return self.latest
        if self.source is None or step != self.step + 1:
            # An order of its own: workers run ahead into epochs that the caller has not reached.
            order = replace(self.order)
            self.source = iter(self.split._loader(_Steps(order, step)))
        self.latest = _checked(next(self.source))
        self.step = step
        return self.latest
