"""What a Python object is that was given as data: a Dataset, many images, one image with its label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from PIL import Image


def is_dataset(value: Any) -> bool:
    """Whether it gives (image, label) one after the other: a Dataset, a list of such, but no array or table."""
    if isinstance(value, list | tuple):
        return bool(value) and all(map(is_item, value))
    if isinstance(value, str | bytes | Mapping | set | frozenset) or hasattr(value, "__array__"):
        return False
    # A Dataset without a length is gone through until it has no more.
    return not isinstance(value, Image.Image | type) and (hasattr(value, "__getitem__") or isinstance(value, Iterable))


def is_indexed(value: Any) -> bool:
    """Whether its items have numbers up to a length."""
    # An IterableDataset inherits the indexing that it does not have.
    has = hasattr(value, "__getitem__") and hasattr(value, "__len__")
    return has and not isinstance(value, torch.utils.data.IterableDataset)


def is_part(value: Any) -> bool:
    """Whether it is a pair of many images and many labels, or None for none."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and len(shape_of(value[0])) >= 3
        and (value[1] is None or is_many(value[1]))
    )


def is_item(value: Any) -> bool:
    """Whether it is one image with its label."""
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and len(value) == 2 and _is_image(value[0]) and not is_part(value)


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image) or (not isinstance(value, list | tuple) and len(shape_of(value)) in (2, 3))


def is_many(value: Any) -> bool:
    """Whether it is an array or a list."""
    return isinstance(value, list | tuple) or (hasattr(value, "__array__") and len(shape_of(value)) > 0)


def shape_of(value: Any) -> tuple[int, ...]:
    """The shape of an array, or of a list as far as its first entries tell."""
    if isinstance(value, Image.Image):
        return (value.height, value.width)
    if isinstance(value, list | tuple):
        return (len(value), *(shape_of(value[0]) if len(value) else ()))
    shape = getattr(value, "shape", None)
    return tuple(int(side) for side in shape) if isinstance(shape, tuple | torch.Size) else ()


def described(value: Any) -> str:
    """An object in a few words: "None", "a dict with the keys a, b", "an ndarray of shape (20, 8, 8)"."""
    name = type(value).__name__
    if value is None:
        return "None"
    article = "an" if name[0].lower() in "aeiou" or name.startswith("nd") else "a"
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
        return f"{article} {name} with the keys {', '.join(keys[:10])}" if keys else f"an empty {name}"
    if isinstance(value, list | tuple):
        kinds = list(dict.fromkeys(type(one).__name__ for one in value))
        return f"{article} {name} of {len(value)} ({', '.join(kinds[:3])})"
    shape = shape_of(value)
    return f"{article} {name} of shape {shape} alone" if shape else f"{article} {name}"
