"""Class folders: `cat/*.jpg dog/*.jpg`, or folders train and test and/or val with class folders inside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from chronas.data.raw import PART_OF_NAME, Encoded, Raw, RawPart
from chronas.errors import DataError

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"))


def matches(path: Path) -> bool:
    """A folder with a folder inside."""
    return path.is_dir() and bool(_folders(path))


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith((".", "__")))


def read(path: Path) -> Raw:
    """The files (not decoded yet). Raises DataError for empty classes or parts of other classes."""
    folders, notes = _parts(path)
    listed = {part: _classes(folders[part]) for part in ("train", "val", "test") if part in folders}
    names = tuple(listed["train"])
    problems = [f"{folders[part] / name} has no images" for part in listed for name in names
                if not listed[part].get(name, True)]  # fmt: skip
    for part in listed:
        missing = [name for name in names if name not in listed[part]]
        strange = [name for name in listed[part] if name not in names]
        if missing or strange:
            problems.append(_difference(folders[part], missing, strange))
    if problems:
        raise DataError(f"The class folders in {path} are not in order:\n  " + "\n  ".join(problems))
    return Raw({part: _part(path, listed[part], names) for part in listed}, names, notes)


def _parts(path: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folder of each part, and a note on what is not used.

    A folder named like a part is one only where it holds folders: `train` may also be a class.
    """
    folders = _folders(path)
    named = [(part, f) for f in folders if (part := PART_OF_NAME.get(f.name.lower())) is not None and _folders(f)]
    parts = dict(named)
    if "train" not in parts:
        if named and len(named) == len(folders):
            raise DataError(f"{path} has {', '.join(f.name for f in folders)} but no folder 'train'.")
        return {"train": path}, ()
    twice = [f.name for part, f in named if parts[part] != f]
    if twice:
        used = [parts[part].name for part, f in named if f.name in twice]
        raise DataError(f"{path} has two folders for one part of the data: {twice[0]} and {used[0]}. Move one away.")
    unused = [f.name for f in folders if f not in parts.values()]
    notes = (f"Not used: {', '.join(unused)} (no split of the data with class folders).",) if unused else ()
    return parts, notes


def _classes(folder: Path) -> dict[str, list[Path]]:
    found = {child.name: image_files(child) for child in _folders(folder)}
    if not found:
        raise DataError(f"{folder} has no class folders; put the images of each class into a folder of its name.")
    if not any(found.values()):
        raise DataError(
            f"No image lies in the class folders of {folder} ({', '.join(list(found)[:5])}). "
            f"Image files end in {', '.join(sorted(SUFFIXES))}."
        )
    return found


def image_files(folder: Path) -> list[Path]:
    """The image files below `folder`, in an order that does not depend on the file system."""
    found = []
    for root, folders, files in os.walk(folder):
        folders.sort()
        found += [Path(root, name) for name in files if _is_image(name)]
    return sorted(found)


def _is_image(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES


def _difference(folder: Path, missing: list[str], strange: list[str]) -> str:
    words = []
    if missing:
        words.append(f"lacks the classes {', '.join(missing[:10])}")
    if strange:
        words.append(f"has classes that train lacks: {', '.join(strange[:10])}")
    return f"{folder} " + " and ".join(words)


def _part(root: Path, classes: dict[str, list[Path]], names: tuple[str, ...]) -> RawPart:
    files = [(file, label) for label, name in enumerate(names) for file in classes[name]]
    items = tuple(Encoded(str(file.relative_to(root)), file) for file, _ in files)
    return RawPart(items, np.asarray([label for _, label in files], dtype=np.int64))
