"""NumPy archives: x_train, y_train[, x_val, y_val][, x_test, y_test], or x, y, or images, labels."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from chronas.data.arrays import from_arrays
from chronas.data.raw import Raw
from chronas.errors import DataError

# In the order of trying; the last pattern is that of the MedMNIST archives.
TRAIN_KEYS = (("x_train", "y_train"), ("x", "y"), ("images", "labels"), ("train_images", "train_labels"))
OTHER_KEYS = {
    "val": (("x_val", "y_val"), ("x_valid", "y_valid"), ("val_images", "val_labels")),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
}


def matches(path: Path) -> bool:
    """A file that ends in .npz."""
    return path.is_file() and path.suffix == ".npz"


def read(path: Path) -> Raw:
    """The arrays in it. Raises DataError for a damaged archive, missing names, or pickled objects."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is truncated or no .npz archive.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return from_arrays(_parts(archive, path), str(path))
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, KeyError) as error:
        raise DataError(f"{path} is truncated or damaged: {error}.") from None
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _parts(archive: Any, path: Path) -> dict[str, tuple[Any, Any]]:
    train = next((keys for keys in TRAIN_KEYS if keys[0] in archive.files), None)
    if train is None:
        wanted = " or ".join("/".join(keys) for keys in TRAIN_KEYS)
        raise DataError(f"{path} must hold arrays named {wanted}; it holds {', '.join(archive.files) or 'none'}.")
    parts = {"train": train}
    for part, choices in OTHER_KEYS.items():
        found = next((keys for keys in choices if keys[0] in archive.files), None)
        if found:
            parts[part] = found
    for images, labels in parts.values():
        if labels not in archive.files:
            raise DataError(f"{path} holds {images} but not {labels}.")
    return {part: (archive[images], archive[labels]) for part, (images, labels) in parts.items()}
