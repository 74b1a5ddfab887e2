"""Files with scores of a table's untrained networks, made once and read by simulated runs.

A Parquet file has the columns `index` (row of the table), `seed_0`, `seed_1`, ... (one score per initialisation) and
`seconds` (what one score cost); its name is TABLE_PROXY.parquet, or ends in _PROXY. An .npz holds the same arrays.
Where a row is missing, the representative of the same network stands in (`Space.exact`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from chronas.errors import TableError, UsageError, missing_extra
from chronas.execution.lookup import ProxyScores
from chronas.proxies import PROXIES

if TYPE_CHECKING:
    from chronas.benchmarks import Table

Columns = Mapping[str, npt.NDArray[np.float64]]


def shipped_scores(table: Table) -> dict[str, ProxyScores]:
    """The scores of `table` that come with the package, by proxy."""
    folder = resources.files("chronas.benchmarks") / "data"
    found: dict[str, ProxyScores] = {}
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".npz") and file.name.removesuffix(".npz").removeprefix(f"{table.name}_") in PROXIES:
            with resources.as_file(file) as path:
                found |= read_scores(path, table)
    return found


def read_scores(path: Path, table: Table) -> dict[str, ProxyScores]:
    """The scores in a file, as {proxy: scores}; the proxy is what stands after TABLE_, else how the file's name ends.

    Raises TableError for a file that is no such file.
    """
    endings = [name for name in PROXIES.names() if path.stem == name or path.stem.endswith(f"_{name}")]
    whole = path.stem.removeprefix(f"{table.name}_")
    proxy = whole if whole in PROXIES else max(endings, key=len, default=path.stem.rpartition("_")[2])
    if path.suffix not in (".parquet", ".npz"):
        raise UsageError(f"Scores are read from .parquet or .npz, but got {path}.")
    try:
        columns = _npz(path) if path.suffix == ".npz" else _parquet(path)
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise TableError(f"{path} holds no scores that can be read: {error}") from error
    seeds = sorted((name for name in columns if name.startswith("seed_")), key=lambda name: int(name[5:]))
    if not seeds or not {"index", "seconds"} <= set(columns):
        raise TableError(f"{path} needs the columns index, seed_0, ... and seconds; it has {', '.join(columns)}.")
    rows = columns["index"].astype(np.int64)
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(table):
        raise TableError(f"{path} has rows that {table.name} does not have: it belongs to another table.")
    values = np.full((len(table), len(seeds)), np.nan)
    values[rows] = np.stack([columns[name] for name in seeds], axis=1)
    seconds = columns["seconds"][np.isfinite(columns["seconds"])]
    if not len(seconds):
        raise TableError(f"{path} does not say what a score costs: `seconds` is empty.")
    return {proxy: ProxyScores(_filled(values, table), float(np.median(seconds)))}


def _filled(values: npt.NDArray[np.float64], table: Table) -> npt.NDArray[np.float64]:
    """Rows without scores get those of the representative of the same network."""
    for row in np.flatnonzero(np.isnan(values).all(axis=1)).tolist():
        with suppress(TableError):  # a table of a part of its space may not hold it
            values[row] = values[table.index(table.space.exact(table.choices(row)))]
    return values


def _npz(path: Path) -> Columns:
    with np.load(path, allow_pickle=False) as archive:
        return {name: np.asarray(archive[name], dtype=np.float64) for name in archive.files}


def _parquet(path: Path) -> Columns:
    try:
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise missing_extra("pyarrow", "parquet", f"Reading {path}") from error
    table = parquet.read_table(path)
    return {name: table.column(name).to_numpy().astype(np.float64) for name in table.column_names}


def write_npz(path: Path, rows: npt.ArrayLike, scores: npt.ArrayLike, seconds: float) -> None:
    """Write scores (networks, draws) of the table's `rows` as the .npz that `read_scores` takes; no column of texts."""
    matrix = np.asarray(scores, dtype=np.float32)
    arrays = {f"seed_{place}": matrix[:, place] for place in range(matrix.shape[1])}
    index = np.asarray(rows, dtype=np.int32)
    np.savez_compressed(path, index=index, seconds=np.asarray([seconds], dtype=np.float32), **arrays)  # type: ignore[arg-type]
