"""What the reproductions share: tables, real images, untrained networks, and their scores in resumable pieces."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from chronas.architecture import make_space  # noqa: E402
from chronas.benchmarks import Table, import_table, load  # noqa: E402
from chronas.benchmarks.testing_door import test_accuracy  # noqa: E402
from chronas.errors import ProxyError, TableError, UsageError  # noqa: E402
from chronas.proxies.ranks import kendall_tau  # noqa: E402
from chronas.seeding import derive, stream  # noqa: E402
from chronas.spaces import Space  # noqa: E402
from chronas.work import Choices  # noqa: E402
from common import CIFAR10, ROOT, Record, say, tiny_data  # noqa: E402

if TYPE_CHECKING:
    from torch import nn

    from chronas.data.images import ImageData
    from chronas.proxies.base import ProxyBatch

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SHARED = ROOT.parent / "shared" / "data"
IMAGES = 128
"""Images that a network is judged by (Mellor et al. 2021)."""
ENOUGH = 5000
"""Training images that are read: batches are drawn from them."""
SOURCES = {
    "nasbench101_sample": "nasbench101/nasbench101_500.parquet",
    "ecnas_4v": "nasbench101/ecnas_4v.parquet",
    "ecnas_5v": "nasbench101/ecnas_5v_4epochs.parquet",
    "nasbench_macro": "nasbench_macro/nasbench_macro.parquet",
    "transnas_micro": "transnasbench101/micro.parquet",
    "transnas_macro": "transnasbench101/macro.parquet",
}
"""Files below --shared of the tables that do not ship."""
SCORED: dict[str, dict[str, int]] = {"nasbench101": {"channels": 16}}
"""Settings with which networks of a space are scored, where they are not the table's own (NASWOT: 16 channels)."""
TINY: dict[str, dict[str, int]] = {
    "nasbench201": {"channels": 4, "cells": 1},
    "nasbench101": {"channels": 6, "modules": 1},
    "nasbench_macro": {"width": 2},
    "transnas_micro": {"width": 2},
    "transnas_macro": {"width": 2},
}


def add_words(made: argparse.ArgumentParser, *, networks: int | None, tables: str | None = None) -> None:
    """Words of every script that scores networks."""
    made.set_defaults(out=HERE)
    made.add_argument("--data", default=str(CIFAR10), help="images that networks are scored on")
    made.add_argument("--shared", type=Path, default=SHARED, help="folder with the tables that do not ship")
    if networks is not None:
        made.add_argument("--networks", type=int, default=networks)
    made.add_argument("--batch-size", type=int, default=IMAGES, help="images that a network is scored on")
    made.add_argument("--in-flight", type=int, default=1, help="networks scored at once, a thread each")
    made.add_argument("--device", default="cpu", help="cpu or cuda")
    made.add_argument("--chunk", type=int, default=20, help="networks between two looks at the time")
    if tables is not None:
        made.add_argument("--tables", default=tables, help="names, with commas between")


@dataclass(frozen=True)
class Figure:
    """One figure of the paper.

    networks  default of --networks, None where there is no such word
    small     what --small sets; setting: words that all pieces have in common
    measure   fills the record; draw, blocks: SVG text and the text below it, from the record alone
    """

    title: str
    summary: str
    networks: int | None
    measure: Callable[[Scorer], None]
    draw: Callable[[Record], str]
    blocks: Callable[[Record], list[str]]
    tables: str | None = None
    words: Callable[[argparse.ArgumentParser], None] = lambda made: None
    small: Mapping[str, Any] = field(default_factory=dict)
    setting: tuple[str, ...] = ()


# -- tables --------------------------------------------------------------------------------------------------


class Tables:
    """Tables by name: the one that ships, and those imported from --shared into a folder that `with` removes."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self._folder = TemporaryDirectory(prefix="tables-")
        self.folder = Path(self._folder.name)
        self._open: dict[str, Table] = {}

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *problem: object) -> None:
        self._folder.cleanup()

    def __getitem__(self, name: str) -> Table:
        """Raises UsageError for a name without a source, TableError for a damaged file."""
        if name not in self._open:
            self._open[name] = self._opened(name)
        return self._open[name]

    def _opened(self, name: str) -> Table:
        if name == "nasbench201":
            return load(name)
        if name not in SOURCES:
            raise UsageError(f"No table {name!r} here; known: nasbench201, {', '.join(SOURCES)}.")
        return import_table(name, self.shared / SOURCES[name], self.folder / f"{name}.table")


def present(names: str, shared: Path) -> list[str]:
    """Of names with commas between those whose source is there; the others are told."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    there = [name for name in wanted if name not in SOURCES or (shared / SOURCES[name]).exists()]
    if len(there) < len(wanted):
        say(f"left out, not in {shared}: {', '.join(name for name in wanted if name not in there)}")
    return there


def final(table: Table, dataset: str) -> tuple[Floats, str]:
    """The metric of every row after the longest training, NaN where unknown, and which one it is.

    Validation where it was measured as late as the test metric, else test.
    """
    late, everything = table.epochs_of(dataset), np.arange(len(table))
    try:
        test = test_accuracy(table, dataset, everything)
    except TableError:
        return np.asarray(table.validation_column(dataset, late[-1]), dtype=np.float64), "validation"
    # A test metric that is also that of the last validation was measured at the same time.
    with suppress(TableError, IndexError):
        if np.array_equal(test_accuracy(table, dataset, everything, late[-1]), test, equal_nan=True):
            return np.asarray(table.validation_column(dataset, late[-1]), dtype=np.float64), "validation"
    return test, "test"


def drawn_rows(table: Table, count: int, seed: int) -> Rows:
    """`count` different rows (all where the table has no more), in an order drawn by `seed`."""
    rows: Rows = stream(seed, "reproduce", table.name).permutation(len(table))[:count]
    return rows


def scored_space(table: Table, small: bool) -> Space:
    """The space whose networks are built to be scored: same decisions, tiny in small mode."""
    own = table.space
    changes = (TINY if small else SCORED).get(own.name, {})
    return make_space(own.name, {**vars(own.settings), **changes}) if changes else own


# -- networks and scores -------------------------------------------------------------------------------------


class Scorer:
    """Untrained networks on batches of real images; tiny images of noise in small mode."""

    def __init__(self, words: argparse.Namespace, record: Record, tables: Tables) -> None:
        from chronas.training.hardware import Hardware

        self.words, self.record, self.tables = words, record, tables
        self.hardware = Hardware.find(words.device)

    @cached_property
    def data(self) -> ImageData:
        """The images, on the device."""
        from chronas.data.load import load as load_data

        limit = None if self.words.small else ENOUGH
        data = load_data(tiny_data(self.record) if self.words.small else self.words.data, limit=limit)
        return data.to(self.hardware.device)

    def batch(self, seed: int, size: int | None = None) -> ProxyBatch:
        """Normalised training images without augmentation, drawn by `seed`."""
        from chronas.training.scores import proxy_batch

        return proxy_batch(self.data, self.hardware, seed, size or self.words.batch_size)

    def space(self, table: Table) -> Space:
        return scored_space(table, self.words.small)

    def net(self, space: Space, choices: Choices, seed: int, proxy: str = "naswot") -> nn.Module:
        """A network for `proxy` with initial weights by `seed`; equal networks have equal weights."""
        from chronas.architecture import Architecture
        from chronas.training.scores import untrained

        return untrained(Architecture(space, choices), self.data.task, self.hardware, seed, proxy)()

    def score(self, proxy: str, net: nn.Module, batch: ProxyBatch) -> float:
        """The score, NaN where there is none."""
        from chronas.proxies.base import score

        try:
            return score(proxy, net, batch)
        except ProxyError:
            return math.nan

    def scores(self, key: str, table: Table, rows: Rows, proxy: str, seed: int) -> dict[str, Any]:
        """One piece: scores of the rows by one proxy, images and weights by `seed`, measured chunk by chunk.

        The finished piece takes the place of its chunks: `rows`, `scores` (texts), `seconds` a network, with building.
        """
        whole = self.record.pieces(key).get(key)
        if whole is not None:
            return whole
        starts = range(0, len(rows), self.words.chunk)
        names = [f"{key} from {start} to {min(start + self.words.chunk, len(rows))}" for start in starts]
        parts = []
        for name, start in zip(names, starts, strict=True):
            measure = partial(self._chunk, table, rows[start : start + self.words.chunk], proxy, seed)
            parts.append(self.record.piece(name, measure, seed))
        for name in names:
            self.record.content["pieces"].pop(name)
        assert sum(len(numbers(part["scores"])) for part in parts) == len(rows)
        seconds = float(np.median([part["seconds"] for part in parts]))
        joined = " ".join(part["scores"] for part in parts)
        return self.record.piece(
            key, lambda: {"rows": " ".join(map(str, rows.tolist())), "scores": joined, "seconds": seconds}, seed
        )

    def _chunk(self, table: Table, rows: Rows, proxy: str, seed: int) -> dict[str, Any]:
        from chronas.proxies.many import Candidate, score_many

        space, batch = self.space(table), self.batch(seed)

        def build(row: int) -> Callable[[], nn.Module]:
            return lambda: self.net(space, table.choices(row), seed, proxy)

        candidates = [Candidate(row, build(row)) for row in rows.tolist()]
        began = time.perf_counter()
        found = [value for _, value in score_many(proxy, candidates, batch, in_flight=self.words.in_flight)]
        seconds = (time.perf_counter() - began) / len(rows)
        return {"scores": as_text([math.nan if isinstance(v, ProxyError) else v for v in found]), "seconds": seconds}

    def scoreable(self, table: Table, rows: Sequence[int], count: int, seed: int) -> list[int]:
        """The first `count` of `rows` that naswot can score."""
        batch = self.batch(seed)
        found: list[int] = []
        for row in rows:
            if len(found) == count:
                break
            net = self.net(self.space(table), table.choices(row), seed)
            if math.isfinite(self.score("naswot", net, batch)):
                found.append(int(row))
        return found


def repeat_seed(seed: int, what: str, index: int) -> int:
    """The seed of a repetition."""
    return derive(seed, "reproduce", what, index)


# -- numbers -------------------------------------------------------------------------------------------------


def as_text(values: Sequence[float]) -> str:
    """Numbers as one word each, so that a piece stays one line of its file."""
    return " ".join(f"{value:.9g}" for value in values)


def numbers(text: str) -> Floats:
    """The inverse of `as_text`."""
    return np.array([float(word) for word in text.split()])


def rows_of(piece: dict[str, Any]) -> Rows:
    """The rows of a piece of scores."""
    return np.array([int(word) for word in piece["rows"].split()], dtype=np.int64)


def tau(scores: npt.ArrayLike, accuracy: npt.ArrayLike) -> float:
    """Kendall's tau over the networks with a known accuracy; one without a score counts as judged the worst.

    NaN where there is nothing to compare.
    """
    judged = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    try:
        return kendall_tau(judged, accuracy)
    except UsageError:
        return math.nan
