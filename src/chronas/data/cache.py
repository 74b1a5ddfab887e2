"""Decoded images kept in a folder, so that the next run on the same files need not decode them again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from chronas.data.decode import Decoded
from chronas.data.formats.ignored import CACHE_TAG
from chronas.data.levels import PixelRange
from chronas.data.pixels import Reading
from chronas.data.raw import Encoded
from chronas.errors import UsageError

FORMAT = 1
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
"""What the usual mark of a cache folder begins with (https://bford.info/cachedir/)."""


def cached(
    folder: Path, items: Sequence[Encoded], how: Reading, skip_bad: bool, make: Callable[[], Decoded]
) -> tuple[Decoded, str]:
    """What `make` decodes, out of `folder` where it was decoded before.

    The name of the file there is a hash of the images' names, sizes and times and of how they are read, so other
    images, and images that were changed, are decoded anew. The order of the images is no part of it: another split
    of the same files finds them.

    Args:
        folder: where decoded images are kept; made where it is not there.
        items: the images.
        how: how they are read.
        skip_bad: whether images may be missing that could not be read then.
        make: decodes them.

    Returns:
        The decoded images, and a note for the user.

    Raises:
        UsageError: where `folder` cannot be made or is none. What `make` raises.
    """
    try:
        _make(folder)
        marks = [_mark(item) for item in items]
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"--cache {folder} is a file; name a folder.") from None
    except OSError as error:
        raise UsageError(f"--cache {folder} cannot be used: {error.strerror or error}.") from None
    order = np.asarray(sorted(range(len(items)), key=marks.__getitem__), dtype=np.int64)
    file = folder / f"images-{_key([marks[i] for i in order], how)}.safetensors"
    found = _read(file)
    if found is not None and (skip_bad or not found.unreadable):
        return _ordered(found, order), f"Decoded images were taken from {file}."
    made = make()
    try:
        _write(file, _ordered(made, np.argsort(order)))
    except (OSError, SafetensorError) as error:
        return made, f"The decoded images could not be kept in {folder}: {getattr(error, 'strerror', None) or error}."
    return made, f"The decoded images are kept in {file} ({file.stat().st_size / 2**20:.1f} MiB) for the next run."


def _ordered(found: Decoded, order: npt.NDArray[np.int64]) -> Decoded:
    """`found` of images of which number i is number order[i] from now on."""
    numbers = order[found.kept]
    ranks = np.argsort(numbers, kind="stable")
    return replace(found, pixels=found.pixels[ranks], kept=numbers[ranks])


def _mark(item: Encoded) -> str:
    with contextlib.suppress(FileNotFoundError):  # what is not there is named when it is decoded
        return f"{item.name}\0{item.stamp()}\0"
    return f"{item.name}\0"


def _make(folder: Path) -> None:
    """The folder, marked as one that backups may leave out and that is no class."""
    if not folder.exists():
        folder.mkdir(parents=True)
        (folder / CACHE_TAG).write_text(f"{SIGNATURE}\n# Decoded images of Chronas; may be deleted at any time.\n")
    elif not folder.is_dir():
        raise NotADirectoryError(str(folder))


def _key(marks: Sequence[str], how: Reading) -> str:
    # A range that was found follows from the images.
    asked = how if how.range is None or how.range.given else replace(how, range=None)
    digest = hashlib.blake2b(f"{FORMAT} {asked.mark}".encode(), digest_size=16)
    for mark in marks:
        digest.update(mark.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _read(file: Path) -> Decoded | None:
    """None where there is no such file, or one that is not whole."""
    try:
        with safe_open(file, framework="numpy") as opened:
            told = json.loads((opened.metadata() or {})["chronas"])
            pixels, kept = opened.get_tensor("pixels"), opened.get_tensor("kept")
        chosen = None if told["range"] is None else PixelRange(**told["range"])
        return Decoded(pixels, kept, tuple(told["unreadable"]), chosen, tuple(told["notes"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def _write(file: Path, made: Decoded) -> None:
    """Write the whole file or nothing."""
    chosen = made.range
    told = {
        "unreadable": made.unreadable,
        "notes": made.notes,
        "range": None if chosen is None else vars(chosen),
    }
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        save_file({"pixels": np.ascontiguousarray(made.pixels), "kept": made.kept}, part, {"chronas": json.dumps(told)})
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
