"""Images that do not fit in memory: left on the disk, where only headers and a sample are read beforehand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from chronas.data.frame import choose_frame
from chronas.data.parts import Asked, every_header, items_of, kind_of_images, known_range, titles
from chronas.data.pixels import MixedSizesError, Reading
from chronas.data.raw import RawPart
from chronas.data.stream import StreamedSplit, files_fingerprint, streamed
from chronas.data.survey import Survey, first_size, survey
from chronas.errors import DataError
from chronas.memory import free_memory

STATISTICS_SAMPLE = 2_000
"""Images that are decoded to measure mean and deviation."""


@dataclass(frozen=True)
class OnDisk:
    """Images that stay on the disk.

    splits, parts   each part ready for training, and as it was read
    sample, labels  some training images (n, c, h, w) as uint8, and their labels
    reading         how each image becomes pixels
    fingerprint     changes with the files
    notes           what was found
    """

    splits: Mapping[str, StreamedSplit]
    parts: dict[str, RawPart]
    sample: torch.Tensor
    labels: torch.Tensor
    reading: Reading
    fingerprint: str
    notes: tuple[str, ...]


def too_large(parts: dict[str, RawPart], source: str, asked: Asked) -> bool:
    """Whether to stream: the decoded images are more than memory takes, and lie on the disk."""
    items, size = items_of(parts), asked.options.size
    shape = (size, size) if size else first_size(items)
    if not items or shape is None:
        return False
    need = len(items) * shape[0] * shape[1] * 3
    limit = free_memory() // 2 if asked.max_memory_bytes is None else asked.max_memory_bytes
    if need <= limit:
        return False
    if not all(item.on_disk for item in items):
        raise DataError(
            f"{source} takes {need / 2**30:.2f} GiB when decoded, but {limit / 2**30:.2f} GiB may be used. "
            "Pass a smaller --size or --limit, or give class folders, which are streamed from disk."
        )
    return True


def leave_on_disk(parts: dict[str, RawPart], given: Collection[str], asked: Asked) -> OnDisk:
    """Look at all headers and decode a sample.

    Args:
        parts: the parts, of encoded images on the disk.
        given: those that the data came with.
        asked: how they are read.

    Returns:
        The parts, to be read while training.

    Raises:
        DataError: for unreadable images.
        UsageError: where even that takes longer than the time.
    """
    items = items_of(parts)
    found, notes = _surveyed(parts, given, asked)
    splits: dict[str, StreamedSplit] = {}
    left, start = {}, 0
    for name, part in parts.items():
        kept = np.asarray([i for i in range(len(part)) if start + i not in found.bad], dtype=np.int64)
        left[name], start = part.take(kept), start + len(part)
        splits[name] = streamed(left[name], found.shape, found.reading)
    if found.bad:
        names = "; ".join(items[i].name for i in sorted(found.bad)[:20])
        notes.append(f"{len(found.bad)} unreadable image(s) left out: {names}")
    notes.append("The images do not fit in memory and are read from disk while training.")
    notes.append("Equal images were not looked for, and none are kept decoded, since they are not all read beforehand.")
    sample, labels = splits["train"].sample(STATISTICS_SAMPLE, asked.time.watch())
    return OnDisk(splits, left, sample, labels, found.reading, files_fingerprint(splits.values()), tuple(notes))


def _surveyed(parts: dict[str, RawPart], given: Collection[str], asked: Asked) -> tuple[Survey, list[str]]:
    """What the images have in common, at one size; and notes."""
    items, options = items_of(parts), asked.options
    known = known_range(options, lambda: kind_of_images(items))
    called = titles(parts, given)
    lengths = [(called[name], len(part)) for name, part in parts.items()]

    def look(size: int | None) -> Survey:
        reading = Reading.square(size, options.fit, known)
        return survey(items, reading, options.skip_bad, lengths, asked.time.watch)

    try:
        found = look(options.size)
        return found, list(found.notes)
    except MixedSizesError:
        frame = choose_frame(items, every_header(items), options.fit, asked.time, len(parts["train"]))
    found = look(frame.size)
    return found, [frame.note, *found.notes]
