"""A look at many images that stay on the disk: at their headers, or with `skip_bad` at all of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from chronas.data.decode import settled
from chronas.data.fit import check_size
from chronas.data.levels import Kind, Seen, joined
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
    items: Sequence[Encoded], how: Reading, skip_bad: bool, watch: Callable[[int, int], None] = lambda done, total: None
) -> Survey:
    """Read every header; with `skip_bad` decode every image, so that no bad one is met in the middle of a training.

    Args:
        items: the images.
        how: how they are to become pixels.
        skip_bad: leave out unreadable ones.
        watch: called with (images done, all images); may raise to end the work.

    Returns:
        What they have in common.

    Raises:
        DataError: for unreadable images (unless `skip_bad`), and values that fit no range.
        MixedSizesError: for mixed sizes where `how` has no frame.
    """
    heads: list[Header | str] = []
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for head in pool.map(read_header, items):
                heads.append(head)
                watch(len(heads), len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    how, notes = _with_range(items, heads, how)
    if skip_bad:
        with ThreadPoolExecutor(THREADS) as pool:
            heads = list(pool.map(partial(_whole, how=how), items, heads))
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


def _with_range(items: Sequence[Encoded], heads: Sequence[Header | str], how: Reading) -> tuple[Reading, list[str]]:
    """`how` with the range of images of more than 8 bits, from decoding some of them, and notes."""
    deep = [i for i, head in enumerate(heads) if not isinstance(head, str) and head.deep]
    if not deep:
        return how, []
    looks: list[Seen] = []
    kinds: list[Kind] = []
    for place in np.linspace(0, len(deep) - 1, min(LOOKED_AT, len(deep))).astype(int):
        try:
            open_pixels(items[deep[int(place)]], replace(how, range=None))
        except DeepImageError as found:
            with contextlib.suppress(ValueError):  # named when all are read
                looks.append(found.seen)
                kinds.append(found.kind)
        except DAMAGED:
            continue  # named when all are read
    if not looks:
        return how, []
    chosen, notes = settled([("training", joined(looks))], kinds[0], how.range)
    return replace(how, range=chosen), notes


def _whole(item: Encoded, head: Header | str, how: Reading) -> Header | str:
    """`head`, of an image that can be decoded; else why it cannot."""
    if isinstance(head, str):
        return head
    try:
        open_pixels(item, how)
    except DAMAGED as error:
        return reason(error)
    return head
