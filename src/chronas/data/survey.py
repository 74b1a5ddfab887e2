"""A look at many images that stay on the disk: at their headers, or with `skip_bad` at all of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chronas.data.decode import both_kinds, settled
from chronas.data.fit import check_size
from chronas.data.levels import Seen, joined
from chronas.data.pixels import (
    DAMAGED,
    DeepImageError,
    Header,
    MixedSizesError,
    Reading,
    open_pixels,
    read_header,
    reason,
    unreadable_message,
)
from chronas.data.raw import Encoded
from chronas.data.share import cores, in_threads
from chronas.errors import DataError

THREADS = 8


LOOKED_AT = 100
"""Images of more than 8 bits that are decoded to find what is black and white."""


@dataclass(frozen=True)
class Survey:
    """What many images have in common.

    shape    (c, h, w) that all come out in
    bad      a reason for each unreadable one by its index
    reading  how each becomes pixels
    notes    what was found about their range
    """

    shape: tuple[int, int, int]
    bad: dict[int, str]
    reading: Reading
    notes: tuple[str, ...]


def first_size(items: Sequence[Encoded]) -> tuple[int, int] | None:
    """Height and width of the first image whose header can be read."""
    for item in items:
        found = read_header(item)
        if not isinstance(found, str):
            return found.height, found.width
    return None


def survey(
    items: Sequence[Encoded], how: Reading, skip_bad: bool, parts: Sequence[tuple[str, int]] = (),
    watches: Callable[[], Callable[[int, int], None]] = lambda: lambda done, total: None,
) -> Survey:  # fmt: skip
    """Read every header; with `skip_bad` decode every image, so that no bad one is met in the middle of a training.

    Args:
        items: the images.
        how: how they are to become pixels.
        skip_bad: leave out unreadable ones.
        parts: names and lengths of the parts that follow each other in `items`, the training images first.
        watches: makes a function that is called with (images done, all images) of one pass; it may raise to end it.

    Returns:
        What they have in common.

    Raises:
        DataError: for unreadable images (unless `skip_bad`), and values that fit no range.
        MixedSizesError: for mixed sizes where `how` has no frame.
    """
    heads = in_threads(read_header, items, THREADS, watches())
    how, notes = _with_range(items, heads, parts or (("training", len(items)),), how)
    if skip_bad:
        heads = in_threads(lambda pair: _whole(*pair, how), list(zip(items, heads, strict=True)), cores(), watches())
    bad = {i: head for i, head in enumerate(heads) if isinstance(head, str)}
    good = {i: head for i, head in enumerate(heads) if not isinstance(head, str)}
    if bad and (not skip_bad or not good):
        raise DataError(unreadable_message(sorted(f"{items[i].name}: {why}" for i, why in bad.items())))
    first = min(good)
    height, width = good[first][:2]
    other = [i for i, head in good.items() if head[:2] != (height, width)]
    if how.frame is None:
        if other:
            sizes = (height, width), good[other[0]][:2]
            names = items[first].name, items[other[0]].name
            raise MixedSizesError(names, sizes, len(other), len(items))
        check_size(height, width, items[first].name)
    grey = all(head.grey for head in good.values())
    return Survey((1 if grey else 3, *(how.frame or (height, width))), bad, how, tuple(notes))


def _with_range(
    items: Sequence[Encoded], heads: Sequence[Header | str], parts: Sequence[tuple[str, int]], how: Reading
) -> tuple[Reading, list[str]]:
    """`how` with the range of images of more than 8 bits, from decoding some of each part, and notes."""
    deep = [i for i, head in enumerate(heads) if not isinstance(head, str) and head.deep]
    floating = {head.floating for i in deep if not isinstance(head := heads[i], str)}
    if not deep or (how.range is not None and not how.range.given):
        return how, []
    if len(floating) > 1:
        names = (next(items[i].name for i in deep if heads[i].floating is kind) for kind in (False, True))  # type: ignore[union-attr]
        raise DataError(both_kinds(*names))
    looks: dict[str, list[Seen]] = {}
    start = 0
    for name, length in parts:
        found = _looks(items, [i for i in deep if start <= i < start + length], how)
        if found:
            looks.setdefault(name, []).extend(found)
        start += length
    if not looks:
        return how, []
    seen = [(name, joined(found)) for name, found in looks.items()]
    chosen, notes = settled(seen, "float" if True in floating else "integer", how.range)
    return replace(how, range=chosen), notes


def _looks(items: Sequence[Encoded], deep: Sequence[int], how: Reading) -> list[Seen]:
    """What is seen of some of the images at `deep`, evenly spaced."""

    def look(place: int) -> Seen | None:
        try:
            open_pixels(items[place], replace(how, range=None))
        except DeepImageError as found:
            with contextlib.suppress(ValueError):
                return found.seen
        except DAMAGED:
            pass  # named when all are read
        return None

    step = max(1, len(deep) // LOOKED_AT)
    return [one for one in in_threads(look, deep[::step], cores()) if one is not None]


def _whole(item: Encoded, head: Header | str, how: Reading) -> Header | str:
    """`head`, of an image that can be decoded; else why it cannot."""
    if isinstance(head, str):
        return head
    try:
        open_pixels(item, how)
    except DAMAGED as error:
        return reason(error)
    return head
