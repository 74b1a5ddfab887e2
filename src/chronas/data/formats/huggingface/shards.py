"""One file of a Hugging Face data set as rows: what Parquet and Arrow files have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chronas.data.raw import Encoded, Member
from chronas.errors import DataError


class Shard(ABC):
    """A file of rows. Making one raises DataError where the file is damaged; so do all methods."""

    kind = "Arrow"

    def __init__(self, file: Path) -> None:
        self.file = file

    schema: Any
    """Its Arrow schema."""
    rows: int
    nbytes: int
    """Bytes that its images take in memory, about."""

    @abstractmethod
    def column(self, name: str, part: str | None = None) -> Any:
        """A column, or one part of a column of structs, as a chunked Arrow array."""

    @abstractmethod
    def contents(self, name: str, hold: bool) -> list[Member | None]:
        """The encoded image of each row: in memory with `hold`, else its place; None where a row has none."""

    def damaged(self, error: Exception) -> DataError:
        """The error for a file that cannot be read, naming it."""
        with self.file.open("rb") as file:
            pointer = file.read(64).startswith(b"version https://git-lfs")
        if pointer:
            return DataError(f"{self.file} is a pointer of Git LFS, not the data. Fetch it with: git lfs pull")
        return DataError(f"{self.file} is no readable {self.kind} file: {error}")


def labels_of(shard: Shard, name: str) -> Any:
    """The labels of all rows: an array of numbers, or a list of numbers, words or lists, None where one is missing."""
    import pyarrow as pa

    values = shard.column(name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    plain = pa.types.is_integer(values.type) or pa.types.is_floating(values.type) or pa.types.is_boolean(values.type)
    return values.to_numpy() if plain and not values.null_count else values.to_pylist()


def joined(values: Sequence[Any]) -> Any:
    """The labels of several files one after the other."""
    if all(isinstance(one, np.ndarray) for one in values):
        return np.concatenate(values)
    return [label for one in values for label in one]


def images_of(shards: Sequence[Shard], name: str, root: Path, hold: bool) -> tuple[Encoded, ...]:
    """The images of all rows of some files.

    Args:
        shards: the files.
        name: the column of the images.
        root: the folder of the data set. Rows that only hold a path are looked up there and beside the file.
        hold: whether encoded images are kept in memory.

    Returns:
        An image for each row, in order.

    Raises:
        DataError: for a damaged file, or paths of which no file is there.
    """
    found: list[Encoded] = []
    missing: list[str] = []
    for shard in shards:
        contents, paths = _cells(shard, name, hold)
        places = list(dict.fromkeys((shard.file.parent, root)))
        for row, (content, path) in enumerate(zip(contents, paths, strict=True)):
            label = f"{shard.file.name} row {row}" + (f" ({path})" if path else "")
            here = content
            if here is None and path:
                here = next((place / path for place in places if (place / path).is_file()), None)
                missing += [path] if here is None else []
            found.append(Encoded(label, b"" if here is None else here))
    if missing:
        looked = " and ".join(dict.fromkeys(str(place) for shard in shards for place in (shard.file.parent, root)))
        raise DataError(
            f"{shards[0].file}: {len(missing)} of {len(found)} rows hold the path of an image that is not there: "
            f"{', '.join(missing[:3])}{', ...' if len(missing) > 3 else ''} (looked in {looked}). Put the images there."
        )
    return tuple(found)


def _cells(shard: Shard, name: str, hold: bool) -> tuple[list[Any], list[str | None]]:
    """Contents and paths of all rows."""
    import pyarrow.types as types

    kind = shard.schema.field(name).type
    empty: list[Any] = [None] * shard.rows
    if types.is_struct(kind):
        inner = [kind.field(i).name for i in range(kind.num_fields)]
        paths = shard.column(name, "path").to_pylist() if "path" in inner else empty
        return list(shard.contents(name, hold)) if "bytes" in inner else empty, paths
    if types.is_dictionary(kind) or types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return empty, [None if one is None else str(one) for one in shard.column(name).to_pylist()]
    return list(shard.contents(name, hold)), empty
