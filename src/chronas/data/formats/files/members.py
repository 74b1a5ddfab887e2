"""Images inside archives, read in place: the archive is opened for each, so nothing is shared between processes."""

from __future__ import annotations

import bz2
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from chronas.data.raw import Member

STORED, DEFLATED, BZIP2 = 0, 8, 12
"""Numbers of zip's ways to compress."""
LARGEST_IMAGE = 1 << 30
"""No image file is larger; an archive may announce anything."""
LOCAL_HEADER = struct.Struct("<4s22xHH")


@dataclass(frozen=True)
class ArchiveFile:
    """An archive as it was when its names were read."""

    path: Path
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> ArchiveFile:
        """The archive at `path`. Raises OSError."""
        found = path.stat()
        return cls(path, found.st_size, found.st_mtime_ns)

    def piece(self, offset: int, length: int) -> bytes:
        """`length` bytes at `offset`. Raises OSError; ValueError where the file is another now, or shorter."""
        with open(self.path, "rb", buffering=0) as opened:
            now = os.fstat(opened.fileno())
            if (now.st_size, now.st_mtime_ns) != (self.size, self.changed):
                raise ValueError(f"{self.path} has changed since its names were read")
            opened.seek(offset)
            found = opened.read(length)
        if len(found) < length:
            raise ValueError(f"{self.path} is cut off")
        return found

    def stamp(self, offset: int) -> str:
        """What changes when the bytes at `offset` do."""
        return f"{self.path}\0{self.size}\0{self.changed}\0{offset}"


@dataclass(frozen=True, slots=True)
class Slice(Member):
    """Bytes that lie in a file as they are: a member of a plain tar."""

    archive: ArchiveFile
    offset: int
    length: int

    @property
    def nbytes(self) -> int:
        """Size of the encoded image in bytes."""
        return self.length

    def read(self) -> bytes:
        """The encoded image. Raises OSError, ValueError."""
        return self.archive.piece(self.offset, self.length)

    def stamp(self) -> str:
        """Archive, size, time and place."""
        return self.archive.stamp(self.offset)


@dataclass(frozen=True, slots=True)
class Zipped(Member):
    """A member of a zip: where its header lies, how it is compressed, sizes and checksum."""

    archive: ArchiveFile
    offset: int
    method: int
    packed: int
    length: int
    checksum: int

    @property
    def nbytes(self) -> int:
        """Size of the encoded image in bytes."""
        return self.length

    def read(self) -> bytes:
        """The encoded image. Raises OSError, ValueError."""
        if self.length > LARGEST_IMAGE:
            raise ValueError(f"too large for an image: {self.length:,} bytes")
        mark, name, extra = LOCAL_HEADER.unpack(self.archive.piece(self.offset, LOCAL_HEADER.size))
        if mark != b"PK\3\4":
            raise ValueError(f"{self.archive.path} is damaged")
        packed = self.archive.piece(self.offset + LOCAL_HEADER.size + name + extra, self.packed)
        try:
            found = self._unpacked(packed)
        except (zlib.error, OSError, EOFError) as error:
            raise ValueError(f"damaged in the archive: {error}") from None
        if len(found) != self.length or zlib.crc32(found) != self.checksum:
            raise ValueError("damaged in the archive: its checksum differs")
        return found

    def _unpacked(self, packed: bytes) -> bytes:
        # Never more than was announced, whatever the bytes would unfold to.
        if self.method == DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, self.length + 1)
        if self.method == BZIP2:
            return bz2.BZ2Decompressor().decompress(packed, self.length + 1)
        return packed

    def stamp(self) -> str:
        """Archive, size, time and place."""
        return self.archive.stamp(self.offset)
