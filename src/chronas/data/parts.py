"""The parts of a data set as pixels of 8 bits, all of one size: decoded, or converted from arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chronas.data.arrays import fit_pixels
from chronas.data.cache import cached
from chronas.data.deadline import LoadTime
from chronas.data.decode import Decoded, decode, settled
from chronas.data.duplicates import find_duplicates, pixel_marks
from chronas.data.frame import choose_frame, needs_frame, sample_headers, smaller_size_hint
from chronas.data.levels import Kind, PixelRange, Seen, finite, joined, kind_of
from chronas.data.options import LARGEST, DataOptions, parse_range
from chronas.data.pixels import Header, MixedSizesError, Reading, read_header
from chronas.data.raw import Encoded, Pixels, RawPart
from chronas.data.share import in_threads
from chronas.data.survey import THREADS
from chronas.errors import DataError

TITLES = {"train": "training", "val": "validation", "test": "test"}


def titles(parts: Iterable[str], given: Iterable[str]) -> dict[str, str]:
    """What each part is called where ranges are compared: what was held out of the training images is part of them."""
    return {name: TITLES[name if name in given else "train"] for name in parts}


@dataclass(frozen=True)
class Asked:
    """What `load` was asked for; see there."""

    options: DataOptions
    seed: int = 0
    max_memory_bytes: int | None = None
    time: LoadTime = dataclasses.field(default_factory=LoadTime)

    def with_size(self, size: int | None) -> Asked:
        """The same with images of one size."""
        return dataclasses.replace(self, options=dataclasses.replace(self.options, size=size))


@dataclass(frozen=True)
class Read:
    """All parts at one size, with what was decided on the way."""

    pixels: dict[str, Pixels]
    parts: dict[str, RawPart]
    reading: Reading
    notes: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def known_range(options: DataOptions, kind: Callable[[], Kind | None]) -> PixelRange | None:
    """The range that the user gave (of `kind`, asked for only then), or that the run has found before; or None."""
    if options.range is not None:
        known = kind()
        return None if known is None else PixelRange(*parse_range(options.range), known, given=True)
    return None if options.range_found is None else PixelRange.of_mark(options.range_found)


def chosen_size(parts: dict[str, RawPart], asked: Asked) -> tuple[int | None, list[str]]:
    """The side that encoded images are brought to (None: as they are), and a note where it was chosen here."""
    options = asked.options
    items = items_of(parts)
    heads = sample_headers(items) if options.size is None else []
    if not heads or not needs_frame(heads):
        return options.size, []
    frame = choose_frame(items, heads, options.fit, asked.time, len(parts["train"]))
    return frame.size, [frame.note]


def items_of(parts: dict[str, RawPart]) -> list[Encoded]:
    return [item for part in parts.values() if isinstance(part.pixels, tuple) for item in part.pixels]


def decoded(parts: dict[str, RawPart], given: Collection[str], asked: Asked) -> Read:
    """Encoded images, decoded at one size. `given`: the parts that the data came with."""
    items, options = items_of(parts), asked.options
    called = titles(parts, given)
    lengths = [(called[name], len(part)) for name, part in parts.items()]
    notes: list[str] = []

    def made(reading: Reading) -> Decoded:
        size = None if reading.frame is None else reading.frame[0]
        watch = asked.time.watch(smaller_size_hint(items, size, options.fit, asked.time))
        found = decode(items, reading, skip_bad=options.skip_bad, parts=lengths, watch=watch)
        return found

    def kept(reading: Reading) -> Decoded:
        if options.cache is None:
            return made(reading)
        folder = Path(options.cache).expanduser()
        found, note = cached(folder, items, reading, options.skip_bad, lambda: made(reading))
        notes.append(note)
        return found

    # Which kind of pixels a range is of follows from the images: a range of deeper ones leaves 8 bits as they are.
    known = known_range(options, lambda: kind_of_images(items))
    reading = Reading.square(options.size, options.fit, known)
    try:
        result = kept(reading)
    except MixedSizesError:
        frame = choose_frame(items, every_header(items), options.fit, asked.time, len(parts["train"]))
        notes.append(frame.note)
        reading = Reading.square(frame.size, options.fit, known)
        result = kept(reading)
    found, left, start, first = {}, {}, 0, 0
    for name, part in parts.items():
        stay = result.kept[(result.kept >= start) & (result.kept < start + len(part))]
        found[name] = result.pixels[first : first + len(stay)]
        left[name] = part.take(stay - start) if len(stay) < len(part) else part
        start, first = start + len(part), first + len(stay)
    if result.unreadable:
        lines = "; ".join(result.unreadable[:20])
        more = f"; and {len(result.unreadable) - 20} more" if len(result.unreadable) > 20 else ""
        notes.append(f"{len(result.unreadable)} unreadable image(s) left out: {lines}{more}")
    reading = dataclasses.replace(reading, range=result.range)
    return Read(found, left, reading, (*notes, *result.notes))


def every_header(items: Sequence[Encoded]) -> list[Header]:
    """The headers of all images that can be read."""
    return [head for head in in_threads(read_header, items, THREADS) if not isinstance(head, str)]


def kind_of_images(items: Sequence[Encoded]) -> Kind:
    """What --range is of: the images of more than 8 bits where there are such, else those of 8 bits."""
    deep = {head.floating for head in every_header(items) if head.deep}
    return "uint8" if not deep else "float" if True in deep else "integer"


def converted(parts: dict[str, RawPart], given: Collection[str], source: str, asked: Asked) -> Read:
    """Arrays: their values as 8 bits by one range, at one size. `given`: the parts that the data came with."""
    options = asked.options
    notes: list[str] = []
    arrays = {name: part.pixels for name, part in parts.items() if not isinstance(part.pixels, tuple)}
    kinds = {kind_of(values.dtype) for values in arrays.values()}
    if len(kinds) > 1:
        types = ", ".join(f"{name}: {values.dtype}" for name, values in arrays.items())
        raise DataError(f"{source}: the parts hold different number types ({types}). Bring all to one.")
    kind = kinds.pop()
    chosen = known_range(options, lambda: kind)
    if (chosen is None and kind != "uint8") or (chosen is not None and chosen.given):
        looks: dict[str, list[Seen]] = {}
        called = titles(arrays, given)
        for name, values in arrays.items():
            finite(values, f"{source} ({name})")
            looks.setdefault(called[name], []).append(Seen.of(values))
        seen = [(name, joined(found)) for name, found in looks.items()]
        chosen, notes = settled(seen, kind or "uint8", chosen)
    size = options.size
    if size is None:
        heads = [Header(values.shape[1], values.shape[2], False, False, False, "") for values in arrays.values()]
        if needs_frame(heads) and max(heads[0][:2]) > LARGEST:
            frame = choose_frame([], heads, options.fit, asked.time, len(arrays["train"]))
            size = frame.size
            notes.append(frame.note)
    found = {}
    for name, values in arrays.items():
        if chosen is not None:
            values = chosen.to_bytes(values)
        pixels = values if values.dtype == np.uint8 else values.astype(np.uint8) * np.uint8(255)
        found[name] = fit_pixels(np.ascontiguousarray(pixels), size, options.fit, f"{source} ({name})")
    shapes = {name: pixels.shape[1:] for name, pixels in found.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{source}: the parts differ in image shape (height, width, channels): {shapes}.")
    return Read(found, parts, Reading.square(size, options.fit, chosen), tuple(notes))


def without_duplicates(read: Read, classes: Sequence[str], asked: Asked) -> Read:
    """Tell of equal images, and leave them out where that is asked for."""
    marks = {name: pixel_marks(pixels) for name, pixels in read.pixels.items()}
    labels = {name: part.labels for name, part in read.parts.items()}

    def called(part: str, index: int) -> str:
        pixels = read.parts[part].pixels
        return pixels[index].name if isinstance(pixels, tuple) else f"{part} image {index}"

    found = find_duplicates(marks, labels, classes, called, asked.options.drop_duplicates)
    if not (asked.options.drop_duplicates and found.drop):
        return dataclasses.replace(read, warnings=found.notes)
    stay = {name: np.setdiff1d(np.arange(len(part)), found.drop.get(name, ())) for name, part in read.parts.items()}
    pixels = {name: read.pixels[name][places] for name, places in stay.items()}
    parts = {name: read.parts[name].take(places) for name, places in stay.items()}
    return Read(pixels, parts, read.reading, (*read.notes, *found.notes))
