"""From a data set as read to one ready for use: check, hold out, decode, measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from chronas.data.arrays import fit_pixels
from chronas.data.decode import decode
from chronas.data.images import ImageData, Split, channel_statistics, fingerprint
from chronas.data.raw import Encoded, Labels, Pixels, Raw, RawPart
from chronas.data.split import held_out
from chronas.data.stream import StreamedSplit, files_fingerprint, streamed
from chronas.data.survey import first_size, survey
from chronas.errors import DataError
from chronas.memory import free_memory

MOST_CLASSES = 1000
BIG, BIG_VAL = 50_000, 5_000
VAL_SHARE = 0.1
LEAST_VAL = 2
STATISTICS_SAMPLE = 2_000


@dataclass(frozen=True)
class Options:
    """What `load` was asked for; see there."""

    size: int | None
    val_share: float | None
    test_share: float
    limit: int | None
    seed: int
    skip_bad: bool
    max_memory_bytes: int | None = None


def assemble(raw: Raw, source: str, options: Options) -> ImageData:
    """Check `raw`, hold out what is missing, decode, and measure. Raises DataError before any training."""
    _check_classes(raw, source)
    parts, notes = split_parts(raw, source, options)
    if _too_large(parts, source, options):
        return assemble_streamed(parts, raw, source, (*raw.notes, *notes), options)
    pixels, parts, more = _pixels(parts, source, options)
    if more:
        _check_after_skip(parts, raw.classes)
    splits = {name: _split(pixels[name], parts[name].labels) for name in parts}
    mean, std = channel_statistics(splits["train"].images)
    test = splits.get("test")
    mark = fingerprint(splits["train"], splits["val"], test)
    return ImageData(
        splits["train"],
        splits["val"],
        test,
        raw.classes,
        mean,
        std,
        source,
        mark,
        (*raw.notes, *notes, *more),
    )


def _split(pixels: Pixels, labels: Labels) -> Split:
    if not pixels.flags.writeable:
        pixels = pixels.copy()
    return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.from_numpy(labels))


def _check_classes(raw: Raw, source: str) -> None:
    names = raw.classes
    if len(names) > MOST_CLASSES:
        raise DataError(f"{source} has {len(names)} classes; at most {MOST_CLASSES} work.")
    counts = np.bincount(raw.parts["train"].labels, minlength=len(names))
    if not len(raw.parts["train"]):
        raise DataError(f"{source} has no training images.")
    if len(names) < 2:
        raise DataError(f"{source} has only one class ({', '.join(names)}); to classify takes at least two.")
    empty = _named(counts == 0, names)
    if empty:
        raise DataError(f"{source}: no training images for {_some(empty)}. Add images or remove the class.")
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


def split_parts(raw: Raw, source: str, options: Options) -> tuple[dict[str, RawPart], list[str]]:
    """The final train, val and test parts (not decoded yet), and notes on what was held out.

    A test split made here is the same for every seed; the subset (`limit`) and the validation split follow
    the seed. Validation: 5,000 of 50,000 or more training images (NASIB §4.1 for CIFAR-10), else 10 %.
    """
    parts, notes = dict(raw.parts), []
    spare = 1 if "val" in parts else 2
    if "test" not in parts and options.test_share > 0:
        train = parts["train"]
        total = max(1, round(options.test_share * len(train)))
        kept, out = held_out(train.labels, total, 0, "test split", least=1, leave=spare)
        if len(out):
            parts["train"], parts["test"] = train.take(kept), train.take(out)
            notes.append(f"No test images were given: {len(out)} of {len(train)} images are held out as test split.")
    if options.limit is not None and options.limit < len(parts["train"]):
        least = spare * len(raw.classes)
        if options.limit < least:
            raise DataError(f"A limit of {options.limit} images is too small: {len(raw.classes)} classes need {least}.")
        train = parts["train"]
        _, chosen = held_out(train.labels, options.limit, options.seed, "limit", least=spare, leave=0)
        parts["train"] = train.take(chosen)
        notes.append(f"Only {len(chosen)} of {len(train)} training images are used (limit).")
    if "val" not in parts:
        train = parts["train"]
        kept, out = held_out(
            train.labels, _val_size(len(train), options.val_share), options.seed, "val split", least=LEAST_VAL
        )
        parts["train"], parts["val"] = train.take(kept), train.take(out)
    elif options.val_share is not None:
        notes.append(f"{source} brings its own validation images; the validation share is not used.")
    return {name: parts[name] for name in ("train", "val", "test") if name in parts}, notes


def _val_size(images: int, share: float | None) -> int:
    if share is not None:
        return max(1, round(share * images))
    return BIG_VAL if images >= BIG else max(1, round(VAL_SHARE * images))


def _pixels(
    parts: dict[str, RawPart], source: str, options: Options
) -> tuple[dict[str, Pixels], dict[str, RawPart], tuple[str, ...]]:
    """The pixels of all parts at one size and channel count; the parts without what was skipped; notes."""
    encoded = {name: part.pixels for name, part in parts.items() if isinstance(part.pixels, tuple)}
    if encoded:
        return _decoded(parts, encoded, options)
    found: dict[str, Pixels] = {}
    for name, part in parts.items():
        if isinstance(part.pixels, np.ndarray):
            found[name] = fit_pixels(part.pixels, options.size, f"{source} ({name})")
    shapes = {name: pixels.shape[1:] for name, pixels in found.items()}
    if len(set(shapes.values())) > 1:
        raise DataError(f"{source}: the parts differ in image shape (height, width, channels): {shapes}.")
    return found, parts, ()


def _decoded(
    parts: dict[str, RawPart], encoded: dict[str, tuple[Encoded, ...]], options: Options
) -> tuple[dict[str, Pixels], dict[str, RawPart], tuple[str, ...]]:
    items = [item for name in parts for item in encoded[name]]
    result = decode(items, options.size, options.skip_bad)
    found, left, start, first = {}, {}, 0, 0
    for name, part in parts.items():
        kept = result.kept[(result.kept >= start) & (result.kept < start + len(part))]
        found[name] = result.pixels[first : first + len(kept)]
        left[name] = part.take(kept - start) if len(kept) < len(part) else part
        start, first = start + len(part), first + len(kept)
    if not result.unreadable:
        return found, left, ()
    lines = "; ".join(result.unreadable[:20])
    more = f"; and {len(result.unreadable) - 20} more" if len(result.unreadable) > 20 else ""
    return found, left, (f"{len(result.unreadable)} unreadable image(s) left out: {lines}{more}",)


def _too_large(parts: dict[str, RawPart], source: str, options: Options) -> bool:
    """Whether to stream: the decoded images are more than memory takes, and lie in files of their own."""
    items = [item for part in parts.values() if isinstance(part.pixels, tuple) for item in part.pixels]
    size = (options.size, options.size) if options.size else first_size(items)
    if not items or size is None:
        return False
    need = len(items) * size[0] * size[1] * 3
    limit = free_memory() // 2 if options.max_memory_bytes is None else options.max_memory_bytes
    if need <= limit:
        return False
    if not all(isinstance(item.content, Path) for item in items):
        raise DataError(
            f"{source} takes {need / 2**30:.2f} GiB when decoded, but {limit / 2**30:.2f} GiB may be used. "
            "Pass a smaller --size or --limit, or give class folders, which are streamed from disk."
        )
    return True


def assemble_streamed(
    parts: dict[str, RawPart], raw: Raw, source: str, notes: tuple[str, ...], options: Options
) -> ImageData:
    """As `assemble`, with the images left on disk: headers are checked, statistics come from a sample."""
    items = [item for part in parts.values() if isinstance(part.pixels, tuple) for item in part.pixels]
    found = survey(items, options.size, options.skip_bad)
    splits: dict[str, StreamedSplit] = {}
    left, start = {}, 0
    for name, part in parts.items():
        kept = np.asarray([i for i in range(len(part)) if start + i not in found.bad], dtype=np.int64)
        left[name], start = part.take(kept), start + len(part)
        splits[name] = streamed(left[name], found.shape, options.size)
    if found.bad:
        _check_after_skip(left, raw.classes)
        names = "; ".join(items[i].name for i in sorted(found.bad)[:20])
        notes = (*notes, f"{len(found.bad)} unreadable image(s) left out: {names}")
    notes = (*notes, "The images do not fit in memory and are read from disk while training.")
    mean, std = channel_statistics(splits["train"].sample(STATISTICS_SAMPLE))
    mark = files_fingerprint(splits.values())
    return ImageData(splits["train"], splits["val"], splits.get("test"), raw.classes, mean, std, source, mark, notes)


def _check_after_skip(parts: dict[str, RawPart], classes: Sequence[str]) -> None:
    for name in ("train", "val"):
        counts = np.bincount(parts[name].labels, minlength=len(classes))
        gone = _named(counts == 0, classes)
        if gone and (name == "train" or not counts.any()):
            raise DataError(f"After leaving out unreadable images there is no {name} image of {_some(gone)}.")
