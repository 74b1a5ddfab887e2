"""A folder of image files: class folders, a table of labels beside the images, or labels in their names."""

from __future__ import annotations

from pathlib import Path

from chronas.data.formats import ignored
from chronas.data.formats.files.labelling import read_files
from chronas.data.formats.files.source import open_folder
from chronas.data.formats.files.tree import SUFFIXES, is_image
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError

__all__ = ["SUFFIXES", "image_files", "matches", "read"]


def matches(path: Path, options: DataOptions) -> bool:
    """A folder with a folder or an image inside."""
    if not path.is_dir():
        return False
    try:
        return any(_may_be_data(entry) for entry in path.iterdir())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None


def _may_be_data(entry: Path) -> bool:
    if entry.is_dir():
        return ignored.ignored_folder(entry.name) is None
    return is_image(entry.name) and ignored.ignored_file(entry.name) is None


def read(path: Path, options: DataOptions) -> Raw:
    """The files (not decoded yet). Raises DataError where labels cannot be found, or classes are not in order."""
    return read_files(open_folder(path, options.skip_bad), options)


def image_files(folder: Path) -> list[Path]:
    """The image files below `folder`, in an order that does not depend on the file system.

    Hidden files and folders, those of the system and Chronas' own runs are left out. Raises DataError for a folder
    that cannot be read.
    """
    source = open_folder(folder)
    return [folder / path for path in source.tree.all_images()]
