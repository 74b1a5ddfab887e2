"""NumPy archives (.npz): images and labels of the usual names, or in the usual order."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from chronas.data.formats.array_names import find_arrays
from chronas.data.formats.npy import PICKLED, header
from chronas.data.formats.python.read import from_arrays
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError


def matches(path: Path, options: DataOptions) -> bool:
    """A file that ends in .npz."""
    return path.is_file() and path.suffix == ".npz"


def read(path: Path, options: DataOptions) -> Raw:
    """The arrays in it. Raises DataError for a damaged archive, missing names, or pickled objects."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"{path} is truncated or no .npz archive.")
    try:
        with zipfile.ZipFile(path) as archive:
            headers = _headers(archive)
        found = find_arrays({name: shape for name, (shape, _) in headers.items()}, str(path))
        used = [name for pair in found.parts.values() for name in pair if name is not None]
        for name in used:
            if headers[name][1].hasobject:
                raise DataError(f"{path}: {name} {PICKLED}.")
        with np.load(path, allow_pickle=False) as content:
            arrays = {name: content[name] for name in used}
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, KeyError) as error:
        raise DataError(f"{path} is truncated or damaged: {error}.") from None
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    pairs = {part: (arrays[x], None if y is None else arrays[y]) for part, (x, y) in found.parts.items()}
    return from_arrays(pairs, str(path), (found.note(),))


def _headers(archive: zipfile.ZipFile) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and number type of each array by its name, none of them read."""
    found = {}
    for name in archive.namelist():
        if name.endswith(".npy"):
            with archive.open(name) as file:
                found[name.removesuffix(".npy")] = header(file)
    return found
