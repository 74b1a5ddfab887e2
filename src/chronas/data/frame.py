"""Which size images are brought to where they need one and the user names none."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chronas.data.deadline import LoadTime, least_budget
from chronas.data.fit import CANDIDATES
from chronas.data.options import LARGEST, SMALLEST
from chronas.data.pixels import DAMAGED, DeepImageError, Header, Reading, open_pixels, read_header
from chronas.data.raw import Encoded
from chronas.data.share import cores

SAMPLE = 200
"""Headers that are read to see how large the images are."""
COMMON = 0.9
"""A size that so large a share of the images has is kept for all."""
PASSES = 20
"""Passes over the images that the time should allow at the chosen size."""
PIXELS_A_SECOND = 5e6
"""Pixels that a processor's cores train on in a second, with a network that is seen at half resolution."""
FASTER_ON_A_GPU = 40
UNCOUNTED = 3600.0
"""Seconds that a budget in other units is taken for."""
TIMED = 3


@dataclass(frozen=True)
class Frame:
    """The chosen side in pixels, and why, for the user."""

    size: int
    note: str


def sample_headers(items: Sequence[Encoded]) -> list[Header]:
    """Headers of some of the images, evenly spaced, those that can be read."""
    step = max(1, len(items) // SAMPLE)
    return [head for item in items[::step] if not isinstance(head := read_header(item), str)]


def needs_frame(heads: Sequence[Header]) -> bool:
    """Whether images differ in size or are larger than a network sees them."""
    sizes = {(head.height, head.width) for head in heads}
    return len(sizes) > 1 or any(max(size) > LARGEST for size in sizes)


def choose_frame(items: Sequence[Encoded], heads: Sequence[Header], fit: str, spare: LoadTime, images: int) -> Frame:
    """The side for images that need one: as large as they are and as the time allows.

    Args:
        items: the images, to time how long reading one takes.
        heads: headers of some or all of them.
        fit: how they will be fitted.
        spare: the budget.
        images: training images, which the time is divided by.

    Returns:
        The side, one of `CANDIDATES` or the size that nearly all images have.
    """
    sizes = [(head.height, head.width) for head in heads]
    common, often = Counter(sizes).most_common(1)[0]
    if often >= COMMON * len(sizes) and common[0] == common[1] and SMALLEST <= common[0] <= LARGEST:
        return Frame(common[0], f"Nearly all images are {common[0]} x {common[0]} pixels: all are brought to that.")
    short = float(np.median([min(size) for size in sizes]))
    seconds = UNCOUNTED if spare.seconds is None else max(1.0, spare.seconds - spare.clock())
    rate = PIXELS_A_SECOND * (FASTER_ON_A_GPU if spare.gpu else 1)
    fits = [side for side in CANDIDATES if side <= short] or [max(SMALLEST, int(short))]
    allowed = [side for side in fits if side * side * images * PASSES <= rate * seconds]
    size = max(allowed, default=min(64, fits[-1]))
    size = max(size, min(64, fits[-1]))
    why = "as large as most of them are" if size == fits[-1] else "about what the time allows"
    if heads[0].format == "JPEG":
        size, why = _quick_enough(items, size, why, fit, spare)
    how = {"crop": "the shorter side, then the centre", "pad": "the longer side, black edges", "stretch": "stretched"}
    return Frame(size, f"Images of {_span(sizes)} pixels are brought to {size} x {size} ({how[fit]}; {why}). "
                       "--size N sets another size, --fit crop, pad or stretch how.")  # fmt: skip


def _quick_enough(items: Sequence[Encoded], size: int, why: str, fit: str, spare: LoadTime) -> tuple[int, str]:
    """A smaller side where reading at `size` would take too long: JPEGs are decoded at reduced scale."""
    if spare.seconds is None:
        return size, why
    smaller = [side for side in CANDIDATES if 64 <= side < size]
    while smaller and least_budget(spare.clock() + forecast(items, size, fit)) > spare.seconds:
        size, why = smaller.pop(), "so that reading them fits the time"
    return size, why


def forecast(items: Sequence[Encoded], size: int, fit: str) -> float:
    """Seconds that decoding all `items` at `size` takes here, from timing a few."""
    step = max(1, len(items) // TIMED)
    some = items[::step][:TIMED]
    began = time.monotonic()
    for item in some:
        try:
            open_pixels(item, Reading.square(size, fit))
        except (*DAMAGED, DeepImageError):
            continue
    return (time.monotonic() - began) / max(1, len(some)) * len(items) / cores()


def smaller_size_hint(items: Sequence[Encoded], size: int | None, fit: str, spare: LoadTime) -> Callable[[], str]:
    """A sentence on a --size with which reading fits the time, where there is one; else none."""

    def hint() -> str:
        head = read_header(items[0])
        if spare.seconds is None or isinstance(head, str) or head.format != "JPEG":
            return ""
        for side in (side for side in reversed(CANDIDATES) if 32 <= side < (size or min(head[:2]))):
            took = forecast(items, side, fit)
            if least_budget(took + 1.0) <= spare.seconds:
                return f"With --size {side}, JPEG files are decoded at reduced scale in about {took:.0f} s."
        return ""

    return hint


def _span(sizes: Sequence[tuple[int, int]]) -> str:
    """The sizes in words: 6000 x 4000, or 640 x 480 to 6000 x 4000 (width x height)."""
    ordered = sorted(sizes, key=lambda size: size[0] * size[1])
    first, last = ordered[0], ordered[-1]
    one, other = f"{first[1]} x {first[0]}", f"{last[1]} x {last[0]}"
    return one if one == other else f"{one} to {other}"
