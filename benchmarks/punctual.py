"""Whether a run ends on time: `chronas fit` as a user calls it, timed from outside, from before it starts.

The same runs are done on an idle machine, beside one busy process, and beside two.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, ROOT, Record, chronas, journal, parser, surroundings, table, tiny_data, until_out_of_time

CONDITIONS = {"idle": 0, "one": 1, "two": 2}
"""Busy processes beside the run."""
CASES = (
    "digits:20", "digits:31", "digits:60", "digits:150", "sign_digits:25", "sign_digits:40", "sign_digits:90",
    "sign_digits:180", "clothing:30", "clothing:55", "clothing:100", "clothing:200", "photos:28", "photos:50",
    "photos:80", "photos:160", "cifar10:45", "cifar10:75", "cifar10:140", "cifar10:300",
)  # fmt: skip
"""Twenty runs on five data sets: DATA:SECONDS."""
PHOTOS, SIDE = 1000, 160
"""Images of the folder of JPEG photos, and pixels of their side."""
MORE = {
    "photos": ("--size", "64"),
    "tiny": ("--space", "superkernel", "--set", "space.layers=2", "--set", "space.width=4", "--set", "space.m=3"),
}
"""Words of the command line that a data set needs."""


@dataclass(frozen=True)
class Case:
    """One run: the data's name, and the budget in seconds."""

    data: str
    seconds: int

    @classmethod
    def read(cls, text: str) -> Case:
        """The case that DATA:SECONDS names."""
        data, _, seconds = text.partition(":")
        return cls(data, int(seconds))


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("punctual", "Wall time of fits against their budgets, idle and beside busy processes.")
    made.add_argument("--cases", default=",".join(CASES), help="DATA:SECONDS, parted by commas")
    made.add_argument("--conditions", default=",".join(CONDITIONS), help="any of idle, one, two")
    made.add_argument("--data", type=Path, default=CIFAR10.parent, help="the folder of the data sets")
    words = made.parse_args(argv)
    seeds = words.seeds or (0,)
    cases = [Case.read(word) for word in words.cases.split(",")]
    conditions = words.conditions.split(",")
    if words.small:
        cases, conditions = [Case("tiny", 0)], ["idle", "one"]
    # Cases and conditions are no part of the setting: the file is added to, part by part.
    record = Record.open(words, {"photos": [PHOTOS, SIDE]}, argv)
    with until_out_of_time() as finished:
        for seed in seeds:
            for condition in conditions:
                for case in cases:
                    key = f"{condition} {case.data} {case.seconds} s {seed}"
                    record.piece(key, partial(_measure, record, words, case, condition, seed), seed, case.seconds + 10)
    blocks, aims = _tables(record)
    record.close("Budgets: given and used", blocks, finished[0], aims)
    return 0


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep `count` processes of this block's own busy."""
    started = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _measure(record: Record, words: argparse.Namespace, case: Case, condition: str, seed: int) -> dict[str, Any]:
    folder = _fresh(record.folder(f"{condition}-{case.data}-{case.seconds}-{seed}"))
    budget = f"{case.seconds}s" if case.seconds else "0.3 epochs"
    call = chronas("fit", _source(record, words.data, case.data), "--budget", budget, "--out", folder, "--quiet",
                   "--seed", str(seed), *MORE.get(case.data, ()))  # fmt: skip
    with busy(CONDITIONS[condition]):
        around = surroundings(record.threads)
        began = time.monotonic()
        done = subprocess.run(call, capture_output=True, text=True, env=around, cwd=ROOT, check=False)
        wall = time.monotonic() - began
    found = {"given": case.seconds or None, "used": wall, "exit": done.returncode}
    if done.returncode:
        return {**found, "said": done.stderr.strip()[-500:]}
    records = journal(folder)
    step = max((r["metrics"].get("step_seconds") or 0.0 for r in records if r.get("metrics")), default=0.0)
    return {**found, "own_clock": max(float(r["t"]) for r in records), "step": step, **_judged(folder)}


def _judged(folder: Path) -> dict[str, Any]:
    """How many images were looked at, and what came of it."""
    from chronas.runs.folder import RunFolder

    result = RunFolder.open(folder).read_result() or {}
    row = next(row for row in result["networks"] if row["name"] == "found")
    images = {f"{key}_images": [row[f"{key}_images"], result["data"][key]] for key in ("val", "test")}
    return {**images, "test_accuracy": row["test_accuracy"]}


def _source(record: Record, home: Path, name: str) -> str:
    if name == "tiny":
        return tiny_data(record)
    if name == "photos":
        return str(_photos(record, home / "cifar10" / "train.parquet"))
    return name if name == "digits" else str(home / name)


def _photos(record: Record, source: Path) -> Path:
    """A folder of JPEG files in class folders, made once: enlarged images of CIFAR-10."""
    import io

    import pyarrow.parquet as parquet
    from PIL import Image

    folder = record.folder("photos")
    if (folder / "made").exists():
        return folder / "images"
    rows = parquet.ParquetFile(source).read().slice(0, PHOTOS)
    label = next(name for name in rows.column_names if "label" in name)
    pictures = next(name for name in rows.column_names if name in ("img", "image"))
    for number, row in enumerate(rows.to_pylist()):
        inner = folder / "images" / f"class-{row[label]}"
        inner.mkdir(parents=True, exist_ok=True)
        image = Image.open(io.BytesIO(row[pictures]["bytes"])).convert("RGB")
        image.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(inner / f"{number:05d}.jpg", quality=90)
    (folder / "made").touch()
    return folder / "images"


def _fresh(folder: Path) -> Path:
    """`folder`, or where a run was cut off there, the next free one beside it."""
    number, free = 1, folder
    while free.exists():
        number, free = number + 1, folder.with_name(f"{folder.name}.{number}")
    return free


def verdict(given: float, used: float, step: float) -> str:
    """The rule: never later than given, and not earlier than max(1 %, one step + 2 s) before it."""
    if used > given:
        return "late"
    return "on time" if given - used <= max(0.01 * given, step + 2) else "early"


def _row(key: str, piece: dict[str, Any]) -> tuple[list[str], str]:
    """The row of one run, and its verdict; none where there was no budget in seconds."""
    condition, data, *_ = key.split()
    given, used = piece["given"], piece["used"]
    if given is None:
        return [data, condition, "-", f"{used:.2f}", *"----"], ""
    gap = [f"{given} s", f"{used:.2f}", f"{used - given:+.2f}"]
    if piece["exit"]:
        found = "refused" if used <= given else "late"
        return [data, condition, *gap, "-", "-", found], found
    found = verdict(given, used, piece["step"])
    tests = "{:,} of {:,}".format(*piece["test_images"])
    return [data, condition, *gap, tests, f"{piece['test_accuracy']:.1f}", found], found


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    rows, aims = [], {}
    found: dict[str, list[tuple[str, float]]] = {name: [] for name in CONDITIONS}
    for key, piece in record.content["pieces"].items():
        row, word = _row(key, piece)
        rows.append(row)
        if word:
            found[key.split()[0]].append((word, piece["used"] - piece["given"]))
    lines = []
    for name, runs in found.items():
        if not runs:
            continue
        counts = {word: sum(one == word for one, _ in runs) for word in ("on time", "early", "late", "refused")}
        gaps = [gap for word, gap in runs if word != "refused"] or [0.0]
        aims[name] = {"runs": len(runs), **counts, "latest": round(max(gaps), 3), "earliest": round(min(gaps), 3)}
        words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        lines.append(f"{name}: {words} of {len(runs)}; {min(gaps):+.2f} to {max(gaps):+.2f} s from the budget.")
    rule = ("Wall time of the whole process, measured from outside. On time: not later than given, and at most "
            "max(1 %, longest step + 2 s) earlier. Idle, or beside one or two busy processes.")  # fmt: skip
    head = ("data", "machine", "given", "used, s", "difference, s", "test images judged", "test acc., %", "verdict")
    return ["\n".join([rule, "", *(f"- {line}" for line in lines)]), table(head, rows)], aims


if __name__ == "__main__":
    raise SystemExit(main())
