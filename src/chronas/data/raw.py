"""What a reader hands over before anything is decoded, split or checked."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.errors import DataError

Pixels = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

PART_OF_NAME = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "t10k": "test",
}


class Member(ABC):
    """An image inside a larger file (an archive, a table), read in place whenever it is wanted.

    Objects are small, and travel to other processes, which open the larger file themselves.
    """

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Size of the encoded image in bytes."""

    @abstractmethod
    def read(self) -> bytes:
        """The encoded image. Raises OSError, or ValueError where the larger file is damaged."""

    @abstractmethod
    def stamp(self) -> str:
        """What changes when the image does, without reading it: file, size and time, place in the file."""


@dataclass(frozen=True)
class Held(Member):
    """A member whose bytes are at hand: all that is told of it is as of the member, so nothing depends on memory."""

    member: Member
    content: bytes

    @property
    def nbytes(self) -> int:
        """As of the member."""
        return self.member.nbytes

    def read(self) -> bytes:
        """The encoded image."""
        return self.content

    def stamp(self) -> str:
        """As of the member."""
        return self.member.stamp()


@dataclass(frozen=True)
class Encoded:
    """One image that is not decoded yet: its name in messages, and its file, its place in one, or its bytes."""

    name: str
    content: Path | Member | bytes

    @property
    def on_disk(self) -> bool:
        """Whether it can be read again and again without being kept in memory."""
        return not isinstance(self.content, bytes)

    @property
    def nbytes(self) -> int:
        """Size of the encoded image in bytes. Raises OSError."""
        content = self.content
        if isinstance(content, bytes):
            return len(content)
        return content.stat().st_size if isinstance(content, Path) else content.nbytes

    def opened(self) -> Path | io.BytesIO:
        """What Pillow opens. Raises OSError, ValueError."""
        content = self.content
        if isinstance(content, Path):
            return content
        return io.BytesIO(content if isinstance(content, bytes) else content.read())

    def stamp(self) -> str:
        """What changes when the image does: of files name, size and time; of bytes a hash. Raises OSError."""
        content = self.content
        if isinstance(content, bytes):
            return hashlib.blake2b(content, digest_size=16).hexdigest()
        if isinstance(content, Path):
            found = content.stat()
            return f"{content}\0{found.st_size}\0{found.st_mtime_ns}"
        return content.stamp()


Values = npt.NDArray[Any]
"""Pixels as they were given: any number type, (n, h, w, c), before their range is known."""


@dataclass(frozen=True)
class RawPart:
    """One split as read: pixels (n, h, w, c) of any number type, or images to decode; and a label for each."""

    pixels: Values | tuple[Encoded, ...]
    labels: Labels

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def take(self, indices: Labels) -> RawPart:
        """The images at `indices`, in that order."""
        pixels = self.pixels
        chosen = tuple(pixels[i] for i in indices) if isinstance(pixels, tuple) else pixels[indices]
        return RawPart(chosen, self.labels[indices])


@dataclass(frozen=True)
class Raw:
    """A data set as read: parts named train, val, test (train always there), class names, notes."""

    parts: Mapping[str, RawPart]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check_labels(values: npt.ArrayLike, images: int, where: str) -> Labels:
    """Class numbers, checked. What else labels may be (text, one-hot rows) tells `labels.py`.

    Args:
        values: one whole number per image, of any number type.
        images: how many images there are.
        where: the labels' name in messages.

    Returns:
        The labels as int64 (n,).

    Raises:
        DataError: for anything but one whole number per image, and for negative ones.
    """
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{where}: labels must be one whole number per image, but their shape is {array.shape}.")
    if len(array) != images:
        raise DataError(f"{where}: there are {images} images but {len(array)} labels.")
    if array.dtype.kind == "f":
        _check_whole(array, where)
    elif array.dtype.kind not in "iub":
        raise DataError(f"{where}: labels must be whole numbers or text, but they are {array.dtype} ({array[:1]}).")
    labels = array.astype(np.int64)
    if len(labels) and int(labels.min()) < 0:
        raise DataError(
            f"{where}: label {int(labels.min())} is out of range; labels start at 0. If it stands for images "
            "without a label, leave these out; else number the classes from 0."
        )
    return labels


def _check_whole(labels: npt.NDArray[Any], where: str) -> None:
    missing = int(np.isnan(labels).sum())
    if missing:
        raise DataError(
            f"{where}: labels must be whole numbers, but {missing} are missing (NaN). Leave these images out."
        )
    broken = labels[labels != np.floor(labels)] if np.isfinite(labels).all() else labels[~np.isfinite(labels)]
    if len(broken):
        raise DataError(
            f"{where}: labels must be whole numbers, but {broken[0]} is none. Images are sorted into classes here; "
            "quantities are not predicted."
        )


def check_range(labels: Labels, classes: int, where: str) -> None:
    """A DataError when a label is not below `classes`."""
    if len(labels) and int(labels.max()) >= classes:
        raise DataError(
            f"{where}: label {int(labels.max())} is out of range; the data names {classes} classes, "
            f"so labels run from 0 to {classes - 1}."
        )


def renumber(parts: Mapping[str, RawPart]) -> Raw:
    """Name classes by their numbers, and close gaps: labels 1..26 become 0..25 with the names "1".."26".

    Raises DataError when another part has a label that train lacks.
    """
    values = np.unique(parts["train"].labels)
    for name, part in parts.items():
        strange = np.setdiff1d(part.labels, values)
        if len(strange):
            raise DataError(f"The {name} part has label {int(strange[0])}, which no training image has.")
    notes: tuple[str, ...] = ()
    if len(values) and int(values[-1]) != len(values) - 1:
        notes = (f"Labels {values[0]} to {values[-1]} were renumbered to 0 to {len(values) - 1}.",)
    renamed = {n: RawPart(p.pixels, np.searchsorted(values, p.labels).astype(np.int64)) for n, p in parts.items()}
    return Raw(renamed, tuple(str(v) for v in values), notes)
