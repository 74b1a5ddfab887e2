"""Which folders are parts (train, val, test) and which are classes; the same for folders and archives."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from chronas.data.formats.files.source import Source
from chronas.data.formats.files.tree import Tree, printable
from chronas.data.raw import PART_OF_NAME
from chronas.errors import DataError

PARTS = ("train", "val", "test")
_AROUND = frozenset((
    "set", "data", "dataset", "images", "image", "imgs", "img", "split", "folder", "seg", "part", "label", "labels",
    "metadata", "annotations", "csv",
))  # fmt: skip
"""Words that stand beside that of a part in the name of its folder: training_set, test-images, seg_train."""


@dataclass(frozen=True)
class Layout:
    """The folders of the parts (train always there) and sentences on what was decided."""

    parts: dict[str, Tree]
    notes: tuple[str, ...] = ()


def part_of(name: str) -> str | None:
    """The part that a folder or a table of this name stands for: train, Validation, test_images; else None."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    found = [PART_OF_NAME[word] for word in words if word in PART_OF_NAME]
    others = [word for word in words if word not in PART_OF_NAME and word not in _AROUND]
    return found[0] if len(found) == 1 and not others else None


def part_of_words(name: str) -> str | None:
    """The only part that a word of `name` stands for: imagenet-val-00001.tar; None without or with several."""
    words = re.split(r"[^a-z0-9]+", name.lower())
    found = {PART_OF_NAME[word] for word in words if word in PART_OF_NAME}
    return found.pop() if len(found) == 1 else None


def named_parts(tree: Tree) -> list[tuple[str, Tree]]:
    """The folders that hold the class folders of a part: `train` may also be a class, which holds images alone."""
    found = [(part_of(name), inner) for name, inner in sorted(tree.folders.items()) if inner.folders]
    return [(part, inner) for part, inner in found if part]


def find_layout(source: Source) -> Layout:
    """The folders of the parts. Raises DataError where they cannot be told."""
    inner, notes = unwrapped(source, source.tree)
    named = named_parts(inner)
    parts = dict(named)
    if "train" not in parts:
        _refuse_no_train(source, inner, named)
        return Layout({"train": inner}, notes)
    for part, folder in named:
        if parts[part] is not folder:
            raise DataError(
                f"{source.place(inner.path)} has two folders for one part of the data: {folder.name} and "
                f"{parts[part].name}. Move one away."
            )
    beside = [one for _, one in sorted(inner.folders.items()) if one not in parts.values()]
    notes = (*notes, *_unused(beside))
    found = {}
    for part in PARTS:
        if part in parts:
            found[part], more = unwrapped(source, parts[part], part)
            notes = (*notes, *more)
    return Layout(found, notes)


def unwrapped(source: Source, tree: Tree, part: str | None = None) -> tuple[Tree, tuple[str, ...]]:
    """The folder that is the data where others lie around it (`photos/photos/cat`), and a note that says so."""
    inner = tree
    while (next_one := _wrapped(inner, part)) is not None:
        inner = next_one
    if inner is tree:
        return tree, ()
    around = source.place(tree.path)
    return inner, (f"Read from the folder {printable(inner.path)}, which is the data set in {around}.",)


def _wrapped(tree: Tree, part: str | None) -> Tree | None:
    """The only folder with images, unless it is a class: of one that holds images itself, or nothing but one class.

    Inside a part another folder of its name may lie: seg_train/seg_train.
    """
    if part is None and _has_train(tree):
        return None
    full = tree.with_images()
    if len(full) != 1 or full[0].images or (part is None and part_of(full[0].name)):
        return None
    return full[0] if _is_data(full[0]) else None


def _is_data(tree: Tree) -> bool:
    """Whether a folder is a data set: has a part train, or several folders with images, or is around one that has."""
    full = tree.with_images()
    return _has_train(tree) or len(full) > 1 or (len(full) == 1 and not full[0].images and _is_data(full[0]))


def _has_train(tree: Tree) -> bool:
    return any(part == "train" for part, _ in named_parts(tree))


def _refuse_no_train(source: Source, tree: Tree, named: list[tuple[str, Tree]]) -> None:
    """A DataError for folders that are parts, but none train; and for several data sets side by side."""
    where = source.place(tree.path)
    if named and len(named) == len(tree.folders):
        raise DataError(f"{where} has {', '.join(inner.name for _, inner in named)} but no folder 'train'.")
    whole = [inner for inner in tree.with_images() if _has_train(inner)]
    if whole:
        listed = "\n  ".join(source.place(inner.path) for inner in whole[:10])
        raise DataError(
            f"{where} holds {len(whole)} data set(s) with a folder 'train' of their own, beside other folders with "
            f"images. Give the one to read:\n  {listed}"
        )


def _unused(folders: Iterable[Tree]) -> tuple[str, ...]:
    """A note on folders beside train and test that hold no classes of a part."""
    named = [f"{printable(one.name)} ({_images(one)})" for one in folders]
    return (f"Not used: {', '.join(named)}: no split of the data with class folders.",) if named else ()


def _images(tree: Tree) -> str:
    count = sum(len(inner.images) for inner in tree.walk())
    return f"{count:,} images" if count > 1 else "1 image" if count else "no images"
