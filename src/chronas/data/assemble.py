"""From a data set as read to one ready for use: check, hold out, decode, measure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from chronas.data.formats.labelled import settle_empty
from chronas.data.images import ImageData, Split, channel_statistics, fingerprint
from chronas.data.mirror import MOST_IMAGES, decide_mirror
from chronas.data.on_disk import OnDisk, leave_on_disk, too_large
from chronas.data.options import DataOptions
from chronas.data.parts import Asked, Read, chosen_size, converted, decoded, without_duplicates
from chronas.data.pixels import Reading
from chronas.data.raw import Labels, Pixels, Raw, RawPart
from chronas.data.split import held_out
from chronas.errors import DataError

BIG, BIG_VAL = 50_000, 5_000
VAL_SHARE = 0.1
LEAST_VAL = 2
DIM = 64
"""Where no pixel reaches this, white may be another value than 255."""
MIRROR_IMAGES_A_SECOND = 15
"""So many images for each second of the budget are looked at to decide about mirroring: a hundredth of the time."""


def assemble(raw: Raw, source: str, asked: Asked) -> ImageData:
    """Check a data set, hold out what is missing, decode, and measure.

    Args:
        raw: the data set as read.
        source: its name.
        asked: how it is read.

    Returns:
        The data set, ready for use.

    Raises:
        DataError: before any training.
        UsageError: where reading takes longer than the time.
    """
    raw = settle_empty(raw, source, asked.options.skip_empty)
    _check_classes(raw, source)
    parts, notes = split_parts(raw, source, asked)
    if all(isinstance(part.pixels, tuple) for part in parts.values()):
        size, more = chosen_size(parts, asked)
        asked = asked.with_size(size)
        notes += more
        if too_large(parts, source, asked):
            return _from_disk(leave_on_disk(parts, raw.parts, asked), raw, source, notes, asked)
        read = decoded(parts, raw.parts, asked)
    else:
        read = converted(parts, raw.parts, source, asked)
    _check_after_leaving_out(read.parts, raw.classes)
    return _from_memory(without_duplicates(read, raw.classes, asked), raw, source, notes, asked)


def _from_memory(read: Read, raw: Raw, source: str, notes: list[str], asked: Asked) -> ImageData:
    _check_after_leaving_out(read.parts, raw.classes)
    splits = {name: _split(read.pixels[name], part.labels) for name, part in read.parts.items()}
    train, val, test = splits["train"], splits["val"], splits.get("test")
    told = [*raw.notes, *notes, *read.notes, *_dim(train.images, read.reading)]
    made = ImageData(train, val, test, raw.classes, *channel_statistics(train.images), source,
                     fingerprint(train, val, test), warnings=read.warnings)  # fmt: skip
    return _decided(made, train.images, train.labels, read.reading, told, asked)


def _from_disk(found: OnDisk, raw: Raw, source: str, notes: list[str], asked: Asked) -> ImageData:
    _check_after_leaving_out(found.parts, raw.classes)
    train, val, test = found.splits["train"], found.splits["val"], found.splits.get("test")
    made = ImageData(train, val, test, raw.classes, *channel_statistics(found.sample), source, found.fingerprint)
    return _decided(made, found.sample, found.labels, found.reading, [*raw.notes, *notes, *found.notes], asked)


def _decided(
    data: ImageData, images: torch.Tensor, labels: torch.Tensor, reading: Reading, notes: list[str], asked: Asked
) -> ImageData:
    """`data` with what was decided: whether to mirror (from `images`), size and range."""
    mirror = asked.options.mirror == "yes"
    if asked.options.mirror == "auto":
        seconds = asked.time.seconds
        most = MOST_IMAGES if seconds is None else min(MOST_IMAGES, round(MIRROR_IMAGES_A_SECOND * seconds))
        found = decide_mirror(images, labels, data.classes, most)
        mirror, notes = found.use, [*notes, found.note]
    options: DataOptions = dataclasses.replace(
        asked.options, size=None if reading.frame is None else reading.frame[0],
        range_found=None if reading.range is None or reading.range.given else reading.range.mark,
        mirror="yes" if mirror else "no",
        test_share=asked.options.held_for_test,
    )  # fmt: skip
    return dataclasses.replace(data, notes=tuple(notes), mirror=mirror, range=reading.range, reading=options)


def _dim(images: torch.Tensor, reading: Reading) -> list[str]:
    brightest = int(images.max())
    if reading.range is not None or not 0 < brightest < DIM:
        return []
    return [f"The largest pixel value is {brightest} of 255. If that is white, pass --range 0:{brightest}."]


def _split(pixels: Pixels, labels: Labels) -> Split:
    if not pixels.flags.writeable:
        pixels = pixels.copy()
    return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels))


def _check_classes(raw: Raw, source: str) -> None:
    names = raw.classes
    counts = np.bincount(raw.parts["train"].labels, minlength=len(names))
    if not len(raw.parts["train"]):
        raise DataError(f"{source} has no training images.")
    if len(names) < 2:
        raise DataError(f"{source} has only one class ({', '.join(names)}); to classify takes at least two.")
    for name in ("val", "test"):
        if name in raw.parts and not len(raw.parts[name]):
            raise DataError(f"{source}: the {name} part is empty. Add images or remove it.")
    single = _named(counts == 1, names)
    if single and "val" not in raw.parts:
        raise DataError(
            f"{source}: only one image for {_some(single)}; a class needs at least 2, "
            "one to train on and one to validate with."
        )


def _named(which: npt.NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    return [names[int(i)] for i in np.flatnonzero(which)]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ("class " if len(names) == 1 else "classes ") + ", ".join(repr(n) for n in names[:10]) + more


def split_parts(raw: Raw, source: str, asked: Asked) -> tuple[dict[str, RawPart], list[str]]:
    """The final train, val and test parts (not decoded yet), and notes on what was held out.

    A test split made here is the same for every seed; the subset (`limit`) and the validation split follow
    the seed. Validation: 5,000 of 50,000 or more training images (NASIB §4.1 for CIFAR-10), else 10 %.
    """
    parts, notes, options, seed = dict(raw.parts), [], asked.options, asked.seed
    spare = 1 if "val" in parts else 2
    if "test" not in parts and options.held_for_test > 0:
        train = parts["train"]
        total = max(1, round(options.held_for_test * len(train)))
        kept, out = held_out(train.labels, total, 0, "test split", least=1, leave=spare)
        if len(out):
            parts["train"], parts["test"] = train.take(kept), train.take(out)
            notes.append(f"No test images were given: {len(out)} of {len(train)} images are held out as test split.")
    if options.limit is not None and options.limit < len(parts["train"]):
        least = spare * len(raw.classes)
        if options.limit < least:
            raise DataError(f"A limit of {options.limit} images is too small: {len(raw.classes)} classes need {least}.")
        train = parts["train"]
        _, chosen = held_out(train.labels, options.limit, seed, "limit", least=spare, leave=0)
        parts["train"] = train.take(chosen)
        notes.append(f"Only {len(chosen)} of {len(train)} training images are used (limit).")
    if "val" not in parts:
        train = parts["train"]
        kept, out = held_out(train.labels, _val_size(len(train), options.val_share), seed, "val split", least=LEAST_VAL)
        parts["train"], parts["val"] = train.take(kept), train.take(out)
    elif options.val_share is not None:
        notes.append(f"{source} brings its own validation images; the validation share is not used.")
    return {name: parts[name] for name in ("train", "val", "test") if name in parts}, notes


def _val_size(images: int, share: float | None) -> int:
    if share is not None:
        return max(1, round(share * images))
    return BIG_VAL if images >= BIG else max(1, round(VAL_SHARE * images))


def _check_after_leaving_out(parts: dict[str, RawPart], classes: Sequence[str]) -> None:
    for name, part in parts.items():
        counts = np.bincount(part.labels, minlength=len(classes))
        gone = _named(counts == 0, classes)
        if gone and (name == "train" or not counts.any()):
            raise DataError(f"After leaving images out there is no {name} image of {_some(gone)}.")
