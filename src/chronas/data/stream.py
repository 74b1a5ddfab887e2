"""Image folders too large for memory: read by worker processes ahead of the training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from chronas.data.images import Split
from chronas.data.order import Order
from chronas.data.pixels import DAMAGED, Reading, fit_channels, open_pixels
from chronas.data.prefetch import read_ahead
from chronas.data.raw import Encoded, Pixels, RawPart
from chronas.data.share import cores, in_threads
from chronas.errors import DataError

MOST_WORKERS = 8


@dataclass(frozen=True)
class StreamedSplit(Split):
    """A split whose images stay on disk; `images` is empty (0, c, h, w) and tells only the shape.

    files: the encoded images, one per label; reading: how each becomes pixels; workers: processes.
    """

    streamed = True

    files: tuple[Encoded, ...] = ()
    reading: Reading = field(default_factory=Reading)
    workers: int = 2

    def reader(self, order: Order) -> Callable[[int], torch.Tensor]:
        """As of `Split.reader`; steps in their order are read ahead, a jump begins anew."""
        return _Ahead(self, order)

    def chunks(self, size: int, order: torch.Tensor | None = None) -> Iterator[torch.Tensor]:
        """As of `Split.chunks`, read ahead."""
        places = list(range(len(self))) if order is None else order.tolist()
        blocks = [places[start : start + size] for start in range(0, len(places), size)]
        return self.read_ahead(blocks, min(size, len(places)))

    def sample(
        self, count: int, watch: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Some images (at most `count`, evenly spaced) as (n, c, h, w) uint8, and their labels (n,).

        Args:
            count: the most images.
            watch: called with (images done, all images); may raise to end the work.
        """
        places = np.linspace(0, len(self) - 1, min(count, len(self))).astype(int)
        images = in_threads(self.read, places.tolist(), cores(), watch)
        return torch.stack(images), self.labels[torch.from_numpy(places)]

    def read(self, index: int) -> torch.Tensor:
        """Image `index` as (c, h, w) uint8. Raises DataError when it cannot be read or has another size."""
        return torch.from_numpy(self._pixels(index)).permute(2, 0, 1)

    def read_ahead(self, batches: Iterable[list[int]], size: int) -> Iterator[torch.Tensor]:
        """The images (b, c, h, w) uint8 of each batch of at most `size` numbers; see `chronas.data.prefetch`."""
        channels, height, width = self.shape
        found = read_ahead(self._pixels, (height, width, channels), batches, size, self.workers)
        return (torch.from_numpy(pixels).permute(0, 3, 1, 2) for pixels in found)

    def _pixels(self, index: int) -> Pixels:
        item = self.files[index]
        try:
            pixels, _ = open_pixels(item, self.reading)
        except DAMAGED as error:
            raise DataError(f"{item.name} cannot be read: {error}. Remove it and start a new run; --skip-bad reads "
                            "every image beforehand and goes on without such.") from None  # fmt: skip
        channels, height, width = self.shape
        if pixels.shape[:2] != (height, width):
            raise DataError(f"{item.name} is {pixels.shape[1]}x{pixels.shape[0]}, not {width}x{height}; pass --size.")
        return fit_channels(pixels, channels)


def streamed(part: RawPart, shape: tuple[int, int, int], reading: Reading) -> StreamedSplit:
    """A streamed split of the files in `part`, whose images come out as `shape` = (c, h, w)."""
    workers = max(1, min(MOST_WORKERS, cores() - 1))
    files = part.pixels if isinstance(part.pixels, tuple) else ()
    empty = torch.empty((0, *shape), dtype=torch.uint8)
    return StreamedSplit(empty, torch.from_numpy(part.labels), files, reading, workers)


def files_fingerprint(splits: Iterable[StreamedSplit]) -> str:
    """A hash (32 hex digits) of shapes, labels, names and file sizes, without reading any image."""
    digest = hashlib.blake2b(digest_size=16)
    for split in splits:
        digest.update(repr((split.shape, split.reading.mark)).encode())
        digest.update(split.labels.numpy().data)
        for item in split.files:
            digest.update(f"{item.name}\0{item.nbytes}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _steps(order: Order, start: int) -> Iterator[list[int]]:
    """The batches of `order` from `start` on, without end."""
    step = start
    while True:
        yield order.indices(step).tolist()
        step += 1


class _Ahead:
    """Images of a step; remembers the latest, expects the next."""

    def __init__(self, split: StreamedSplit, order: Order) -> None:
        self.split, self.order = split, order
        self.step = -1
        self.latest: torch.Tensor | None = None
        self.source: Iterator[torch.Tensor] | None = None

    def __call__(self, step: int) -> torch.Tensor:
        if self.latest is not None and step == self.step:
            return self.latest
        if self.source is None or step != self.step + 1:
            # An order of its own: what is read ahead lies in epochs that the caller has not reached.
            order = replace(self.order)
            self.source = None  # its helpers end before others begin
            self.source = self.split.read_ahead(_steps(order, step), order.batch_size)
        source, self.source = self.source, None  # nothing comes after a failure
        self.latest, self.step = next(source), step
        self.source = source
        return self.latest
