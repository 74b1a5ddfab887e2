"""Data sets of Hugging Face: Parquet in the layouts of the hub, and folders written by `save_to_disk`."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chronas.data.formats.counted import counted_note
from chronas.data.formats.huggingface.features import LABEL_NAMES, Chosen, choose_columns, features_of
from chronas.data.formats.huggingface.hub_layout import ARROW, INFO, find_files, holds_files
from chronas.data.formats.huggingface.shards import Shard, images_of, joined, labels_of
from chronas.data.formats.labels import label_parts
from chronas.data.options import DataOptions
from chronas.data.raw import Raw
from chronas.errors import DataError, missing_extra
from chronas.memory import free_memory

HELD_SHARE = 0.25
"""Encoded images are kept in memory while they take less than this share of what is free."""


def matches(path: Path, options: DataOptions) -> bool:
    """A .parquet or .arrow file, or a folder with some in one of the layouts of the hub."""
    return holds_files(path)


def read(path: Path, options: DataOptions) -> Raw:
    """The images (still encoded) and labels.

    Args:
        path: a file, or a folder in one of the layouts of the hub.
        options: `config_name`, `image_column` and `label_column` choose.

    Returns:
        The data set.

    Raises:
        EnvironmentFault: without pyarrow.
        UnknownNameError: for a configuration or column that does not exist.
        DataError: for a damaged file, several configurations, or unusable columns.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise missing_extra("pyarrow", "parquet", f"Reading {path}")
    files = find_files(path, options)
    shards = {part: [_opened(file) for file in listed] for part, listed in files.parts.items()}
    model = shards["train"][0]
    chosen = choose_columns(model.schema, _features(model), options, str(model.file))
    if chosen.label is None:
        raise DataError(f"{model.file} has no label column; it has {', '.join(model.schema.names)}. "
                        "--label-column NAME chooses.")  # fmt: skip
    hold = sum(one.nbytes for listed in shards.values() for one in listed) < HELD_SHARE * free_memory()
    root = path if path.is_dir() else path.parent
    parts = {part: _part(part, listed, chosen, root, hold) for part, listed in shards.items()}
    raw = label_parts(parts, str(path), chosen.names)
    notes = _guess(chosen, raw, model) if chosen.guessed else ()
    said = counted_note({part: len(one) for part, one in raw.parts.items()}, len(raw.classes), files.left_out)
    return Raw(raw.parts, raw.classes, (said, *files.notes, *notes, *raw.notes))


def _guess(chosen: Chosen, raw: Raw, model: Shard) -> tuple[str, ...]:
    """A note on a label column that was guessed. Raises DataError where it rather holds captions or numbers of rows."""
    rows, kinds = len(raw.parts["train"]), len(raw.classes)
    if 2 * kinds > rows:
        raise DataError(f"{model.file} has no label column: looked for {', '.join(LABEL_NAMES)}; {chosen.label!r} has "
                        f"{kinds} different values in {rows} rows. --label-column NAME chooses.")  # fmt: skip
    return (f"The labels are those of the column {chosen.label!r}; --label-column NAME takes another.",)


def _opened(file: Path) -> Shard:
    from chronas.data.formats.huggingface.arrow import ArrowShard
    from chronas.data.formats.huggingface.parquet import ParquetShard

    return ArrowShard(file) if file.suffix == ARROW else ParquetShard(file)


def _features(shard: Shard) -> Mapping[str, Any]:
    """What is known of the columns: from the file, or from the description beside it."""
    found = features_of((shard.schema.metadata or {}).get(b"huggingface"))
    beside = shard.file.parent / INFO
    if found or not beside.is_file():
        return found
    return features_of(beside.read_text(encoding="utf-8", errors="replace"))


def _part(part: str, shards: Sequence[Shard], chosen: Chosen, root: Path, hold: bool) -> tuple[Any, Any]:
    """Images and labels of a part; None for the labels of a val or test part without that column."""
    label = str(chosen.label)
    unlabelled = part != "train" and not any(label in shard.schema.names for shard in shards)
    for shard in shards:
        for name, kind in ((chosen.image, "image"), *(() if unlabelled else ((label, "label"),))):
            if name not in shard.schema.names:
                raise DataError(f"{shard.file} has no {kind} column {name!r}, as other files of the data have; it has "
                                f"{', '.join(shard.schema.names)}.")  # fmt: skip
    images = images_of(shards, chosen.image, root, hold)
    return images, None if unlabelled else joined([labels_of(shard, label) for shard in shards])
