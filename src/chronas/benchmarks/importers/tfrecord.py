"""TFRecord files without TensorFlow: framing and checksums.

A record is: length (uint64), masked CRC-32C of the length (uint32), the bytes, masked CRC-32C of the bytes (uint32),
all little-endian. Masked: rotated right by 15 bits, plus a constant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from chronas.errors import TableError

_HEAD = struct.Struct("<QI")
_FOOT = struct.Struct("<I")
BATCH = 4096
MOST_BYTES = 1 << 24
POLYNOMIAL = 0x82F63B78

U32 = npt.NDArray[np.uint32]


def _crc_table() -> U32:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & np.uint32(1), (table >> np.uint32(1)) ^ np.uint32(POLYNOMIAL), table >> np.uint32(1))
    return table.astype(np.uint32)


_TABLE = _crc_table()


def masked_crc32c(chunks: Sequence[bytes]) -> U32:
    """The masked CRC-32C of each of `chunks`. All at once, byte by byte: Python alone would take hours for 2 GB."""
    lengths = np.asarray([len(chunk) for chunk in chunks], dtype=np.int64)
    order = np.argsort(-lengths, kind="stable")
    padded = np.zeros((len(chunks), int(lengths.max(initial=0))), dtype=np.uint8)
    for row, place in enumerate(order):
        padded[row, : lengths[place]] = np.frombuffer(chunks[place], dtype=np.uint8)
    columns = np.ascontiguousarray(padded.T)
    running = np.searchsorted(-lengths[order], -np.arange(1, padded.shape[1] + 1), side="right")
    crc = np.full(len(chunks), 0xFFFFFFFF, dtype=np.uint32)
    for column, alive in zip(columns, running, strict=True):
        part = crc[:alive]
        crc[:alive] = _TABLE[(part ^ column[:alive]) & np.uint32(0xFF)] ^ (part >> np.uint32(8))
    crc = ~crc
    rotated = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    found = np.empty_like(rotated)
    found[order] = rotated + np.uint32(0xA282EAD8)
    return found


def records(path: Path) -> Iterator[bytes]:
    """The records of a file, in order. Raises TableError for a truncated or damaged one."""
    with path.open("rb") as file:
        while batch := _batch(file, path):
            _verify(path, batch)
            yield from (data for _, _, data, _ in batch)


Framed = tuple[bytes, int, bytes, int]
"""The bytes of the length, their checksum, the record, its checksum."""


def _batch(file: BinaryIO, path: Path) -> list[Framed]:
    found: list[Framed] = []
    while len(found) < BATCH and (head := file.read(_HEAD.size)):
        if len(head) < _HEAD.size:
            raise _truncated(path)
        length, length_crc = _HEAD.unpack(head)
        if length > MOST_BYTES:
            raise TableError(f"{path} is no TFRecord file, or it is damaged (a record of {length} bytes).")
        body = file.read(length + _FOOT.size)
        if len(body) < length + _FOOT.size:
            raise _truncated(path)
        found.append((head[:8], length_crc, body[:length], _FOOT.unpack(body[length:])[0]))
    return found


def _verify(path: Path, batch: list[Framed]) -> None:
    for place, what in ((0, "length"), (2, "content")):
        computed = masked_crc32c([item[place] for item in batch])  # type: ignore[misc]
        stored = np.asarray([item[place + 1] for item in batch], dtype=np.uint32)
        if not np.array_equal(computed, stored):
            raise TableError(f"{path} is damaged: the checksum of a record's {what} does not match. Copy it again.")


def _truncated(path: Path) -> TableError:
    return TableError(f"{path} is truncated: it ends inside a record. Copy or download it again.")
