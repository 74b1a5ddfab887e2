"""`load`: any supported data into an `ImageData`, with everything checked first."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronas.data import cifar, digits, folder, idx, npz, parquet
from chronas.data.arrays import from_arrays, from_dataset
from chronas.data.assemble import Options, assemble
from chronas.data.decode import LARGEST, SMALLEST
from chronas.data.images import ImageData
from chronas.data.raw import Raw
from chronas.errors import DataError, UsageError


@dataclass(frozen=True)
class Format:
    """One file format: what is looked for, a test of a path, a reader."""

    looks_for: str
    matches: Callable[[Path], bool]
    read: Callable[[Path], Raw]


# In the order of trying: the formats with unmistakable names first.
FORMATS = (
    Format("a NumPy archive (.npz)", npz.matches, npz.read),
    Format(
        "Hugging Face image Parquet (.parquet, or train*.parquet inside)",
        parquet.matches,
        parquet.read,
    ),
    Format("CIFAR python batches (data_batch_1, or train and meta)", cifar.matches, cifar.read),
    Format("IDX files (train-images-idx3-ubyte)", idx.matches, idx.read),
    Format("a folder of class folders, also inside train, val, test", folder.matches, folder.read),
)


def load(
    source: Any,
    *,
    size: int | None = None,
    val_share: float | None = None,
    test_share: float = 0.1,
    limit: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    max_memory_bytes: int | None = None,
) -> ImageData:
    """Find out what `source` is, read it, check it, and split it.

    source: a path, the word "digits", an (images, labels) pair of arrays, a map-style torch Dataset, or an
    `ImageData` (returned as it is); size: bring all images to size x size pixels; val_share: share of the
    training images to validate with (default: 5,000 of 50,000 or more, else 10 %); test_share: share held out
    for the test when the data has no test split (0: none); limit: use only so many training images, chosen in
    proportion to the classes; skip_bad: go on without unreadable images; max_memory_bytes: above this an
    image folder is streamed from disk (default: half of the free memory).
    Raises DataError for unusable data, UsageError for a wrong option, EnvironmentFault for a missing package.
    """
    _check_options(size, val_share, test_share, limit)
    if isinstance(source, ImageData):
        if size or val_share or limit:
            raise UsageError("Data that is loaded already takes no size, validation share or limit.")
        return source
    raw, name = _read(source)
    return assemble(raw, name, Options(size, val_share, test_share, limit, seed, skip_bad, max_memory_bytes))


def _check_options(size: int | None, val_share: float | None, test_share: float, limit: int | None) -> None:
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise UsageError(f"The size must lie between {SMALLEST} and {LARGEST} pixels, but it is {size}.")
    if val_share is not None and not 0 < val_share < 1:
        raise UsageError(f"The validation share must lie between 0 and 1, but it is {val_share}.")
    if not 0 <= test_share < 1:
        raise UsageError(f"The test share must lie between 0 (none) and 1, but it is {test_share}.")
    if limit is not None and limit < 1:
        raise UsageError(f"The limit must be at least 1 image, but it is {limit}.")


def _read(source: Any) -> tuple[Raw, str]:
    if isinstance(source, str | Path):
        if str(source) == digits.WORD:
            return digits.read(), digits.WORD
        return _read_path(Path(source).expanduser()), str(source)
    if isinstance(source, tuple | list) and len(source) == 2:
        return from_arrays({"train": (source[0], source[1])}, "arrays"), "arrays"
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        name = type(source).__name__
        return from_dataset(source, name), name
    raise UsageError(
        f"Data must be a path, {digits.WORD!r}, a pair of arrays or a torch Dataset, not {type(source).__name__}."
    )


def _read_path(path: Path) -> Raw:
    if not path.exists():
        raise DataError(_missing(path))
    for form in FORMATS:
        if form.matches(path):
            return form.read(path)
    looked = "\n  ".join(form.looks_for for form in FORMATS)
    raise DataError(f"{path} is in no format known here. Looked for:\n  {looked}")


def _missing(path: Path) -> str:
    near: list[str] = []
    if path.parent.is_dir():
        names = [entry.name for entry in path.parent.iterdir()]
        near = difflib.get_close_matches(path.name, [*names, digits.WORD], n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return f"There is no file or folder {path}.{hint}"
