"""Encoded images (files or bytes) into one uint8 array, by all cores, with every fault named.

Grey stays grey only when every image is grey; otherwise all become RGB. How one image is read tells `pixels.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chronas.data.fit import check_size
from chronas.data.levels import DEPTHS, Kind, PixelRange, Seen, check_alike, clipped, found_range, joined
from chronas.data.options import SMALLEST
from chronas.data.pixels import (
    DAMAGED,
    DeepImageError,
    MixedSizesError,
    Reading,
    open_pixels,
    read_header,
    reason,
    unreadable_message,
)
from chronas.data.raw import Encoded, Pixels
from chronas.data.share import Faults, can_fork, cores, in_threads, share, shared_zeros
from chronas.errors import DataError

MOST_IN_A_PIECE = 128
PIECE_BYTES = 1 << 22
# So many images make it worth while to share the work: small ones take about 0.1 ms each.
SHARE_SMALL, SHARE_LARGE, SHARE_HUGE = 2000, 64, 4
LARGE_BYTES, HUGE_BYTES = 1 << 13, 1 << 20
COLUMNS = 8 + len(DEPTHS)
WHOLE, FLOAT, EIGHT = 1.0, 2.0, 3.0
KINDS: dict[float, Kind] = {WHOLE: "integer", FLOAT: "float", EIGHT: "uint8"}
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """Images as pixels.

    pixels      (n, h, w, c) of the readable images
    kept        their indices
    unreadable  a line for each image that is left out
    range       what was black and white in images of more than 8 bits, where there are any; or as it was given
    notes       what was clipped
    """

    pixels: Pixels
    kept: npt.NDArray[np.int64]
    unreadable: tuple[str, ...]
    range: PixelRange | None = None
    notes: tuple[str, ...] = ()


def decode(
    items: Sequence[Encoded],
    how: Reading,
    *,
    skip_bad: bool = False,
    parts: Sequence[tuple[str, int]] = (),
    watch: Watch = lambda done, total: None,
) -> Decoded:
    """Decode all `items`.

    Args:
        items: the images.
        how: how each is read.
        skip_bad: leave out unreadable ones.
        parts: names and lengths of the parts that follow each other in `items`; the first name decides the range of
            images of more than 8 bits where `how` has none. Empty: all are one part.
        watch: called with (images done, all images) now and then; may raise to end the work.

    Returns:
        The pixels of all readable images at one size.

    Raises:
        DataError: names every unreadable image (unless `skip_bad`), a size that no network can see, or parts
            whose pixels do not fit the range.
        MixedSizesError: images differ in size where `how` has no frame.
    """
    # What the user says of black and white is compared with the images first, as what is found from them.
    look_first = how.range is None or how.range.given
    canvas = _Canvas(items, replace(how, range=None) if look_first else how, eight_bits=_given_for_8_bits(how))
    faults = canvas.work(range(len(items)), canvas.counted(watch))
    found = how.range
    notes: list[str] = []
    deep = np.flatnonzero(canvas.looks[:, 0])
    if len(deep):
        given = how.range if look_first else None
        found, notes = _range_of(canvas, deep, parts or (("training", len(items)),), given)
        canvas.how, canvas.eight_bits = replace(how, range=found), False
        done = len(items)
        faults |= canvas.work(deep.tolist(), lambda now, total: watch(done + now, done + total))
    return canvas.finish(faults, skip_bad, found, tuple(notes))


def _given_for_8_bits(how: Reading) -> bool:
    return how.range is not None and how.range.given and how.range.kind == "uint8"


class _Canvas:
    """The array being filled, and what was seen of images that need a range."""

    def __init__(self, items: Sequence[Encoded], how: Reading, eight_bits: bool) -> None:
        # eight_bits: whether images of 8 bits are only looked at, since they get a range, too
        self.items, self.how, self.eight_bits = items, how, eight_bits
        self.typical = _typical_bytes(items)
        large = self.typical > LARGE_BYTES
        enough = SHARE_HUGE if self.typical > HUGE_BYTES else SHARE_LARGE if large else SHARE_SMALL
        self.workers = cores() if len(items) >= enough else 1
        self.forked = self.workers > 1 and can_fork()
        self.threads = self.workers if not self.forked and large else 1
        self.model, height, width = (0, *how.frame) if how.frame else self._first_readable()
        if not how.frame:
            check_size(height, width, items[self.model].name)
        make = shared_zeros if self.forked else _empty
        self.grey = make((len(items),))
        self.pixels = make((len(items), height, width, 3))
        # A row for each image: WHOLE or FLOAT where it needs a range, then what was seen of its pixels.
        places = (8 * len(items) * COLUMNS,)
        looks = shared_zeros(places) if self.forked else np.zeros(places, np.uint8)
        self.looks = looks.view(np.float64).reshape(len(items), COLUMNS)

    def _first_readable(self) -> tuple[int, int, int]:
        for index, item in enumerate(self.items):
            head = read_header(item)
            if not isinstance(head, str):
                return index, head.height, head.width
        return 0, SMALLEST, SMALLEST

    def counted(self, watch: Watch) -> Watch:
        """`watch` of the first pass, which counts that images that need a range are read once more."""

        def look(done: int, total: int) -> None:
            again = int((self.looks[:, 0] != 0).sum())
            watch(done, total + round(total * again / max(1, done)))

        return look

    def work(self, indices: Sequence[int], watch: Watch) -> Faults:
        """Decode the images at `indices`; a reason for each unreadable one, the size of each that differs."""
        most = max(1, min(MOST_IN_A_PIECE, PIECE_BYTES // max(1, self.typical), -(-len(indices) // self.workers)))
        pieces = [indices[start : start + most] for start in range(0, len(indices), most)]

        def do(piece: int) -> Faults:
            return self._fill(pieces[piece])

        def look(done: int) -> None:
            # What others are at is half done on average; at the beginning that is much of what is known.
            begun = done + (self.workers - 1) / 2 if done < len(pieces) else done
            watch(min(round(begun * most), len(indices)), len(indices))

        if self.forked:
            return share(do, len(pieces), self.workers, look)
        found = in_threads(do, range(len(pieces)), self.threads, lambda done, total: look(done))
        return {index: fault for faults in found for index, fault in faults.items()}

    def _fill(self, indices: Sequence[int]) -> Faults:
        faults: Faults = {}
        for index in indices:
            try:
                pixels, grey = open_pixels(self.items[index], self.how)
            except DeepImageError as deep:
                try:
                    self.looks[index, 1:] = _row(deep.seen)
                except ValueError as error:
                    faults[index] = reason(error)
                self.looks[index, 0] = FLOAT if deep.kind == "float" else WHOLE
                continue
            except DAMAGED as error:
                faults[index] = reason(error)
                continue
            if self.eight_bits:
                self.looks[index] = (EIGHT, *_row(Seen.of(pixels)))
                continue
            self.grey[index] = grey
            if pixels.shape[:2] == self.pixels.shape[1:3]:
                self.pixels[index] = pixels
            else:
                faults[index] = (pixels.shape[0], pixels.shape[1])
        return faults

    def finish(self, faults: Faults, skip_bad: bool, found: PixelRange | None, notes: tuple[str, ...]) -> Decoded:
        """The pixels, or the error that `faults` call for."""
        bad = {i: fault for i, fault in faults.items() if isinstance(fault, str)}
        other = {i: fault for i, fault in faults.items() if not isinstance(fault, str)}
        lines = tuple(sorted(f"{self.items[i].name}: {why}" for i, why in bad.items()))
        if lines and not skip_bad:
            raise DataError(unreadable_message(lines))
        if other:
            first = min(other)
            names = self.items[self.model].name, self.items[first].name
            sizes = (self.pixels.shape[1], self.pixels.shape[2]), other[first]
            raise MixedSizesError(names, sizes, len(other), len(self.items))
        kept = np.asarray([i for i in range(len(self.items)) if i not in bad], dtype=np.int64)
        pixels = self.pixels[..., :1] if self.grey[kept].all() else self.pixels
        return Decoded(np.ascontiguousarray(pixels[kept] if bad else pixels), kept, lines, found, notes)


def _empty(shape: tuple[int, ...]) -> Pixels:
    return np.empty(shape, dtype=np.uint8)


def _typical_bytes(items: Sequence[Encoded]) -> int:
    some = items[:: max(1, len(items) // 32)]
    sizes = []
    for item in some:
        try:
            sizes.append(item.nbytes)
        except OSError:
            continue
    return int(np.median(sizes)) if sizes else 0


def _row(seen: Seen) -> tuple[float, ...]:
    return (seen.low, seen.high, seen.count, seen.lit, seen.over_one, seen.below_zero, seen.whole, *seen.above)


def _seen(row: npt.NDArray[np.float64]) -> Seen:
    low, high, *counts = row.tolist()
    count, lit, over_one, below_zero, whole, *above = map(int, counts)
    return Seen(low, high, count, lit, over_one, below_zero, bool(whole), tuple(above))


def _range_of(
    canvas: _Canvas, deep: npt.NDArray[np.int64], parts: Sequence[tuple[str, int]], given: PixelRange | None
) -> tuple[PixelRange, list[str]]:
    """The range of the images at `deep`, found in the first part that has such, and notes; all parts must fit it."""
    codes = sorted(set(canvas.looks[deep, 0].tolist()))
    if len(codes) > 1:
        raise DataError(both_kinds(*(canvas.items[int(next(i for i in deep if canvas.looks[i, 0] == code))].name
                                     for code in codes[:2])))  # fmt: skip
    kind = KINDS[codes[0]]
    looks: dict[str, list[Seen]] = {}
    start = 0
    for name, length in parts:
        for i in deep[(deep >= start) & (deep < start + length)]:
            if canvas.looks[i, 3]:
                looks.setdefault(name, []).append(_seen(canvas.looks[i, 1:]))
        start += length
    if not looks:
        raise DataError(f"{canvas.items[int(deep[0])].name} and others like it hold NaN or infinite values.")
    return settled([(name, joined(found)) for name, found in looks.items()], kind, given)


def settled(
    looks: Sequence[tuple[str, Seen]], kind: Kind, given: PixelRange | None, origin: str = "as given"
) -> tuple[PixelRange, list[str]]:
    """One range for all parts: as given, or found in the first; with notes for the user.

    Args:
        looks: names of the parts and what was seen of their pixels, the training images first.
        kind: what the pixels are.
        given: what is known, from the user or a trained network; or None.
        origin: in words where that is known from.

    Returns:
        The range and what to say of it.

    Raises:
        DataError: where it cannot be found, or a part does not fit it.
    """
    first, seen = looks[0]
    chosen = found_range(seen, kind, f"The {first} images") if given is None else given
    if chosen.kind != kind:
        chosen = PixelRange(chosen.low, chosen.high, kind, chosen.given)
    from_where = f"found from the {first} images" if given is None else origin
    for name, other in looks[1 if given is None else 0 :]:
        check_alike(other, chosen, f"The {name} images", from_where)
    kinds = {"integer": "more than 8 bits", "float": "floating-point pixels", "uint8": "8 bits"}
    lost = [f"in the {name} images {words}" for name, other in looks if (words := clipped(other, chosen))]
    note = f"Of images with {kinds[kind]}, {chosen.word} are black and white ({from_where})"
    return chosen, [note + ("; " + ", ".join(lost) if lost else "") + "."]


def both_kinds(whole: str, floating: str) -> str:
    """The error for two images that have no common range."""
    return (
        f"{whole} holds whole numbers of more than 8 bits and {floating} floating-point numbers: they have no "
        "common range. Save all images in one form."
    )
