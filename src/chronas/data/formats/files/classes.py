"""Class folders: `cat/*.jpg dog/*.jpg`, in parts or not; the same in a folder and in an archive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from chronas.data.formats.counted import counted_note
from chronas.data.formats.files.layout import Layout
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.tree import OTHER_KINDS, OUTSIDE, SUFFIXES, LeftOut, Tree, printable
from chronas.data.formats.labelled import PARTS, some
from chronas.data.options import DataOptions
from chronas.data.raw import Raw, RawPart
from chronas.errors import DataError

LISTED = 20
Classes = dict[str, list[str]]


def read_classes(source: Source, layout: Layout, options: DataOptions) -> Raw:
    """The images of all parts (not decoded yet). Raises DataError for empty classes, or ones that train lacks."""
    listed = {part: _classes(layout.parts[part]) for part in PARTS if part in layout.parts}
    names, notes = _train_classes(source, layout.parts["train"], listed["train"], options.skip_empty)
    parts, problems = {}, []
    for part, classes in listed.items():
        strange = [name for name, images in classes.items() if images and name not in names]
        if strange:
            problems.append(f"{source.place(layout.parts[part].path)} has classes that train lacks: {some(strange)}")
        if any(classes.values()):
            parts[part] = _part(source, classes, names)
        else:
            notes = (*notes, f"Not used: {part}, which has no images.")
    if problems:
        raise DataError(f"The class folders in {source.where} are not in order:\n  " + "\n  ".join(problems))
    _count_others(source.tree, source.left_out)
    _count_outside(source.tree, layout.parts.values(), source.left_out)
    said = counted_note({part: len(one) for part, one in parts.items()}, len(names), source.left_out.words)
    return Raw(parts, names, (said, *layout.notes, *notes))


def _classes(tree: Tree) -> Classes:
    """The images of each class folder; two names that differ in how an accent is written are one class."""
    found: Classes = {}
    for name, inner in sorted(tree.folders.items()):
        found.setdefault(printable(name), []).extend(inner.all_images())
    return found


def _train_classes(
    source: Source, tree: Tree, classes: Mapping[str, list[str]], skip_empty: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes, and a note on those left out."""
    where = source.place(tree.path)
    if not classes:
        raise DataError(f"{where} has no class folders; put the images of each class into a folder of its name.")
    if not any(classes.values()):
        raise DataError(
            f"No image lies in the class folders of {where} ({', '.join(list(classes)[:5])}). "
            f"Image files end in {', '.join(sorted(SUFFIXES))}." + _endings(tree)
        )
    empty = [name for name, images in classes.items() if not images]
    if empty and not skip_empty:
        lines = "\n  ".join(f"{source.place(tree.within(name))} has no images" for name in empty[:LISTED])
        more = f"\n  ... and {len(empty) - LISTED} more" if len(empty) > LISTED else ""
        raise DataError(
            f"The class folders in {source.where} are not in order:\n  {lines}{more}\n"
            "Add images, remove the folder, or pass --skip-empty to go on without such classes."
        )
    notes = (f"Left out, for they have no images: the classes {some(empty)}.",) if empty else ()
    return tuple(name for name, images in classes.items() if images), notes


def _endings(tree: Tree) -> str:
    """What lies there instead of images."""
    found = sorted({ending(name) for inner in tree.walk() for name in inner.others})
    return f" Found: {', '.join(found[:10])}." if found else ""


def _part(source: Source, classes: Mapping[str, list[str]], names: tuple[str, ...]) -> RawPart:
    files = [(path, label) for label, name in enumerate(names) for path in classes.get(name, ())]
    items = tuple(source.image(path) for path, _ in files)
    return RawPart(items, np.asarray([label for _, label in files], dtype=np.int64))


def _count_others(tree: Tree, left_out: LeftOut) -> None:
    for inner in tree.walk():
        for name in inner.others:
            left_out.add(OTHER_KINDS, ending(name))


def _count_outside(tree: Tree, parts: Iterable[Tree], left_out: LeftOut) -> None:
    """Images beside the class folders, and in the folders around."""
    paths = {part.path for part in parts}
    around = {path[:cut] for path in paths for cut in [0, *(i for i, c in enumerate(path) if c == "/"), len(path)]}
    for inner in tree.walk():
        if inner.path in around:
            for name in inner.images:
                left_out.add(OUTSIDE, name)


def ending(name: str) -> str:
    """The ending of a file's name, in words where there is none."""
    return os.path.splitext(name)[1].lower() or "without ending"
