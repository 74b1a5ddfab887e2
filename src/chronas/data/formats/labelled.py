"""Images with a label each, as text, into a data set; and classes that some part has no image of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chronas.data.formats.files.tree import printable
from chronas.data.formats.labels import label_parts
from chronas.data.raw import Encoded, Labels, Raw, RawPart
from chronas.errors import DataError

PARTS = ("train", "val", "test")
Labelled = Sequence[tuple[Encoded, str]]


def from_labels(parts: Mapping[str, Labelled], where: str, names: Sequence[str] = ()) -> Raw:
    """The data set of images with labels as text.

    Args:
        parts: images and labels of train, and of val and test where there are any.
        where: the source, for messages.
        names: the classes that labels are numbers of; used where all labels are numbers.

    Returns:
        The parts with class numbers. Classes are sorted: numbers by size, words by letters.

    Raises:
        DataError: where no training image has a label, or another part has labels that train lacks.
    """
    if not parts.get("train"):
        raise DataError(f"{where}: no image with a label is for training.")
    found = {part: [plain_number(label) for _, label in parts[part]] for part in PARTS if part in parts}
    numbers = all(label.isdecimal() for labels in found.values() for label in labels)
    given = {
        part: (
            tuple(item for item, _ in parts[part]),
            np.asarray(list(map(int, labels)), dtype=np.int64) if numbers else list(map(printable, labels)),
        )
        for part, labels in found.items()
    }
    return label_parts(given, where, names if numbers else ())


def plain_number(label: str) -> str:
    """ "3" of "3.0", as tables with gaps are written; other labels as they are."""
    whole, point, rest = label.partition(".")
    return whole if point and rest and not rest.strip("0") and whole.isdecimal() else label


def settle_empty(raw: Raw, where: str, skip_empty: bool) -> Raw:
    """Deal with classes that a part has no image of.

    Args:
        raw: a data set as read.
        where: its name in messages.
        skip_empty: whether classes without training images are left out.

    Returns:
        The data set; a note tells of classes left out, and of those that validation or test images lack.

    Raises:
        DataError: for classes without training images, unless they are left out and no other part has any either.
    """
    counts = {part: np.bincount(one.labels, minlength=len(raw.classes)) for part, one in raw.parts.items()}
    kept = np.flatnonzero(counts["train"])
    if not len(kept):
        return raw
    empty = [name for index, name in enumerate(raw.classes) if not counts["train"][index]]
    notes = raw.notes
    if empty and not skip_empty:
        raise DataError(
            f"{where}: no training images for {_classes(empty)}. Add images, or pass --skip-empty to go on without."
        )
    if empty:
        _refuse_left_out(raw, counts, where)
        number = np.full(len(raw.classes), -1, dtype=np.int64)
        number[kept] = np.arange(len(kept))
        parts = {part: RawPart(one.pixels, number[one.labels]) for part, one in raw.parts.items()}
        notes = (*notes, f"Left out, for there are no images: {_classes(empty)}.")
        raw = Raw(parts, tuple(raw.classes[int(index)] for index in kept), notes)
    lack = [
        f"The {part} part has no images of {_classes(gone)}; it is judged on the other {len(kept) - len(gone)}."
        for part in ("val", "test") if part in raw.parts
        if (gone := [name for name, index in zip(raw.classes, kept, strict=True) if not counts[part][index]])
    ]  # fmt: skip
    return Raw(raw.parts, raw.classes, (*notes, *lack))


def _refuse_left_out(raw: Raw, counts: Mapping[str, Labels], where: str) -> None:
    for part in counts:
        strange = [name for i, name in enumerate(raw.classes) if counts[part][i] and not counts["train"][i]]
        if strange:
            raise DataError(f"{where}: the {part} part has images of {_classes(strange)}, but train has none.")


def _classes(names: Sequence[str]) -> str:
    return ("class " if len(names) == 1 else "classes ") + some([repr(name) for name in names])


def some(names: Sequence[str]) -> str:
    """The first names of many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(printable, names[:10])) + more
