"""Labels as they are given (text, numbers, one-hot rows, missing ones) into class numbers and class names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chronas.data.raw import Encoded, Labels, Raw, RawPart, Values, check_labels, check_range, renumber
from chronas.errors import DataError

NOUNS = {"train": "training", "val": "validation", "test": "test"}
Pixels = Values | tuple[Encoded, ...]


@dataclass(frozen=True)
class Plain:
    """The labels of one part, one per image.

    values   text (an array of str objects) or class numbers (int64)
    missing  which images have none; what `values` holds there means nothing
    """

    values: npt.NDArray[Any]
    missing: npt.NDArray[np.bool_]

    @property
    def text(self) -> bool:
        """Whether the labels are words."""
        return self.values.dtype.kind == "O"


def label_parts(parts: Mapping[str, tuple[Pixels, Any]], where: str, names: Sequence[str] = ()) -> Raw:
    """A data set out of images and their labels as they were given.

    Args:
        parts: images and labels by the name of the part. Labels are class numbers, text or one-hot rows; None for
            a part that has none at all.
        where: the data's name in messages.
        names: the classes in the order of their numbers, where the data tells them; -1 then means "no label".

    Returns:
        The data set. Images without a label are left out, a validation or test part without any label too; both
        are said in a note. Classes without names are called by their text, sorted, or by their number.

    Raises:
        DataError: for labels that are none of these, or not one for each image, or of a class that the training
            images lack.
    """
    notes: list[str] = []
    kept: dict[str, tuple[Pixels, npt.NDArray[Any]]] = {}
    for part, (pixels, values) in parts.items():
        found = plain_labels(values, len(pixels), f"{where} ({part})", bool(names), part != "train")
        here = _with_label(pixels, found, part, where, notes)
        if here is not None:
            kept[part] = here
    words = {part: values.dtype.kind == "O" for part, (_, values) in kept.items()}
    for part, text in words.items():
        if text != words["train"]:
            kinds = ("text" if words["train"] else "numbers", "text" if text else "numbers")
            raise DataError(f"{where}: training labels are {kinds[0]}, but those of the {part} part are {kinds[1]}.")
    raw = _by_text(kept, where, names) if words["train"] else _by_number(kept, where, names)
    return Raw(raw.parts, raw.classes, (*raw.notes, *notes))


def _with_label(
    pixels: Pixels, found: Plain, part: str, where: str, notes: list[str]
) -> tuple[Pixels, npt.NDArray[Any]] | None:
    """The images that have a label, and these; None where none has. Tells in `notes` what is left out."""
    total, count = len(pixels), int(found.missing.sum())
    if not count:
        return pixels, found.values
    if count == total and part == "train":
        raise DataError(f"{where}: no training image has a label (none given, empty or -1).")
    if count == total:
        notes.append(f"The {total} {NOUNS[part]} images have no labels and are not used.")
        return None
    notes.append(f"{count} of {total} {NOUNS[part]} images have no label and are left out.")
    places = np.flatnonzero(~found.missing)
    some = tuple(pixels[i] for i in places) if isinstance(pixels, tuple) else pixels[places]
    return some, found.values[places]


def plain_labels(values: Any, images: int, where: str, named: bool = False, optional: bool = False) -> Plain:
    """The labels of one part.

    Args:
        values: class numbers, text or one-hot rows, one for each image; or None for no labels.
        images: how many images there are.
        where: the labels' name in messages.
        named: whether the data names its classes; -1 then means "no label".
        optional: whether the part may have no labels at all, which -1 or NaN everywhere says as well.

    Returns:
        The labels, and which are missing.

    Raises:
        DataError: for anything else.
    """
    if values is None:
        return Plain(np.full(images, -1), np.ones(images, dtype=np.bool_))
    array = _as_array(values, where)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        array = one_hot(array, where)
    if array.ndim != 1:
        raise DataError(f"{where}: labels must be one per image, but their shape is {array.shape}.")
    if len(array) != images:
        raise DataError(f"{where}: there are {images} images but {len(array)} labels.")
    text = _as_text(array, where)
    if text is not None:
        return Plain(text, np.asarray([word == "" for word in text], dtype=np.bool_))
    missing = np.zeros(images, dtype=np.bool_)
    if array.dtype.kind == "O":
        missing = np.asarray([one is None for one in array], dtype=np.bool_)
        array = _as_array([-1 if one is None else one for one in array], where)
    unknown = array == -1 if array.dtype.kind in "iuf" else missing
    blank = np.isnan(array) if array.dtype.kind == "f" else missing
    if named or (optional and bool((unknown | blank).all())):
        missing = missing | unknown | blank
    numbers = check_labels(np.where(missing, 0, array), images, where)
    return Plain(numbers, missing)


def _as_array(values: Any, where: str) -> npt.NDArray[Any]:
    # Among words numpy would write a missing one as the word "nan".
    words = isinstance(values, list | tuple) and any(isinstance(one, str) for one in values)
    try:
        return np.array(values, dtype=object) if words else np.asarray(values)
    except ValueError:
        raise DataError(
            f"{where}: labels must be one per image, but some are lists of different length. {MULTI_LABEL}"
        ) from None


def _as_text(array: npt.NDArray[Any], where: str) -> npt.NDArray[Any] | None:
    """An array of str objects, "" for a missing label; None where the labels are no text."""
    if array.dtype.kind not in "USTO":
        return None
    found = [_word(one) for one in array.tolist()]
    words = [one for one in found if one]
    if not words and array.dtype.kind == "O":
        return None
    if any(one is None for one in found):
        odd = next(value for value, one in zip(array.tolist(), found, strict=True) if one is None)
        raise DataError(
            f"{where}: labels must be all text or all numbers, but both {words[0]!r} and {odd!r} are there."
        )
    out = np.empty(len(found), dtype=object)
    out[:] = found
    return out


def _word(value: Any) -> str | None:
    """A text label as str, "" for None and NaN; None for what is no text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return "" if value is None or value != value else None


MULTI_LABEL = (
    "Several labels for one image (multi-label) are not supported yet: give one class for each image, for example "
    "one column as a yes-or-no label, or only the images that have exactly one label."
)


def one_hot(rows: npt.NDArray[Any], where: str) -> Labels:
    """One-hot rows as class numbers.

    Args:
        rows: (images, classes), with exactly one 1 in each row and 0 elsewhere.
        where: the labels' name in messages.

    Returns:
        The column of the 1 in each row.

    Raises:
        DataError: for other rows: several labels an image, shares of classes, no numbers.
    """
    shape = f"labels of shape {rows.shape}"
    if rows.dtype.kind not in "biuf":
        raise DataError(f"{where}: {shape} are no class numbers and no one-hot rows; give one label for each image.")
    ones = rows == 1
    if not bool((ones | (rows == 0)).all()):
        raise DataError(
            f"{where}: {shape} must be one-hot rows (one 1 in each row, 0 elsewhere), but other values are there. "
            "Give one class number for each image; of shares or scores: labels.argmax(axis=1)."
        )
    other = int((ones.sum(axis=1) != 1).sum())
    if other:
        raise DataError(f"{where}: {other} of {len(rows)} rows in {shape} do not hold exactly one 1. {MULTI_LABEL}")
    return np.asarray(ones.argmax(axis=1), dtype=np.int64)


def _by_number(parts: Mapping[str, tuple[Pixels, Labels]], where: str, names: Sequence[str]) -> Raw:
    made = {part: RawPart(pixels, labels) for part, (pixels, labels) in parts.items()}
    if not names:
        return renumber(made)
    for part, one in made.items():
        check_range(one.labels, len(names), f"{where} ({part})")
    return Raw(made, tuple(names))


def _by_text(parts: Mapping[str, tuple[Pixels, npt.NDArray[Any]]], where: str, names: Sequence[str]) -> Raw:
    classes = tuple(names) or tuple(sorted(set(parts["train"][1])))
    number = {name: place for place, name in enumerate(classes)}
    made = {}
    for part, (pixels, words) in parts.items():
        strange = sorted(set(words) - number.keys())
        if strange:
            more = f" (and {len(strange) - 1} more)" if len(strange) > 1 else ""
            lack = "the names of the classes lack" if names else "no training image has"
            raise DataError(f"{where}: the {part} part has the label {strange[0]!r}{more}, which {lack}. "
                            f"Classes: {_some(classes)}.")  # fmt: skip
        made[part] = RawPart(pixels, np.asarray([number[word] for word in words], dtype=np.int64))
    return Raw(made, classes)


def _some(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
