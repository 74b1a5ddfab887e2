"""Where images come from, a folder or an archive: the tree of names, and what lies behind each."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chronas.data.formats import ignored
from chronas.data.formats.files.tree import LeftOut, Tree, add_file, printable, refuse_faults, without_runs
from chronas.data.raw import Encoded, Member
from chronas.errors import DataError

DEEPEST = 50
"""Folders inside folders are followed so far: no data lies deeper, and a loop of links does."""
TOO_DEEP, LOOPS = "in folders nested too deep", "links to a folder around them"


@dataclass
class Source:
    """A folder or an archive.

    where     its path, as messages name it
    tree      the names of what lies in it, without what is never data
    content   the file of a path in it, its place in the archive, or its bytes
    left_out  what does not count, and why
    """

    where: Path
    tree: Tree
    content: Callable[[str], Path | Member | bytes]
    left_out: LeftOut = field(default_factory=LeftOut)

    def image(self, path: str) -> Encoded:
        """The image at `path`, to be decoded."""
        return Encoded(printable(path), self.content(path))

    def bytes_of(self, path: str) -> bytes:
        """What a small file holds. Raises DataError."""
        content = self.content(path)
        try:
            if isinstance(content, Path):
                return content.read_bytes()
            return content if isinstance(content, bytes) else content.read()
        except (OSError, ValueError) as error:
            raise DataError(f"{self.place(path)} cannot be read: {error}") from None

    def place(self, path: str) -> str:
        """How messages name what lies at `path`."""
        return str(self.where / printable(path)) if path else str(self.where)


def open_folder(path: Path, skip_unreadable: bool = False) -> Source:
    """The files in a folder of the file system. Raises DataError for folders that cannot be read."""
    left_out = LeftOut()
    tree = Tree()
    _scan(str(path), tree, left_out, ())
    if ignored.is_run(tree.others):
        raise DataError(f"{path} is a run of Chronas, not data. See what came of it: chronas show {path}")
    without_runs(tree, left_out)
    refuse_faults(tree, str(path), skip_unreadable, left_out)
    return Source(path, tree, _Paths(path), left_out)


class _Paths:
    """The file of a path below a folder; each folder's own path is made once, for there may be 100,000 files."""

    def __init__(self, root: Path) -> None:
        self._folders = {"": root}

    def __call__(self, path: str) -> Path:
        above, _, name = path.rpartition("/")
        folder = self._folders.get(above)
        if folder is None:
            folder = self._folders[above] = self._folders[""] / above
        return folder / name


def _scan(place: str, tree: Tree, left_out: LeftOut, around: tuple[tuple[int, int], ...]) -> None:
    """Fill `tree` from the folder `place`. No file is looked at: the folder tells which are folders."""
    try:
        mark = os.stat(place)
        with os.scandir(place) as entries:
            found = sorted((entry.name, is_folder(entry)) for entry in entries)
    except OSError as error:
        tree.fault = error.strerror or str(error)
        return
    around = (*around, (mark.st_dev, mark.st_ino))
    for name, inner in found:
        if not inner:
            add_file(tree, name, left_out)
            continue
        inside = os.path.join(place, name)
        reason = ignored.ignored_folder(name)
        if reason:
            _count(inside, name, reason, left_out)
        elif len(around) > DEEPEST:
            _count(inside, name, TOO_DEEP, left_out)
        elif _is_loop(inside, around):
            left_out.add(LOOPS, name)
        else:
            _scan(inside, tree.folder(name), left_out, around)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself: a file that cannot be read
        return False


def _is_loop(place: str, around: tuple[tuple[int, int], ...]) -> bool:
    """Whether `place` is one of the folders around it, through a link."""
    try:
        mark = os.stat(place)
    except OSError:
        return False
    return (mark.st_dev, mark.st_ino) in around


def _count(place: str, name: str, reason: str, left_out: LeftOut) -> None:
    """Count the files below a folder that is left out; what cannot be read there does not matter."""
    for _, _, files in os.walk(place):
        left_out.add(reason, name, len(files))
        if left_out.full(reason):
            break
