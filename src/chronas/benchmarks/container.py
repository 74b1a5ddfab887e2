"""One table in one file that is mapped into memory: a JSON header, then little-endian arrays. Nothing is executed.

    bytes 0-7    the letters CHRTABLE
    8-11         format number (uint32)        12-15   CRC-32 of the header (uint32)
    16-23        length of the header (uint64)
    24-          header: UTF-8 JSON with name, space, settings, datasets, facts, rows, size of the file, and for each
                 array its name, group, dataset, epochs, dtype, shape, offset in the file and CRC-32
    then         the arrays, each beginning at a multiple of 64

An array's checksum is verified when it is first read, so opening a large table costs nothing.
"""

from __future__ import annotations

import dataclasses
import json
import math
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chronas.benchmarks.contents import GROUPS, Array, Contents, Facts
from chronas.errors import EnvironmentFault, TableError

MAGIC = b"CHRTABLE"
FORMAT = 1
ALIGN = 64
DTYPES = ("|u1", "<u2", "<u4", "<i4", "<i8", "<f4", "<f8")
_PREFIX = struct.Struct("<8sIIQ")
_MOST_HEADER = 1 << 24
AGAIN = "Make it again with chronas import-table, or copy it again."


@dataclass(frozen=True)
class Entry:
    """Where one array lies and what it is."""

    name: str
    group: str
    dataset: str | None
    epochs: int | None
    dtype: str
    shape: tuple[int, ...]
    offset: int
    crc: int

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class Header:
    """The header of a file."""

    name: str
    space: str
    settings: dict[str, Any]
    datasets: tuple[str, ...]
    facts: Facts
    rows: int
    entries: dict[str, Entry]


class Container:
    """An open table file. Raises TableError, naming the file and what to do, for anything but an intact table."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._map = _mapped(path)
        self.header = _header(self._map, path)
        self._checked: dict[str, Array] = {}

    def array(self, name: str) -> Array:
        """The array `name`, read-only, mapped from the file; its checksum is verified the first time."""
        if name not in self._checked:
            entry = self.header.entries[name]
            flat = np.frombuffer(self._map, np.uint8, count=entry.size, offset=entry.offset)
            if zlib.crc32(flat.data) != entry.crc:
                raise TableError(f"{self.path} is damaged: the checksum of {name!r} does not match. {AGAIN}")
            self._checked[name] = flat.view(np.dtype(entry.dtype)).reshape(entry.shape)
        return self._checked[name]


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < _PREFIX.size:
                raise TableError(f"{path} is no table of Chronas: it is too short. {AGAIN}")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise TableError(f"Cannot read the table {path}: {error.strerror or error}.") from error


def _header(mapped: mmap.mmap, path: Path) -> Header:
    magic, number, crc, length = _PREFIX.unpack(mapped[: _PREFIX.size])
    if magic != MAGIC:
        raise TableError(
            f"{path} is no table of Chronas. Official benchmark files are converted once with:"
            f" chronas import-table KIND {path} --out FILE.table"
        )
    if number != FORMAT:
        older = "upgrade Chronas" if number > FORMAT else "make it again"
        raise TableError(f"{path} has table format {number}, this version reads {FORMAT}: {older}.")
    text = mapped[_PREFIX.size : _PREFIX.size + min(length, _MOST_HEADER)]
    if len(text) < length:
        raise TableError(f"{path} is truncated: it ends inside its header. {AGAIN}")
    if zlib.crc32(text) != crc:
        raise TableError(f"{path} is damaged: the checksum of its header does not match. {AGAIN}")
    try:
        tree = json.loads(text)
        header = _parsed(tree)
        size = int(tree["size"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableError(f"{path} has a header that makes no sense ({error!r}). {AGAIN}") from error
    if len(mapped) != size:
        raise TableError(f"{path} is truncated: it has {len(mapped)} bytes of {size}. {AGAIN}")
    return header


def _parsed(tree: dict[str, Any]) -> Header:
    """The header out of its JSON; raises ValueError and its like for anything that does not fit together."""
    rows, size = int(tree["rows"]), int(tree["size"])
    entries = {str(item["name"]): _entry(item, rows, size) for item in tree["arrays"]}
    if len(entries["choices"].shape) != 2 or len(entries) != len(tree["arrays"]):
        raise ValueError("choices are no matrix, or a name stands twice")
    facts = Facts(**{**tree["facts"], "caveats": tuple(tree["facts"]["caveats"])})
    return Header(
        str(tree["name"]), str(tree["space"]), dict(tree["settings"]), tuple(tree["datasets"]), facts, rows, entries
    )


def _entry(item: dict[str, Any], rows: int, size: int) -> Entry:
    entry = Entry(**{**item, "shape": tuple(item["shape"])})
    if entry.dtype not in DTYPES or (entry.group not in GROUPS and entry.name != "choices"):
        raise ValueError(f"array {entry.name!r} of {entry.group!r} in {entry.dtype!r}")
    if any(type(number) is not int or number < 0 for number in (*entry.shape, entry.offset, entry.crc)):
        raise ValueError(f"numbers of {entry.name!r}")
    if entry.shape[:1] != (rows,) or entry.offset % ALIGN or entry.offset + entry.size > size:
        raise ValueError(f"shape or place of {entry.name!r}")
    return entry


def write(path: Path, contents: Contents) -> None:
    """Replace `path` by a file of `contents`, atomically. The same contents give the same bytes.

    Raises EnvironmentFault when the disk refuses.
    """
    body = _file_bytes(contents)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise EnvironmentFault(f"Cannot write {path}: {error.strerror or error}. Check --out and the disk.") from error


def _file_bytes(contents: Contents) -> bytes:
    """Header and arrays. Offsets depend on the header's length, so it is padded to a length that is known before."""
    described = [("choices", "choices", None, None, contents.choices)]
    described += [(c.name, c.group, c.dataset, c.epochs, c.values) for c in contents.columns]  # type: ignore[misc]
    data = bytearray()
    arrays: list[dict[str, Any]] = []
    for name, group, dataset, epochs, values in described:
        raw = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"))
        data += bytes(-len(data) % ALIGN)
        arrays.append({"name": name, "group": group, "dataset": dataset, "epochs": epochs, "dtype": raw.dtype.str,
                       "shape": list(raw.shape), "offset": len(data), "crc": zlib.crc32(raw.tobytes())})  # fmt: skip
        data += raw.tobytes()
    tree = {
        "name": contents.name, "space": contents.space, "settings": dict(contents.settings),
        "datasets": list(contents.datasets), "facts": dataclasses.asdict(contents.facts),
        "rows": len(contents.choices), "size": 0, "arrays": arrays,
    }  # fmt: skip
    room = len(json.dumps(tree)) + 24 * (len(arrays) + 1)
    start = _PREFIX.size + room
    start += -start % ALIGN
    for item in arrays:
        item["offset"] += start
    tree["size"] = start + len(data)
    text = json.dumps(tree).encode().ljust(start - _PREFIX.size)
    return _PREFIX.pack(MAGIC, FORMAT, zlib.crc32(text), len(text)) + text + bytes(data)
