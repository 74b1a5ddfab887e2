"""NASWOT scores of all 15,625 networks of NAS-Bench-201 with real CIFAR-10 images, once per seed.

A seed fixes the images (128, the same for all networks) and the initial weights. Networks that are exactly equal are
scored once (5,653 of them), which is what scoring all with equal initial weights gives. Every few hundred networks
the file is written, and the same command goes on where it was. One Parquet file: row of the table, one column per
seed, mean seconds per score.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from chronas.benchmarks import Table, load  # noqa: E402
from chronas.work import Choices  # noqa: E402
from common import CIFAR10, OutOfTime, command, in_words, machine, now_text, parser, say, until_out_of_time  # noqa: E402

IMAGES = 128
EVERY = 200
Floats = npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("reproduce/naswot_scores", "NASWOT scores of all networks of NAS-Bench-201, once per seed.")
    made.set_defaults(out=HERE / "scores", name="nasbench201_naswot", seeds=(0, 1, 2))
    made.add_argument("--data", default=str(CIFAR10), help="CIFAR-10")
    made.add_argument("--images", type=int, default=IMAGES)
    made.add_argument("--in-flight", type=int, default=1, help="networks scored at once, a thread each")
    made.add_argument("--ship", type=Path, help="also write the compact .npz that the package reads, when all is done")
    words = made.parse_args(argv)
    if words.small:
        words.images, words.seeds = min(words.images, 4), words.seeds[:2]
    if words.threads is not None:
        import torch

        torch.set_num_threads(words.threads)
    scores = Scores(words.out / f"{words.name}.parquet", load("nasbench201"), words.seeds)
    deadline = float("inf") if words.limit_minutes is None else time.monotonic() + 60 * words.limit_minutes
    with until_out_of_time() as finished:
        for seed in words.seeds:
            _score_seed(words, seed, scores, command("reproduce/naswot_scores", argv), deadline)
    if words.ship is not None and finished[0]:
        from chronas.execution.scores import write_npz

        write_npz(words.ship, scores.rows, scores.values, float(np.nanmedian(scores.seconds)))
    return 0


class Scores:
    """The file. Goes on with one of the same seeds; raises SystemExit for another."""

    def __init__(self, path: Path, table: Table, seeds: Sequence[int]) -> None:
        self.path, self.table, self.seeds = path, table, tuple(seeds)
        self.rows = np.arange(len(table))
        self.values = np.full((len(table), len(seeds)), np.nan)
        self.seconds = np.full(len(table), np.nan)
        self.classes: dict[Choices, list[int]] = {}
        for row in self.rows.tolist():
            self.classes.setdefault(table.space.exact(table.choices(row)), []).append(row)  # type: ignore[attr-defined]
        self.notes: dict[str, Any] = {
            "seeds": list(seeds),
            "commands": [],
            "machines": [],
            "networks": len(self.classes),
        }
        if path.exists():
            self._read()

    def _read(self) -> None:
        import pyarrow.parquet as parquet

        found = parquet.read_table(self.path)
        self.notes = json.loads(found.schema.metadata[b"chronas"])
        if self.notes["seeds"] != list(self.seeds):
            raise SystemExit(
                f"{self.path} has the seeds {self.notes['seeds']}. Give those with --seeds, or another --out."
            )
        for place in range(len(self.seeds)):
            self.values[:, place] = found.column(f"seed_{place}").to_numpy()
        self.seconds = found.column("seconds").to_numpy().astype(np.float64)

    def missing(self, place: int) -> list[Choices]:
        """Networks without a score for the seed at `place`; one that cannot be scored is tried once per call."""
        return [choices for choices, rows in self.classes.items() if np.isnan(self.values[rows[0], place])]

    def put(self, choices: Choices, place: int, score: float, seconds: float) -> None:
        rows = self.classes[choices]
        self.values[rows, place] = score
        if place == 0:
            self.seconds[rows] = seconds

    def write(self, line: str) -> None:
        """Replace the file, with the command and the machine in its metadata."""
        import pyarrow
        import pyarrow.parquet as parquet

        for name, text in (("commands", line), ("machines", in_words(machine()))):
            if text not in self.notes[name]:
                self.notes[name].append(text)
        self.notes["written"] = now_text()
        columns: dict[str, Any] = {"index": self.rows.astype(np.int32)}
        columns |= {f"seed_{place}": self.values[:, place] for place in range(len(self.seeds))}
        columns["seconds"] = self.seconds.astype(np.float32)
        whole = pyarrow.table(columns).replace_schema_metadata({"chronas": json.dumps(self.notes)})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(".new")
        parquet.write_table(whole, fresh, compression="zstd")
        os.replace(fresh, self.path)


def _score_seed(words: Any, seed: int, scores: Scores, line: str, deadline: float) -> None:
    from chronas.errors import ProxyError
    from chronas.proxies.many import Candidate, score_many

    place = scores.seeds.index(seed)
    waiting = scores.missing(place)[: 4 if words.small else None]
    if not waiting:
        return
    batch = _batch(words, seed)
    size = 2 if words.small else EVERY
    for start in range(0, len(waiting), size):
        if time.monotonic() >= deadline:
            raise OutOfTime
        part = waiting[start : start + size]
        candidates = [Candidate(choices, _builder(choices, seed, scores, words.small)) for choices in part]
        began, found = time.monotonic(), []
        for candidate, score in score_many("naswot", candidates, batch, in_flight=words.in_flight):
            found.append((candidate, score))
        each = (time.monotonic() - began) / len(part)
        for (_, score), choices in zip(found, part, strict=True):
            if not isinstance(score, ProxyError):
                scores.put(choices, place, score, each)
        scores.write(line)
        say(f"seed {seed}: {start + len(part)} of {len(waiting)}, {each:.3f} s a network")


def _builder(choices: Choices, seed: int, scores: Scores, small: bool) -> Callable[[], Any]:
    """Builds the network of the benchmark with initial weights of its own."""

    def build() -> Any:
        from chronas import nets
        from chronas.architecture import Architecture, make_space
        from chronas.seeding import torch_scope
        from chronas.task import Task

        space = make_space("nasbench201", {"channels": 4, "cells": 1}) if small else scores.table.space
        with torch_scope(seed, "naswot scores", scores.classes[choices][0]):
            return nets.build(Architecture(space, choices), Task(3, 32, 32, 10))

    return build


def _batch(words: Any, seed: int) -> Any:
    """Real images without augmentation, normalised; another seed, other images."""
    from chronas.data.batches import Batches
    from chronas.data.load import load as load_data
    from chronas.proxies.base import ProxyBatch

    data = load_data(words.data, limit=None if words.small else 20 * words.images, seed=seed)
    batches = Batches(data.train, words.images, mean=data.mean, std=data.std, seed=seed, purpose="naswot scores")
    images, labels = batches.batch(0)
    return ProxyBatch(images, labels, len(data.classes))


if __name__ == "__main__":
    raise SystemExit(main())
