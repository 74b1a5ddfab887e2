"""MNIST-style IDX files: train-images-idx3-ubyte[.gz] and its labels, t10k (or test) beside."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.data.formats.python.read import from_arrays
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME, Raw
from chronas.errors import DataError

NAME = re.compile(r"(train|t10k|test|val|valid|validation)-images[-.]idx[34]-ubyte(\.gz)?$")
BYTE_TYPE = 0x08
INNER = ("raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw", "EMNIST/raw")


def matches(path: Path, options: DataOptions) -> bool:
    """A folder (or one around it) with ...-images-idx3-ubyte files."""
    return path.is_dir() and bool(_images(path))


def _images(path: Path) -> dict[str, Path]:
    for folder in (path, *(path / name for name in INNER)):
        found: dict[str, Path] = {}
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            match = NAME.search(file.name)
            if match and file.is_file():
                found.setdefault(PART_OF_NAME[match.group(1)], file)
        if found:
            return found
    return {}


def read(path: Path, options: DataOptions) -> Raw:
    """Images and labels. Raises DataError for a wrong magic number, a truncated file, or missing labels."""
    found = _images(path)
    if "train" not in found:
        raise DataError(f"{path} has {', '.join(f.name for f in found.values())} but no train-images file.")
    parts = {}
    for part, file in found.items():
        labels = _labels_of(file)
        parts[part] = (read_idx(file, (3, 4)), read_idx(labels, (1,)))
    return from_arrays({name: parts[name] for name in ("train", "val", "test") if name in parts}, str(path))


def _labels_of(images: Path) -> Path:
    name = re.sub(r"images([-.])idx[34]", r"labels\1idx1", images.name)
    bare = name.removesuffix(".gz")
    for candidate in (bare, bare + ".gz"):
        if (images.parent / candidate).is_file():
            return images.parent / candidate
    raise DataError(f"{images} has no labels beside it: looked for {bare} and {bare}.gz.")


def read_idx(file: Path, dimensions: tuple[int, ...]) -> npt.NDArray[Any]:
    """The array of bytes in an IDX file, which must have one of the given numbers of dimensions."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} is truncated or damaged: {error}.") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != BYTE_TYPE or content[3] not in dimensions:
        raise DataError(
            f"{file} is no IDX file of bytes in {' or '.join(map(str, dimensions))} dimension(s): "
            f"it starts with {content[:4].hex() or 'nothing'}."
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{file} is truncated: its header is cut off.")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    wanted = int(np.prod(shape, dtype=object))
    if len(content) - start != wanted:
        raise DataError(f"{file} is truncated or damaged: {len(content) - start} bytes of {wanted}.")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape).copy()
