"""Which columns of a table hold the names of images, the labels, the split."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chronas.data.formats.files.table import Table
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME
from chronas.errors import DataError

IMAGE_NAMES = (
    "file_name", "filename", "file", "image", "img", "image_name", "img_name", "image_path", "img_path", "image_file",
    "file_path", "filepath", "filepaths", "path", "paths", "fname", "images", "imgs", "photo", "picture", "image_id",
    "img_id", "id_code", "id", "name", "uuid",
)  # fmt: skip
LABEL_NAMES = (
    "label", "labels", "class", "class_name", "classname", "label_name", "category", "category_name", "target", "y",
    "breed", "species", "variety", "diagnosis", "dx", "disease", "class_id", "label_id", "category_id", "class_label",
    "class_index", "ground_truth", "gt",
)  # fmt: skip
SPLIT_NAMES = ("split", "set", "subset", "partition", "phase", "usage", "fold", "data_set", "dataset")


@dataclass(frozen=True)
class Columns:
    """Where a table holds what.

    image     the place of the names
    label     the places of the labels: one column, or several of zeros and a single one
    split     the place of train, val, test; None where there is none
    """

    image: int
    label: tuple[int, ...]
    split: int | None


def find_columns(table: Table, options: DataOptions, known: Callable[[str], bool]) -> Columns | None:
    """The columns of a table, None where they cannot be guessed from its header and cells.

    Args:
        table: the table.
        options: the names that the user gave.
        known: whether a cell is the name of an image.

    Raises:
        DataError: for a column that was asked for and is not there.
    """
    split = _split(table)
    image = _asked(table, options.image_column, "--image-column")
    label = _asked(table, options.label_column, "--label-column")
    if label is None:
        places = [place for place in range(len(table.header)) if place not in (image, split)]
        label = _by_name(table, LABEL_NAMES, places)
    if image is None:
        image = _image(table, known, {label, split})
    if image is None:
        return None
    if label is not None:
        return Columns(image, (label,), split)
    others = [place for place in range(len(table.header)) if place not in (image, split)]
    if len(others) == 1:
        return Columns(image, (others[0],), split)
    return Columns(image, tuple(others), split) if _one_hot(table, others) else None


def refuse_columns(table: Table) -> DataError:
    """The error for a table whose header cannot be understood."""
    return DataError(
        f"Which columns of {table.name} hold the names of images and the labels cannot be told from its header. "
        f"Name them: --image-column NAME --label-column NAME. Its columns: {', '.join(table.header)}."
    )


def label_of(row: Sequence[str], columns: Columns, header: Sequence[str]) -> str:
    """The label of a row, "" where it has none."""
    if len(columns.label) == 1:
        return row[columns.label[0]].strip()
    return next((header[place] for place in columns.label if _number(row[place]) == 1), "")


def _asked(table: Table, name: str | None, option: str) -> int | None:
    return None if name is None else table.column(name, option)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _by_name(table: Table, names: Sequence[str], places: Sequence[int]) -> int | None:
    """The first of `places` whose name is the earliest in `names`."""
    found = {_plain(table.header[place]): place for place in reversed(places)}
    return next((found[name] for name in names if name in found), None)


def _image(table: Table, known: Callable[[str], bool], taken: set[int | None]) -> int | None:
    """The column with the most names of images; among equals the one whose name says so."""
    places = [place for place in range(len(table.header)) if place not in taken]
    sample = table.rows[:: max(1, len(table.rows) // 200)]
    hits = {place: sum(known(row[place]) for row in sample) for place in places}
    most = max(hits.values(), default=0)
    if 2 * most < len(sample) or not most:
        return _by_name(table, IMAGE_NAMES, places)
    best = [place for place in places if hits[place] == most]
    return best[0] if len(best) == 1 else _by_name(table, IMAGE_NAMES, best)


def _split(table: Table) -> int | None:
    """The column of parts, where all its cells are names of parts."""
    for name in SPLIT_NAMES:
        for place, one in enumerate(table.header):
            if _plain(one) == name and table.rows and all(_part(row[place]) for row in table.rows):
                return place
    return None


def _part(cell: str) -> str | None:
    return PART_OF_NAME.get(cell.strip().lower())


def _one_hot(table: Table, places: Sequence[int]) -> bool:
    """Whether the cells are zeros and in each row a single one."""
    if len(places) < 2 or not table.rows:
        return False
    for row in table.rows:
        values = [_number(row[place]) for place in places]
        if values.count(1.0) != 1 or values.count(0.0) != len(values) - 1:
            return False
    return True


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
