"""Hugging Face image Parquet: one file, or a folder of train*/test*/val* files (shards allowed)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from chronas.data.raw import PART_OF_NAME, Encoded, Raw, RawPart, check_labels, check_range, renumber
from chronas.errors import DataError, missing_extra

IMAGE_COLUMNS = ("img", "image", "images")
LABEL_COLUMNS = ("label", "labels", "fine_label")
PREFIX = re.compile(r"^(training|train|test|validation|valid|val|dev)(?![a-z])", re.IGNORECASE)


def matches(path: Path) -> bool:
    """A .parquet file, or a folder that holds some (directly or in a folder `data`)."""
    return path.suffix == ".parquet" if path.is_file() else bool(_files(path))


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet")) or sorted(folder.glob("data/*.parquet"))


def read(path: Path) -> Raw:
    """The images (still encoded) and labels. Raises EnvironmentFault without pyarrow, DataError else."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise missing_extra("pyarrow", "parquet", f"Reading {path}") from None
    parts: dict[str, RawPart] = {}
    names: tuple[str, ...] = ()
    for part, files in _by_part(path).items():
        read_files = []
        for file in files:
            try:
                table = pq.read_table(file)
            except (pa.ArrowInvalid, OSError) as error:
                raise DataError(f"{file} is no readable Parquet file: {error}") from None
            label = _column(table.column_names, LABEL_COLUMNS, "label", file)
            names = names or _class_names(table.schema.metadata, label)
            read_files.append(_read_table(table, label, file))
        encoded = tuple(item for items, _ in read_files for item in items)
        labels = np.concatenate([found for _, found in read_files])
        if names:
            check_range(labels, len(names), f"{path} ({part})")
        parts[part] = RawPart(encoded, labels)
    return Raw(parts, names) if names else renumber(parts)


def _by_part(path: Path) -> dict[str, list[Path]]:
    if path.is_file():
        return {"train": [path]}
    found: dict[str, list[Path]] = {}
    for file in _files(path):
        match = PREFIX.match(file.name)
        if match:
            found.setdefault(PART_OF_NAME[match.group(1).lower()], []).append(file)
    if "train" not in found:
        names = ", ".join(file.name for file in _files(path)[:5])
        raise DataError(
            f"{path} has Parquet files but none whose name starts with 'train' (found: {names}). "
            "Rename them, or give one file."
        )
    return {part: found[part] for part in ("train", "val", "test") if part in found}


def _column(names: list[str], wanted: tuple[str, ...], kind: str, file: Path) -> str:
    for name in wanted:
        if name in names:
            return name
    raise DataError(f"{file} has no {kind} column: looked for {', '.join(wanted)}; it has {', '.join(names)}.")


def _read_table(table: Any, label: str, file: Path) -> tuple[list[Encoded], Any]:
    image = _column(table.column_names, IMAGE_COLUMNS, "image", file)
    cells = table.column(image).combine_chunks()
    rows = range(len(table))
    kind = str(cells.type)
    paths: list[str | None] = [None] * len(table)
    if kind.startswith("struct") and "bytes" in [field.name for field in cells.type]:
        contents = cells.field("bytes").to_pylist()
        if "path" in [field.name for field in cells.type]:
            paths = cells.field("path").to_pylist()
    elif kind in ("binary", "large_binary"):
        contents = cells.to_pylist()
    else:
        raise DataError(f"{file}: column {image!r} must hold encoded images (struct of bytes and path), not {kind}.")
    items = [Encoded(f"{file.name} row {i}" + (f" ({paths[i]})" if paths[i] else ""), contents[i] or b"") for i in rows]
    values = table.column(label)
    if values.null_count:
        raise DataError(f"{file}: {values.null_count} rows have no label.")
    return items, check_labels(values.to_numpy(), len(items), str(file))


def _class_names(metadata: dict[bytes, bytes] | None, label: str) -> tuple[str, ...]:
    try:
        info = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        names = info["info"]["features"][label]["names"]
    except (ValueError, KeyError, TypeError):
        return ()
    return tuple(str(name) for name in names) if isinstance(names, list) else ()
