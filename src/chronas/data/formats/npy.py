"""NumPy files (.npy) in a folder: X.npy and Y.npy, x_train.npy ..., also in folders train and test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from chronas.data.formats.array_names import IMAGE_DIMS, find_arrays, meant
from chronas.data.formats.files.tree import is_image
from chronas.data.formats.ignored import ignored_file, ignored_folder
from chronas.data.formats.python.read import from_arrays
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME, Raw
from chronas.errors import DataError

PICKLED = (
    "holds Python objects (pickled), which are not read, since they may run any program. Save plain arrays: "
    "of text labels np.array(labels, dtype=str), of images np.stack(images)"
)


def matches(path: Path, options: DataOptions) -> bool:
    """A .npy file, or a folder of some of which one is called like images.

    Beside image files, where they may be anything (mean.npy, features.npy), they must be images and labels.
    """
    if path.is_file():
        return path.suffix == ".npy"
    files = _files(path)
    named = any(kind is not None and kind[1] == "images" for kind in map(meant, files)) or (
        len(files) == 2 and all(file.parent == path for file in files.values())
    )
    return named and (_are_data(files, path) or not _holds_images(path))


def _are_data(files: Mapping[str, Path], where: Path) -> bool:
    """Whether images and as many labels are among the arrays, by their names and shapes."""
    try:
        shapes = {name: _shape(file) for name, file in files.items()}
        images, labels = find_arrays(shapes, str(where)).parts["train"]
    except (DataError, OSError, ValueError, EOFError):
        return False
    return len(shapes[images]) in IMAGE_DIMS and labels is not None and shapes[images][0] == shapes[labels][0]


def _shape(file: Path) -> tuple[int, ...]:
    with file.open("rb") as opened:
        return header(opened)[0]


def _holds_images(folder: Path, depth: int = 3) -> bool:
    """Whether image files lie in the folder, or in folders inside (part, class)."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return False
    if any(is_image(one.name) and ignored_file(one.name) is None for one in entries):
        return True
    inner = (one for one in entries if depth and ignored_folder(one.name) is None and one.is_dir())
    return any(_holds_images(one, depth - 1) for one in inner)


def _files(folder: Path) -> dict[str, Path]:
    """The arrays by their names: those in the folder, and those in folders of parts as train/x."""
    inner = [one for one in sorted(folder.iterdir()) if one.name.lower() in PART_OF_NAME and one.is_dir()]
    files = [file for place in (folder, *inner) for file in sorted(place.glob("*.npy")) if file.is_file()]
    return {file.relative_to(folder).with_suffix("").as_posix(): file for file in files}


def read(path: Path, options: DataOptions) -> Raw:
    """The arrays, mapped into memory. Raises DataError for damaged ones, missing names, or pickled objects."""
    if path.is_file():
        raise DataError(f"{path} is one array; images and their labels are two. Give the folder that holds both, named "
                        "X.npy and y.npy, or x_train.npy, y_train.npy, x_test.npy, y_test.npy.")  # fmt: skip
    files = _files(path)
    arrays = {name: _mapped(file) for name, file in files.items()}
    found = find_arrays({name: one.shape for name, one in arrays.items()}, str(path))
    pairs = {part: (arrays[x], None if y is None else arrays[y]) for part, (x, y) in found.parts.items()}
    return from_arrays(pairs, str(path), (found.note(),))


def _mapped(file: Path) -> npt.NDArray[Any]:
    try:
        with file.open("rb") as opened:
            shape, dtype = header(opened)
        if dtype.hasobject:
            raise DataError(f"{file} {PICKLED}.")
        # An array without entries cannot be mapped.
        mapped: npt.NDArray[Any] = np.load(file, mmap_mode="r" if 0 not in shape else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} is truncated or no .npy file: {error}") from None
    return mapped


def header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and number type of an array in NumPy's format, without reading it.

    Args:
        file: opened at its beginning.

    Returns:
        The shape and the type.

    Raises:
        ValueError: it is no such file.
    """
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of NumPy's format is not known here")
    shape, _, dtype = readers[version](file)
    return tuple(shape), dtype
