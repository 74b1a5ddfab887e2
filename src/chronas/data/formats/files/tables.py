"""Images whose labels stand in a table beside them: labels.csv, metadata.csv, train.csv and test.csv."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chronas.data.formats.counted import counted_note
from chronas.data.formats.files.columns import Columns, find_columns, label_of, refuse_columns
from chronas.data.formats.files.filenames import PartFolders
from chronas.data.formats.files.layout import part_of
from chronas.data.formats.files.rows import ImageNames
from chronas.data.formats.files.source import Source
from chronas.data.formats.files.table import SUFFIXES, Table, parse_table
from chronas.data.formats.files.tree import OTHER_KINDS, Tree, printable
from chronas.data.formats.labelled import PARTS, from_labels, plain_number
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME, Encoded, Raw
from chronas.errors import DataError

LISTED = 20


@dataclass(frozen=True)
class Found:
    """A table, the folder in the data that it lies in, its columns, and the part that its name stands for."""

    table: Table
    folder: str
    columns: Columns
    part: str | None


def read_given(source: Source, options: DataOptions) -> Raw:
    """The data with the table of `--labels`. Raises DataError."""
    name = options.labels or ""
    table, folder = _given(source, name)
    names = _image_names(source)
    columns = find_columns(table, options, names.known)
    if columns is None:
        raise refuse_columns(table)
    return read_tables(source, [Found(table, folder, columns, None)], options, names)


def _given(source: Source, name: str) -> tuple[Table, str]:
    """The table of that name: a file as given, or one inside the data."""
    path = Path(name).expanduser()
    inside = printable(path.as_posix().removeprefix("./"))
    for tree in source.tree.walk():
        for other in tree.others:
            if printable(tree.within(other)) == inside and not path.is_file():
                return parse_table(source.bytes_of(tree.within(other)), inside), tree.path
    if not path.is_file():
        what = "is a folder" if path.is_dir() else f"is not there, and not in {source.where}"
        raise DataError(f"The table of labels {name} {what}.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"The table of labels {name} cannot be read: {error.strerror}.") from None
    try:
        folder = path.resolve().parent.relative_to(source.where.resolve()).as_posix()
    except ValueError:
        folder = ""
    return parse_table(content, name), folder.removeprefix(".")


def find_tables(source: Source, options: DataOptions) -> tuple[list[Found], list[Table]]:
    """The tables that hold labels, and those whose columns cannot be told. Raises DataError."""
    for level in _levels(source.tree):
        files = [
            (tree, name)
            for tree in (level, *(inner for inner in level.folders.values() if part_of(inner.name)))
            for name in sorted(tree.others)
            if name.lower().endswith(SUFFIXES) and "submission" not in name.lower()
        ]
        if files:
            return _understood(source, files, options)
    return [], []


def _understood(
    source: Source, files: Sequence[tuple[Tree, str]], options: DataOptions
) -> tuple[list[Found], list[Table]]:
    names = _image_names(source)
    understood, unclear = [], []
    for tree, name in files:
        table = parse_table(source.bytes_of(tree.within(name)), source.place(tree.within(name)))
        columns = find_columns(table, options, names.known)
        if columns is None:
            unclear.append(table)
        else:
            part = part_of(name.rpartition(".")[0]) or part_of(tree.name)
            understood.append(Found(table, tree.path, columns, part))
    return understood, unclear


def _levels(tree: Tree) -> Iterable[Tree]:
    """The folder, and as long as it holds nothing but one folder that one."""
    yield tree
    if len(tree.folders) == 1 and not tree.images:
        yield from _levels(next(iter(tree.folders.values())))


def _image_names(source: Source) -> ImageNames:
    return ImageNames(source.tree.all_images(), PartFolders(source.tree).part)


def one_answer(source: Source, found: Sequence[Found]) -> list[Found]:
    """The tables to read: one, one for each part, or the first of several that say the same. Raises DataError."""
    named = [one.part for one in found]
    if len(found) > 1 and None not in named and len(set(named)) == len(named):
        return list(found)
    first = found[0]
    if all((one.table.header, one.table.rows) == (first.table.header, first.table.rows) for one in found):
        return [first]
    files = ", ".join(one.table.name for one in found)
    raise DataError(f"{source.where} has several tables of labels: {files}. Name the one to use: --labels FILE.")


def read_tables(source: Source, tables: Sequence[Found], options: DataOptions, names: ImageNames | None = None) -> Raw:
    """The images with the labels that `tables` give them. Raises DataError for missing images, contradictions."""
    names = names or _image_names(source)
    parts = PartFolders(source.tree)
    left = source.left_out
    labels: dict[str, tuple[str, str]] = {}
    missing: list[str] = []
    for found in tables:
        for row, line in zip(found.table.rows, found.table.lines, strict=True):
            part = _part_of_row(row, found)
            place = names.find(row[found.columns.image], found.folder, part)
            if place is None:
                missing.append(f"{found.table.name}, line {line}: {row[found.columns.image].strip() or '(no name)'}")
                continue
            label = plain_number(label_of(row, found.columns, found.table.header))
            entry = (label, _part_of_image(found, part, parts.part(place)))
            if labels.setdefault(place, entry) != entry:
                raise _contradiction(place, labels[place], entry, found.table)
    _refuse_missing(missing, tables, names, source, options.skip_bad)
    if missing:
        left.add("rows whose image is not there", "", len(missing))
    listed: dict[str, list[tuple[Encoded, str]]] = {}
    for place in names.images:
        if place not in labels:
            left.add("images without a row", printable(place))
            continue
        label, part = labels[place]
        if label:
            listed.setdefault(part, []).append((source.image(place), label))
        else:
            left.add("images without a label", printable(place))
    _count_others(source, tables)
    return _raw(source, tables, {part: listed[part] for part in PARTS if part in listed})


def _raw(source: Source, tables: Sequence[Found], listed: dict[str, list[tuple[Encoded, str]]]) -> Raw:
    raw = from_labels(listed, ", ".join(one.table.name for one in tables))
    said = counted_note({part: len(one) for part, one in raw.parts.items()}, len(raw.classes), source.left_out.words)
    columns = "; ".join(
        f"{one.table.name} (images: {one.table.header[one.columns.image]}, labels: "
        + (one.table.header[one.columns.label[0]] if len(one.columns.label) == 1 else "the column with a 1")
        + (f", parts: {one.table.header[one.columns.split]})" if one.columns.split is not None else ")")
        for one in tables
    )
    return Raw(raw.parts, raw.classes, (said, f"Labels come from {columns}.", *raw.notes))


def _part_of_row(row: Sequence[str], found: Found) -> str | None:
    if found.columns.split is None:
        return found.part
    return PART_OF_NAME[row[found.columns.split].strip().lower()]


def _part_of_image(found: Found, of_row: str | None, of_folder: str | None) -> str:
    """A column of parts decides, then the folder, then the name of the table."""
    return (of_row if found.columns.split is not None else of_folder or of_row) or "train"


def _contradiction(place: str, first: tuple[str, str], other: tuple[str, str], table: Table) -> DataError:
    said = f"labels {first[0]!r} and {other[0]!r}" if first[0] != other[0] else f"parts {first[1]} and {other[1]}"
    return DataError(
        f"{table.name} gives {printable(place)} the {said}. Chronas gives each image one label: leave one row for each."
    )


def _refuse_missing(
    missing: Sequence[str], tables: Sequence[Found], names: ImageNames, source: Source, skip_bad: bool
) -> None:
    rows = sum(len(one.table.rows) for one in tables)
    if not missing or (skip_bad and len(missing) < rows):
        return
    lines = "\n  ".join(missing[:LISTED]) + (
        f"\n  ... and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
    )
    if len(missing) == rows:
        there = f"Images there are called {printable(names.images[0])}" if names.images else "There are no images"
        advice = f"{there}. Is another column meant (--image-column), or another folder?"
    else:
        advice = "Add the images, remove the rows, or pass --skip-bad to go on without them."
    raise DataError(f"{len(missing)} of {rows} rows name an image that is not in {source.where}:\n  {lines}\n{advice}")


def _count_others(source: Source, tables: Sequence[Found]) -> None:
    """Files of other kinds, without the tables that are read."""
    read = {one.table.name for one in tables}
    for tree in source.tree.walk():
        for name in tree.others:
            if not {source.place(tree.within(name)), printable(tree.within(name))} & read:
                source.left_out.add(OTHER_KINDS, "." + name.rpartition(".")[2].lower())
