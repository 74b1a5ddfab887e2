"""The names of files in a folder or an archive, sorted into images and others: what classes are found from."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from chronas.data.formats import ignored
from chronas.data.formats.counted import MOST_COUNTED
from chronas.errors import DataError

SUFFIXES = frozenset((
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm",
))  # fmt: skip
OTHER_KINDS, OUTSIDE = "of other kinds", "images outside the class folders"


@dataclass
class Tree:
    """A folder: its path below the data ("" for the data itself, "/" between names) and what it holds.

    images, others   the names of its files
    folders          those inside, by name
    fault            why it cannot be read, "" where it can
    """

    path: str = ""
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: dict[str, Tree] = field(default_factory=dict)
    fault: str = ""

    @property
    def name(self) -> str:
        """The last name of its path."""
        return self.path.rpartition("/")[2]

    def within(self, name: str) -> str:
        """The path of something in it."""
        return f"{self.path}/{name}" if self.path else name

    def folder(self, name: str) -> Tree:
        """The folder of that name inside, made where there is none."""
        if name not in self.folders:
            self.folders[name] = Tree(self.within(name))
        return self.folders[name]

    def has_images(self) -> bool:
        """Whether an image lies in it, however deep."""
        return bool(self.images) or any(inner.has_images() for inner in self.folders.values())

    def with_images(self) -> list[Tree]:
        """The folders directly inside that hold images, by name."""
        return [inner for _, inner in sorted(self.folders.items()) if inner.has_images()]

    def walk(self) -> Iterator[Tree]:
        """It and every folder below."""
        yield self
        for _, inner in sorted(self.folders.items()):
            yield from inner.walk()

    def all_images(self) -> Iterator[str]:
        """The paths of all images, in an order that does not depend on the file system: by name at each level."""
        direct = set(self.images)
        for name in sorted(direct | self.folders.keys()):
            if name in direct:
                yield self.within(name)
            if name in self.folders:
                yield from self.folders[name].all_images()


class LeftOut:
    """For each reason a word for every file that is left out (see `counted_note`)."""

    def __init__(self) -> None:
        self.words: dict[str, list[str]] = {}

    def add(self, reason: str, word: str, count: int = 1) -> None:
        """Count `count` files more, up to a limit."""
        words = self.words.setdefault(reason, [])
        words += [printable(word)] * min(count, MOST_COUNTED - len(words))

    def full(self, reason: str) -> bool:
        """Whether there is no use in counting on."""
        return len(self.words.get(reason, ())) >= MOST_COUNTED


def is_image(name: str) -> bool:
    """Whether a file's name ends as those of images do."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def add_file(folder: Tree, name: str, left_out: LeftOut) -> bool:
    """Put a file into its folder; False where its name says that it is never data."""
    reason = ignored.ignored_file(name)
    if reason:
        left_out.add(reason, name)
        return False
    (folder.images if is_image(name) else folder.others).append(name)
    return True


def without_runs(tree: Tree, left_out: LeftOut, top: bool = True) -> Tree:
    """Take out of `tree` what Chronas wrote: runs, folders of nothing but runs, caches. Returns it."""
    for name, inner in list(tree.folders.items()):
        if ignored.CACHE_TAG in inner.others:
            left_out.add(ignored.CACHES, inner.path)
        elif ignored.is_run(inner.others):
            left_out.add(ignored.RUNS, inner.path)
        else:
            held = bool(inner.folders)
            without_runs(inner, left_out, top=False)
            if inner.images or inner.folders or inner.fault or not (held or (name == "runs" and not inner.others)):
                continue
        del tree.folders[name]
    return tree


def refuse_faults(tree: Tree, where: str, skip: bool, left_out: LeftOut) -> None:
    """A DataError for folders that cannot be read; with `skip` they are only counted."""
    faults = [inner for inner in tree.walk() if inner.fault]
    if faults and not skip:
        lines = "\n  ".join(f"{printable(inner.path) or where}: {inner.fault}" for inner in faults[:20])
        raise DataError(
            f"{len(faults)} folder(s) of {where} cannot be read:\n  {lines}\n"
            "Give yourself the right to read them, remove them, or pass --skip-bad to go on without them."
        )
    for inner in faults:
        left_out.add("folders that cannot be read", inner.path)


def printable(name: str) -> str:
    """A name as it can be written anywhere: accents in one form, bytes that are not UTF-8 as \\xE9."""
    if name.isascii():
        return name
    return unicodedata.normalize("NFC", name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
