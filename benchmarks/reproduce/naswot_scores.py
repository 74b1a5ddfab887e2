"""NASWOT scores of all 15,625 networks of NAS-Bench-201 with real CIFAR-10 images, once per seed.

A seed fixes the images (128, the same for all networks) and the initial weights, as in `chronas score --seed`. Networks
that are exactly equal are scored once (5,653 of them), which is what scoring all with equal initial weights gives.
Every few hundred networks the file is written, and the same command goes on where it was. One Parquet file: row of the
table, one column per seed, mean seconds per score.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from chronas.benchmarks import Table, load  # noqa: E402
from chronas.execution.lookup import ProxyScores  # noqa: E402
from chronas.execution.scores import read_scores, write_npz  # noqa: E402
from chronas.work import Choices  # noqa: E402
from common import (  # noqa: E402
    CIFAR10,
    OutOfTime,
    Record,
    command,
    in_words,
    machine,
    now_text,
    parser,
    say,
    until_out_of_time,
)

IMAGES = 128
EVERY = 200
Floats = npt.NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("reproduce/naswot_scores", "NASWOT scores of all networks of NAS-Bench-201, once per seed.")
    made.set_defaults(out=HERE / "scores", name="nasbench201_naswot", seeds=(0, 1, 2))
    made.add_argument("--data", default=str(CIFAR10), help="CIFAR-10")
    made.add_argument("--images", type=int, default=IMAGES)
    made.add_argument("--in-flight", type=int, default=1, help="networks scored at once, a thread each")
    made.add_argument("--ship", type=Path, help="also write the compact .npz of the package, of the finished seeds")
    words = made.parse_args(argv)
    if words.small:
        words.images, words.seeds = min(words.images, 4), words.seeds[:2]
    if words.threads is not None:
        import torch

        torch.set_num_threads(words.threads)
    if words.small and words.ship:
        made.error("--ship writes what the package reads; --small scores are not for it.")
    setting = {"seeds": list(words.seeds), "images": words.images, "data": Path(words.data).name, "small": words.small}
    scores = Scores(words.out / f"{words.name}.parquet", load("nasbench201"), setting)
    deadline = float("inf") if words.limit_minutes is None else time.monotonic() + 60 * words.limit_minutes
    with until_out_of_time() as finished:
        for seed in words.seeds:
            _score_seed(words, seed, scores, command("reproduce/naswot_scores", argv), deadline)
            if not words.small:
                scores.finish(seed, command("reproduce/naswot_scores", argv))
    if words.ship is not None and (places := scores.finished):
        write_npz(words.ship, scores.rows, scores.values[:, places], float(np.nanmedian(scores.seconds)))
    return 0 if finished[0] else 1


def finished_scores(path: Path, table: Table) -> dict[str, ProxyScores]:
    """The scores in a file of this script, of the seeds that are finished; none where there is no such seed yet.

    A file that does not say which seeds are finished is taken as whole.
    """
    import pyarrow.parquet as parquet

    if not path.exists():
        return {}
    metadata = parquet.read_schema(path).metadata or {} if path.suffix == ".parquet" else {}
    if b"chronas" not in metadata:
        return read_scores(path, table)
    notes = json.loads(metadata[b"chronas"])
    places = [place for place, seed in enumerate(notes["seeds"]) if seed in notes["finished"]]
    say(f"{path.name}: seeds {notes['finished']} of {notes['seeds']} are finished.")
    found = read_scores(path, table) if places else {}
    return {name: ProxyScores(scores.values[:, places], scores.seconds) for name, scores in found.items()}


def forget_other_scores(record: Record, keys: Sequence[str], scores: Mapping[str, ProxyScores]) -> str:
    """Drop pieces that were measured with other scores; returns what pieces of these are to be marked with."""
    digest = hashlib.blake2b(digest_size=6)
    for name in sorted(scores):
        digest.update(name.encode() + scores[name].values.tobytes())
    mark = digest.hexdigest()
    for key in keys:
        if record.content["pieces"].get(key, {}).get("scores") not in (None, mark):
            say(f"{key} was measured with other scores: again.")
            del record.content["pieces"][key]
    return mark


class Scores:
    """The file. Goes on with one of the same setting; raises SystemExit for another.

    setting  seeds, images, name of the data, small
    """

    def __init__(self, path: Path, table: Table, setting: Mapping[str, Any]) -> None:
        self.path, self.table, self.setting = path, table, dict(setting)
        self.seeds: tuple[int, ...] = tuple(setting["seeds"])
        self.rows = np.arange(len(table))
        self.values = np.full((len(table), len(self.seeds)), np.nan)
        self.seconds = np.full(len(table), np.nan)
        self.classes: dict[Choices, list[int]] = {}
        for row in self.rows.tolist():
            self.classes.setdefault(table.space.exact(table.choices(row)), []).append(row)
        self.notes: dict[str, Any] = {
            **self.setting,
            "finished": [],
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
        known = {name: self.notes.get(name) for name in self.setting}
        if known != self.setting:
            raise SystemExit(f"{self.path} was made with {known}, not with {self.setting}. Give another --out.")
        for place in range(len(self.seeds)):
            self.values[:, place] = found.column(f"seed_{place}").to_numpy()
        self.seconds = found.column("seconds").to_numpy().astype(np.float64)

    def finish(self, seed: int, line: str) -> None:
        """All networks were tried for `seed`."""
        self.notes["finished"] = sorted({*self.notes["finished"], seed})
        self.write(line)

    @property
    def finished(self) -> list[int]:
        """Columns of the seeds that are finished."""
        return [place for place, seed in enumerate(self.seeds) if seed in self.notes["finished"]]

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
    from chronas.architecture import Architecture, make_space
    from chronas.data.load import load as load_data
    from chronas.errors import ProxyError
    from chronas.proxies.many import Candidate, score_many
    from chronas.training.hardware import Hardware
    from chronas.training.scores import proxy_batch, untrained

    place = scores.seeds.index(seed)
    if place in scores.finished:
        return
    waiting = scores.missing(place)[: 4 if words.small else None]
    if not waiting:
        return
    data, hardware = load_data(words.data, seed=seed), Hardware.find("cpu")
    batch = proxy_batch(data, hardware, seed, words.images)
    space = make_space("nasbench201", {"channels": 4, "cells": 1}) if words.small else scores.table.space
    size = 2 if words.small else EVERY
    for start in range(0, len(waiting), size):
        if time.monotonic() >= deadline:
            raise OutOfTime
        part = waiting[start : start + size]
        candidates = [
            Candidate(choices, untrained(Architecture(space, choices), data.task, hardware, seed, "naswot"))
            for choices in part
        ]
        began, found = time.monotonic(), []
        for candidate, score in score_many("naswot", candidates, batch, in_flight=words.in_flight):
            found.append((candidate, score))
        each = (time.monotonic() - began) / len(part)
        for (_, score), choices in zip(found, part, strict=True):
            if not isinstance(score, ProxyError):
                scores.put(choices, place, score, each)
        scores.write(line)
        say(f"seed {seed}: {start + len(part)} of {len(waiting)}, {each:.3f} s a network")


if __name__ == "__main__":
    raise SystemExit(main())
