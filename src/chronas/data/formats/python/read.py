"""Data given in Python: arrays, lists of images, torch Datasets, and pairs or dicts of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from chronas.data.formats.array_names import find_arrays
from chronas.data.formats.labels import label_parts
from chronas.data.formats.python.datasets import from_datasets
from chronas.data.formats.python.images import images_of, labels_of
from chronas.data.formats.python.kinds import described, is_dataset, is_many, is_part, shape_of
from chronas.data.options import DataOptions
from chronas.data.raw import PART_OF_NAME, Raw
from chronas.errors import DataError, UsageError

ACCEPTED = (
    "a path, 'digits', a pair (images, labels), two of these as ((x_train, y_train), (x_test, y_test)), a dict "
    "{'train': (x, y), 'test': (x, y)}, a Dataset of (image, label), or a pair (train, test) of Datasets"
)
PARTS = {2: ("train", "test"), 3: ("train", "val", "test")}
ARRAYS = "arrays"


def read_python(source: Any, options: DataOptions) -> tuple[Raw, str]:
    """A data set out of Python objects.

    Args:
        source: what `ACCEPTED` lists. Images are arrays, tensors or lists of arrays or Pillow images of one size;
            labels are class numbers, text or one-hot rows.
        options: how it is read.

    Returns:
        The data set, and its name in messages.

    Raises:
        UsageError: for another kind of object.
        DataError: for unusable images or labels.
    """
    if isinstance(source, Mapping):
        return _read_mapping(source, options)
    if isinstance(source, torch.utils.data.DataLoader):
        raise UsageError("A DataLoader gives batches; give the Dataset in it: loader.dataset.")
    if isinstance(source, list | tuple):
        if not source:
            raise _refused(f"an empty {type(source).__name__}")
        if len(source) in PARTS and (all(map(is_dataset, source)) or all(map(is_part, source))):
            return _read_parts(dict(zip(PARTS[len(source)], source, strict=True)), options)
        if len(source) == 2 and all(map(is_many, source)) and not is_dataset(source):
            return from_arrays(*_in_order(source[0], source[1])), ARRAYS
    if is_dataset(source):
        return from_datasets({"train": source}, type(source).__name__, options), type(source).__name__
    raise _refused(described(source))


def _refused(what: str) -> UsageError:
    return UsageError(f"The data is {what}, which cannot be read. Accepted: {ACCEPTED}.")


def _in_order(first: Any, second: Any) -> tuple[dict[str, tuple[Any, Any]], str, tuple[str, ...]]:
    """The arguments of `from_arrays`; images and labels may be the wrong way round."""
    if len(shape_of(first)) <= 2 and len(shape_of(second)) in (3, 4):
        return {"train": (second, first)}, ARRAYS, ("Of the pair the second is taken for the images.",)
    return {"train": (first, second)}, ARRAYS, ()


def _read_mapping(source: Mapping[Any, Any], options: DataOptions) -> tuple[Raw, str]:
    parts = {PART_OF_NAME.get(str(key).lower()): value for key, value in source.items()}
    if "train" in parts:
        known: dict[str, Any] = {part: parts[part] for part in ("train", "val", "test") if part in parts}
        raw, name = _read_parts(known, options)
        other = ", ".join(str(key) for key in source if str(key).lower() not in PART_OF_NAME)
        return Raw(raw.parts, raw.classes, (*raw.notes, *([f"Not used: {other}."] if other else []))), name
    shapes = {key: shape_of(value) for key, value in source.items() if isinstance(key, str) and is_many(value)}
    try:
        found = find_arrays(shapes, "A dict of arrays")
    except DataError as error:
        raise UsageError(f"{_refused(described(source))} {error}") from None
    pairs = {part: (source[x], None if y is None else source[y]) for part, (x, y) in found.parts.items()}
    return from_arrays(pairs, ARRAYS, (found.note(),)), ARRAYS


def _read_parts(parts: Mapping[str, Any], options: DataOptions) -> tuple[Raw, str]:
    if all(map(is_dataset, parts.values())):
        name = type(parts["train"]).__name__
        return from_datasets(parts, name, options), name
    pairs = {}
    for part, value in parts.items():
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise _refused(f"{described(value)} in its {part} part")
        pairs[part] = (value[0], value[1])
    return from_arrays(pairs, ARRAYS), ARRAYS


def from_arrays(parts: Mapping[str, tuple[Any, Any]], where: str, notes: tuple[str, ...] = ()) -> Raw:
    """A data set out of arrays.

    Args:
        parts: (images, labels) by part: train, val, test; labels None for a part without.
        where: the data's name in messages.
        notes: what else is to be told.

    Returns:
        The data set; the values of the pixels are unchanged.

    Raises:
        DataError: for shapes that are no images, or unusable labels.
    """
    made = {part: (images_of(x, f"{where} ({part})"), labels_of(y)) for part, (x, y) in parts.items()}
    raw = label_parts(made, where)
    return Raw(raw.parts, raw.classes, (*notes, *raw.notes))
