"""Which columns of a Hugging Face table are the image and the label: by its features, usual names, or types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chronas.data.options import DataOptions
from chronas.errors import DataError, UnknownNameError

IMAGE_NAMES = ("img", "image", "images", "picture", "photo", "jpg", "jpeg", "png")
PATH_NAMES = ("file_name", "filename", "image_path", "file_path", "filepath", "path", "file")
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "category", "cls", "y")
Features = Mapping[str, Any]


@dataclass(frozen=True)
class Chosen:
    """The columns that are used.

    names    the classes, where the features tell them
    guessed  whether the label is a column that merely is left over
    """

    image: str
    label: str | None
    names: tuple[str, ...]
    guessed: bool


def features_of(text: bytes | str | None) -> Features:
    """The features in the metadata of a schema (or in dataset_info.json); none where it has none."""
    try:
        found = json.loads(text or "{}")
        features = found.get("info", found)["features"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return features if isinstance(features, dict) else {}


def choose_columns(schema: Any, features: Features, options: DataOptions, where: str) -> Chosen:
    """The columns of the image and of the label.

    Args:
        schema: the Arrow schema of a table.
        features: what its metadata says of its columns; may be empty.
        options: `image_column` and `label_column` overrule everything.
        where: the table's name in messages.

    Returns:
        The columns; the label may be lacking.

    Raises:
        UnknownNameError: for a column that was asked for and does not exist.
        DataError: where there is no image column, or several columns may be the image or the label.
    """
    kinds = {field.name: _kind(field.type) for field in schema}
    images = [name for name, kind in kinds.items() if kind == "image"]
    paths = [name for name, kind in kinds.items() if kind == "text" and name.lower() in (*IMAGE_NAMES, *PATH_NAMES)]
    declared = [name for name in _declared(features, "Image") if name in kinds]
    image = chosen_name(list(kinds), options.image_column, (), "image", where) if options.image_column else (
        _one(declared, IMAGE_NAMES, "image", where) or _one(images, IMAGE_NAMES, "image", where)
        or _one(paths, (*IMAGE_NAMES, *PATH_NAMES), "image", where) or _no_image(kinds, schema, where)
    )  # fmt: skip
    classes = [name for name in _declared(features, "ClassLabel") if name in kinds]
    others = [name for name, kind in kinds.items() if kind in ("number", "text") and name not in (image, *paths)]
    usual = [name for name in kinds if name.lower() in LABEL_NAMES and name != image]
    label = chosen_name(list(kinds), options.label_column, (), "label", where) if options.label_column else (
        _one(classes, LABEL_NAMES, "label", where) or _one(usual, LABEL_NAMES, "label", where)
        or _one(others, (), "label", where)
    )  # fmt: skip
    guessed = label is not None and label not in (options.label_column, *classes, *usual)
    return Chosen(image, label, _names(features.get(label or "")), guessed)


def chosen_name(names: Sequence[str], asked: str | None, usual: Sequence[str], kind: str, where: str) -> str:
    """The column that was asked for, or the first of the usual ones that is there.

    Raises UnknownNameError where the one that was asked for is not, DataError where none of the usual ones is.
    """
    if asked is not None:
        if asked not in names:
            raise UnknownNameError(f"{kind} column in {where}", asked, names)
        return asked
    found = _first(names, usual)
    if found is None:
        raise DataError(f"{where} has no {kind} column: looked for {', '.join(usual)}; it has {', '.join(names)}. "
                        f"--{kind}-column NAME chooses.")  # fmt: skip
    return found


def _first(names: Sequence[str], usual: Sequence[str]) -> str | None:
    lower = {name.lower(): name for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), None)


def _one(names: Sequence[str], usual: Sequence[str], kind: str, where: str) -> str | None:
    """The only one of `names`, or the one with the most usual name; None where there are none."""
    if len(names) < 2:
        return names[0] if names else None
    found = _first(names, usual)
    if found is None:
        raise DataError(f"{where} has several columns that may be the {kind}: {', '.join(names)}. "
                        f"--{kind}-column NAME chooses.")  # fmt: skip
    return found


def _no_image(kinds: Mapping[str, str], schema: Any, where: str) -> str:
    usual = next((name for name in kinds if name.lower() in IMAGE_NAMES), None)
    if usual is not None:
        raise DataError(
            f"{where}: column {usual!r} must hold encoded images (a struct of bytes and path, or binary) or paths of "
            f"files, not {schema.field(usual).type}."
        )
    raise DataError(f"{where} has no image column: looked for {', '.join(IMAGE_NAMES)}; it has {', '.join(kinds)}. "
                    "--image-column NAME chooses.")  # fmt: skip


def _declared(features: Features, kind: str) -> list[str]:
    return [name for name, one in features.items() if isinstance(one, dict) and one.get("_type") == kind]


def _names(feature: Any) -> tuple[str, ...]:
    names = feature.get("names") if isinstance(feature, dict) else None
    return tuple(str(name) for name in names) if isinstance(names, list) else ()


def _kind(kind: Any) -> str:
    """What a column of this type may be: "image", "text", "number", or "" for neither."""
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_struct(kind):
        inner = [kind.field(i).name for i in range(kind.num_fields)]
        return "image" if "bytes" in inner else ""
    if is_binary(kind):
        return "image"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return "number" if types.is_integer(kind) or types.is_boolean(kind) else ""


def is_binary(kind: Any) -> bool:
    """Whether a type is one of those of bytes."""
    import pyarrow.types as types

    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )
