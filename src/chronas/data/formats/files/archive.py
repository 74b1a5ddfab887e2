"""Archives of images, read in place: .zip and .tar member by member, compressed tars once into memory."""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from tarfile import HeaderError, ReadError
from typing import Literal, Self

from chronas.data.formats import ignored
from chronas.data.formats.files.members import BZIP2, DEFLATED, STORED, ArchiveFile, Slice, Zipped
from chronas.data.formats.files.source import DEEPEST, TOO_DEEP, Source
from chronas.data.formats.files.tree import LeftOut, Tree, add_file, is_image, printable, without_runs
from chronas.data.options import DataOptions
from chronas.data.raw import Member
from chronas.errors import DataError
from chronas.memory import free_memory

TAR = re.compile(r"\.(tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", re.IGNORECASE)
PLAIN_TAR = re.compile(r"\.tar$", re.IGNORECASE)
FOREIGN = re.compile(r"\.(rar|7z|tzst|tar\.(zst|lz4?|lzma))$", re.IGNORECASE)
OUTWARD, LINKS = "with paths that lead out of the archive", "links in the archive"
SMALL = (".csv", ".tsv", ".jsonl", ".txt", ".cls", ".json")
"""Files beside images that are kept out of a compressed tar: labels stand in them."""
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
PACKED: dict[bytes, Literal["r:gz", "r:bz2", "r:xz"]] = {b"\x1f\x8b": "r:gz", b"BZh": "r:bz2", b"\xfd7zXZ\0": "r:xz"}
BAD_HEADERS = ("InvalidHeaderError", "TruncatedHeaderError")
WAYS = {9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ"}
ENCRYPTED, UTF8 = 0x1, 0x800
Contents = dict[str, Member | bytes]


def matches(path: Path, options: DataOptions) -> bool:
    """A file whose name ends as those of archives do."""
    return path.is_file() and bool(path.suffix.lower() == ".zip" or TAR.search(path.name) or FOREIGN.search(path.name))


def open_archive(path: Path) -> Source:
    """The names in an archive and the place of each. Raises DataError; nothing is unpacked to the disk."""
    left_out = LeftOut()
    try:
        if path.suffix.lower() == ".zip":
            found = _zip(path, left_out)
        elif TAR.search(path.name):
            found = _tar(path, left_out)
        else:
            raise DataError(
                f"{path} is of a kind that is not read. Archives may be .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz; "
                "unpack it, and give the folder."
            )
    except DAMAGED as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise DataError(f"{path} is damaged, cut off, or no such archive: {reason}.") from None
    tree = Tree()
    contents: Contents = {}
    for name, content in found.items():
        place = name if name in contents else _put(tree, name, contents, left_out)
        if place is not None:
            contents[place] = content
    return Source(path, without_runs(tree, left_out), contents.__getitem__, left_out)


def _put(tree: Tree, name: str, contents: Contents, left_out: LeftOut) -> str | None:
    """Put a file into the tree, where its name lets it be data; its path there. Names of Windows have backslashes."""
    names = [one for one in name.replace("\\", "/").split("/") if one not in ("", ".")]
    if ".." in names or not names:
        left_out.add(OUTWARD, "")
        return None
    hidden = next((one for one in names[:-1] if ignored.ignored_folder(one)), None)
    if hidden is not None:
        left_out.add(ignored.ignored_folder(hidden) or "", hidden)
        return None
    if len(names) > DEEPEST:
        left_out.add(TOO_DEEP, "")
        return None
    place = "/".join(names)
    if place in contents:
        return place
    for one in names[:-1]:
        tree = tree.folder(one)
    return place if add_file(tree, names[-1], left_out) else None


def _zip(path: Path, left_out: LeftOut) -> Contents:
    with zipfile.ZipFile(path) as opened:
        infos = [info for info in opened.infolist() if not info.is_dir()]
    archive = ArchiveFile.of(path)
    found: Contents = {}
    for info in infos:
        name = _zip_name(info)
        if info.external_attr >> 16 & 0o170000 == 0o120000:
            left_out.add(LINKS, name)
            continue
        if info.flag_bits & ENCRYPTED:
            raise DataError(f"{path} is protected by a password ({printable(name)}). Unpack it, and give the folder.")
        if info.compress_type not in (STORED, DEFLATED, BZIP2) and is_image(name):
            kind = WAYS.get(info.compress_type, f"way {info.compress_type}")
            raise DataError(
                f"{path} is compressed in a way that is not read ({kind}, {printable(name)}). "
                "Write it anew with the usual one (deflate), or unpack it."
            )
        sizes = info.compress_size, info.file_size
        found[name] = Zipped(archive, info.header_offset, info.compress_type, *sizes, info.CRC)
    return found


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name, also of programs that write UTF-8 and do not say so."""
    if info.flag_bits & UTF8 or info.filename.isascii():
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename


class _Strict(tarfile.TarInfo):
    """A header that is damaged is an error, not the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> Self:
        """The next header."""
        try:
            return super().fromtarfile(tarfile)
        except HeaderError as error:
            if type(error).__name__ not in BAD_HEADERS:  # the usual end
                raise
            raise ReadError(f"{error} at byte {tarfile.offset}") from None


def _tar(path: Path, left_out: LeftOut) -> Contents:
    # What its first bytes are counts, not its name.
    with path.open("rb") as opened:
        start = opened.read(6)
    kind = next((kind for mark, kind in PACKED.items() if start.startswith(mark)), None)
    if kind is None:
        with tarfile.open(path, "r:", tarinfo=_Strict) as plain:
            return _plain_tar(plain, path, left_out)
    with tarfile.open(path, kind, tarinfo=_Strict) as packed:
        return _packed_tar(packed, path, left_out)


def _members(opened: tarfile.TarFile, left_out: LeftOut) -> Iterator[tarfile.TarInfo]:
    """The files in a tar; also links to files before them, which stand for the same bytes."""
    while (member := opened.next()) is not None:
        if member.isreg() or member.islnk():
            yield member
        elif not member.isdir():
            left_out.add(LINKS if member.issym() else "special files", member.name)


def _plain_tar(opened: tarfile.TarFile, path: Path, left_out: LeftOut) -> Contents:
    archive = ArchiveFile.of(path)
    found: Contents = {}
    for member in _members(opened, left_out):
        if member.islnk():
            if member.linkname in found:
                found[member.name] = found[member.linkname]
            continue
        if member.issparse():
            left_out.add("special files", member.name)
            continue
        found[member.name] = Slice(archive, member.offset_data, member.size)
    return found


def _packed_tar(opened: tarfile.TarFile, path: Path, left_out: LeftOut) -> Contents:
    limit, held = free_memory() // 2, 0
    found: Contents = {}
    for member in _members(opened, left_out):
        name = member.name
        if member.islnk():
            if member.linkname in found:
                found[name] = found[member.linkname]
            continue
        wanted = is_image(name) or name.lower().endswith(SMALL)
        held += member.size if wanted else 0
        if held > limit:
            raise DataError(
                f"{path} holds more than the {limit / 2**30:.1f} GiB of memory that may be used for it: a compressed "
                "tar is kept in memory as a whole. Write it as .zip or .tar, or unpack it."
            )
        taken = opened.extractfile(member) if wanted else None
        found[name] = taken.read() if taken is not None else b""
        opened.members = []  # type: ignore[attr-defined]  # what was read is not asked for again
    return found
