"""CIFAR-10 and CIFAR-100 as official python batches, through an unpickler that admits only what they need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core.multiarray import _reconstruct

from chronas.data.options import DataOptions
from chronas.data.raw import Pixels, Raw, RawPart, check_labels, check_range
from chronas.errors import DataError
from chronas.unpickle import PickleError, encode_latin1, load_admitted

INNER = ("cifar-10-batches-py", "cifar-100-python")
SIDE = 32


def matches(path: Path, options: DataOptions) -> bool:
    """A folder with data_batch_1 or with train and meta as files, or one around it."""
    return path.is_dir() and _root(path) is not None


def _root(path: Path) -> Path | None:
    for folder in (path, *(path / name for name in INNER)):
        if (folder / "data_batch_1").is_file() or ((folder / "train").is_file() and (folder / "meta").is_file()):
            return folder
    return None


def read(path: Path, options: DataOptions) -> Raw:
    """Train and test images with class names. Raises DataError for a missing or damaged file."""
    root = _root(path)
    if root is None:
        raise DataError(f"{path} holds no CIFAR batches.")
    if (root / "data_batch_1").is_file():
        names = _names(root / "batches.meta", b"label_names")
        files = {"train": [root / f"data_batch_{i}" for i in range(1, 6)], "test": [root / "test_batch"]}
    else:
        names = _names(root / "meta", b"fine_label_names")
        files = {"train": [root / "train"], "test": [root / "test"]}
    missing = [file.name for group in files.values() for file in group if not file.is_file()]
    if missing:
        raise DataError(f"{root} lacks {', '.join(missing)}.")
    return Raw({part: _part(group, len(names)) for part, group in files.items()}, names)


def _part(files: list[Path], classes: int) -> RawPart:
    batches = [_batch(file, classes) for file in files]
    return RawPart(np.concatenate([b.pixels for b in batches]), np.concatenate([b.labels for b in batches]))


def _batch(file: Path, classes: int) -> RawPart:
    content = load_pickle(file)
    data = content.get(b"data", content.get("data"))
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * SIDE**2:
        raise DataError(f"{file} has no 'data' of shape (n, {3 * SIDE**2}) in uint8.")
    labels: Any = None
    for key in (b"labels", b"fine_labels", "labels", "fine_labels"):
        labels = content.get(key, labels)
    if labels is None:
        raise DataError(f"{file} has no 'labels' or 'fine_labels'.")
    pixels: Pixels = np.ascontiguousarray(data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
    checked = check_labels(labels, len(pixels), str(file))
    check_range(checked, classes, str(file))
    return RawPart(pixels, checked)


def _names(file: Path, key: bytes) -> tuple[str, ...]:
    if not file.is_file():
        raise DataError(f"{file.parent} lacks {file.name}, which holds the class names.")
    content = load_pickle(file)
    names = content.get(key, content.get(key.decode()))
    if not isinstance(names, list) or not names:
        raise DataError(f"{file} has no list {key.decode()!r}.")
    return tuple(name.decode("latin1") if isinstance(name, bytes) else str(name) for name in names)


ADMITTED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): encode_latin1,
}


def load_pickle(file: Path) -> dict[Any, Any]:
    """The dictionary in a CIFAR file. Raises DataError when it is damaged or asks for anything unexpected."""
    try:
        with file.open("rb") as opened:
            content = load_admitted(opened, ADMITTED, place="a CIFAR batch", encoding="bytes")
    except PickleError as error:
        raise DataError(f"{file} is no intact CIFAR batch: {error}.") from None
    if not isinstance(content, dict):
        raise DataError(f"{file} is no CIFAR batch: it holds a {type(content).__name__}, not a dictionary.")
    return content
