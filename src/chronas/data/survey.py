"""A look at many images that stay on the disk: at their headers, or with `skip_bad` at all of each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from PIL import Image

from chronas.data.decode import (
    DAMAGED,
    GREY_MODES,
    check_size,
    mixed_message,
    open_pixels,
    reason,
    unreadable_message,
)
from chronas.data.raw import Encoded
from chronas.errors import DataError

THREADS = 8


@dataclass(frozen=True)
class Survey:
    """The shape (c, h, w) that all images come out in, and a reason for each unreadable one by its index."""

    shape: tuple[int, int, int]
    bad: dict[int, str]


def first_size(items: Sequence[Encoded]) -> tuple[int, int] | None:
    """Height and width of the first image whose header can be read."""
    for item in items:
        found = _header(item)
        if not isinstance(found, str):
            return found[0], found[1]
    return None


def survey(items: Sequence[Encoded], size: int | None, skip_bad: bool) -> Survey:
    """Read every header. Raises DataError for unreadable images (unless `skip_bad`), mixed sizes.

    With `skip_bad` every image is decoded, so that none is met in the middle of a training.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(partial(_whole, size=size) if skip_bad else _header, items))
    bad = {i: head for i, head in enumerate(found) if isinstance(head, str)}
    good = {i: head for i, head in enumerate(found) if not isinstance(head, str)}
    if bad and (not skip_bad or not good):
        raise DataError(unreadable_message(sorted(f"{items[i].name}: {why}" for i, why in bad.items())))
    first = min(good)
    height, width = good[first][:2]
    other = [i for i, head in good.items() if head[:2] != (height, width)]
    if size is None:
        if other:
            sizes = (height, width), good[other[0]][:2]
            names = items[first].name, items[other[0]].name
            raise DataError(mixed_message(names, sizes, len(other), len(items)))
        check_size(height, width, items[first].name)
    grey = all(head[2] for head in good.values())
    return Survey((1 if grey else 3, size or height, size or width), bad)


def _whole(item: Encoded, size: int | None) -> tuple[int, int, bool] | str:
    """`_header` of an image that can be decoded."""
    head = _header(item)
    if isinstance(head, str):
        return head
    try:
        open_pixels(item, size)
    except DAMAGED as error:
        return reason(error)
    return head


def _header(item: Encoded) -> tuple[int, int, bool] | str:
    """Height, width, whether grey; or why it cannot be read."""
    content = item.content
    try:
        with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content) as image:
            turned = "exif" in image.info and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size if not turned else image.size[::-1]
            return height, width, image.mode in GREY_MODES
    except DAMAGED as error:
        return reason(error)
