"""What a reader hands over before anything is decoded, split or checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Encoded:
    """One image that is not decoded yet: its name in messages, and its file or its bytes."""

    name: str
    content: Path | bytes


@dataclass(frozen=True)
class RawPart:
    """One split as read: pixels (n, h, w, c), or images to decode; and a label for each."""

    pixels: Pixels | tuple[Encoded, ...]
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
    """Labels as int64 (n,), or a DataError: not whole numbers, not one per image, negative, one-hot."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"{where}: labels must be one whole number per image, but their shape is {array.shape}. "
            "Give class numbers, not one-hot rows."
        )
    if len(array) != images:
        raise DataError(f"{where}: there are {images} images but {len(array)} labels.")
    if array.dtype.kind == "f" and bool(np.all(np.isfinite(array))) and bool(np.all(array == np.floor(array))):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise DataError(f"{where}: labels must be whole numbers, but they are {array.dtype} ({array[:1]}).")
    labels = array.astype(np.int64)
    if len(labels) and int(labels.min()) < 0:
        raise DataError(f"{where}: label {int(labels.min())} is out of range; labels start at 0.")
    return labels


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
