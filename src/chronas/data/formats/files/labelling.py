"""From a folder or an archive of image files to a data set: whichever way its labels are written."""

from __future__ import annotations

from pathlib import Path

from chronas.data.formats.files import samples
from chronas.data.formats.files.archive import open_archive
from chronas.data.formats.files.classes import read_classes
from chronas.data.formats.files.filenames import read_names, refuse_unlabelled
from chronas.data.formats.files.foreign import refuse_foreign
from chronas.data.formats.files.layout import Layout, find_layout, part_of
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.tables import find_tables, one_answer, read_given, read_tables
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError, UsageError

GENERAL = frozenset(
    ("images", "image", "imgs", "img", "data", "photos", "pictures", "files", "jpg", "jpeg", "png", "all")
)
"""Names of folders that say nothing about the images inside: a single one is no class."""


def read_archive(path: Path, options: DataOptions) -> Raw:
    """The images in an archive, as those of a folder. Raises DataError for a damaged or protected one."""
    return read_files(open_archive(path), options)


def read_files(source: Source, options: DataOptions) -> Raw:
    """The images and labels of `source`. Raises DataError that says what is wrong with them, UsageError."""
    if options.labels is not None and options.label_regex is not None:
        raise UsageError("--labels and --label-regex both say where labels stand. Give one of them.")
    if options.labels is not None:
        return read_given(source, options)
    if options.label_regex is not None:
        return read_names(source, options)
    if samples.holds(source):
        return samples.read([source], source.where)
    refuse_foreign(source)
    layout = find_layout(source)
    if _may_be_flat(layout):
        tables, unclear = find_tables(source, options)
        if tables:
            return read_tables(source, one_answer(source, tables), options)
        if _is_flat(layout):
            raise refuse_unlabelled(source, unclear)
    if options.image_column is not None or options.label_column is not None:
        raise DataError(
            f"{source.where} has class folders, so no table is read. Name the one to use instead: --labels FILE."
        )
    raw = read_classes(source, layout, options)
    return Raw(raw.parts, raw.classes, (*raw.notes, *_unread(source, options)))


def _may_be_flat(layout: Layout) -> bool:
    """Whether the images may lie in no class folders: in one folder at most, or in folders named as parts."""
    full = layout.parts["train"].with_images()
    return len(full) < 2 or all(part_of(inner.name) for inner in full)


def _is_flat(layout: Layout) -> bool:
    """Whether they surely lie in none: beside all folders, in folders of parts, or in one with a general name."""
    train = layout.parts["train"]
    full = train.with_images()
    if not full:
        return bool(train.images)
    general = len(full) == len(train.folders) == 1 and full[0].name.lower() in GENERAL
    return general or all(part_of(inner.name) for inner in full)


def _unread(source: Source, options: DataOptions) -> tuple[str, ...]:
    """A note on tables beside class folders; a damaged one does not matter there."""
    try:
        tables, _ = find_tables(source, options)
    except DataError:
        return ()
    return tuple(
        f"{one.table.name} holds labels too and is not used, for there are class folders: --labels {one.table.name} "
        "takes the labels from it."
        for one in tables
    )
