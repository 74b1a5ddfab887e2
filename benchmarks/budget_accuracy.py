"""Whether a run ends on time: real processes with budgets of 30 to 120 s, timed from outside.

The same runs are done on an idle machine and beside two busy processes.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, Record, chronas, journal, parser, run_process, table, tiny_data, until_out_of_time

BUSY = 2
"""Processes that load the machine."""


@dataclass(frozen=True)
class Case:
    """One run: what is called, on which data, with which budget in seconds."""

    verb: str
    data: str
    seconds: int


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("budget_accuracy", "Wall time of runs against their budgets, idle and on a loaded machine.")
    made.add_argument("--runs", type=int, default=10)
    made.add_argument("--data", default=str(CIFAR10), help="the larger data set; the other one is digits")
    made.add_argument("--limit", type=int, default=5000, help="training images of the larger data set")
    made.add_argument("--budgets", default="30,120", help="least and most seconds")
    made.add_argument("--loads", default="idle,loaded", help="which half to measure")
    words = made.parse_args(argv)
    if words.small:
        words.runs = 1
    seed = (words.seeds or (0,))[0]
    low, high = (int(word) for word in words.budgets.split(","))
    setting = {"runs": words.runs, "limit": words.limit, "budgets": [low, high], "seed": seed}
    record = Record.open(words, setting, argv)
    cases = choose(words.runs, low, high, seed)
    with until_out_of_time() as finished:
        for load in ("idle",) if words.small else words.loads.split(","):
            for number, case in enumerate(cases):
                key = f"{load} {number} {case.verb} {case.data} {case.seconds} s"
                measure = partial(_measure, record, words, case, load, number)
                record.piece(key, measure, seed, takes=case.seconds + 10)
    blocks, aims = _tables(record)
    record.close("Budgets: given and used", blocks, finished[0], aims)
    return 0


def choose(runs: int, low: int, high: int, seed: int) -> list[Case]:
    """Runs drawn from `seed`: both verbs and data sets in turn, budgets uniform in [low, high] seconds."""
    from chronas.seeding import stream

    numbers = stream(seed, "benchmark", "budgets")
    kinds = [("fit", "digits"), ("search", "cifar10"), ("fit", "cifar10"), ("search", "digits")]
    return [Case(*kinds[i % len(kinds)], int(numbers.integers(low, high + 1))) for i in range(runs)]


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


def _measure(record: Record, words: argparse.Namespace, case: Case, load: str, number: int) -> dict[str, Any]:
    folder = _fresh(record.folder(f"{load}-{number}"))
    budget = "0.3 epochs" if words.small else f"{case.seconds}s"
    data = [case.data] if case.data == "digits" else [words.data, "--limit", str(words.limit)]
    if words.small:
        data = [tiny_data(record)]
    call = chronas(case.verb, *data, "--budget", budget, "--out", folder, "--quiet", "--seed", str(number))
    if words.small:
        call += ["--set", "space.layers=2", "--set", "space.width=4", "--set", "space.m=3"]
    with busy(BUSY if load == "loaded" else 0):
        wall = run_process(call, record)
    records = journal(folder)
    step = max((r["metrics"].get("step_seconds") or 0.0 for r in records if r.get("metrics")), default=0.0)
    own = max(float(r["t"]) for r in records)
    return {"given": None if words.small else case.seconds, "used": wall, "own_clock": own, "step": step}


def _fresh(folder: Path) -> Path:
    """`folder`, or where a run was cut off there, the next free one beside it."""
    number, free = 1, folder
    while free.exists():
        number, free = number + 1, folder.with_name(f"{folder.name}.{number}")
    return free


def judge(given: float, used: float, step: float) -> str:
    """The rule: never later than given, and not earlier than max(1 %, one step + 2 s) before it."""
    if used > given:
        return "late"
    return "on time" if given - used <= max(0.01 * given, step + 2) else "early"


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    rows, verdicts = [], []
    for key, piece in record.content["pieces"].items():
        load, _, verb, data, *_ = key.split()
        given, used = piece["given"], piece["used"]
        if given is None:
            rows.append([f"{verb} {data}", load, "-", f"{used:.2f}", "-", "-", "-"])
            continue
        found = judge(given, used, piece["step"])
        verdicts.append((load, found, used - given))
        allowed = max(0.01 * given, piece["step"] + 2)
        rows.append(
            [
                f"{verb} {data}",
                load,
                f"{given} s",
                f"{used:.2f}",
                f"{used - given:+.2f}",
                f"{allowed:.2f}",
                found,
            ]
        )
    aims: dict[str, Any] = {}
    for load in ("idle", "loaded"):
        own = [(found, gap) for name, found, gap in verdicts if name == load]
        if own:
            gaps = [gap for _, gap in own]
            aims[load] = {
                "runs": len(own),
                "on time": sum(found == "on time" for found, _ in own),
                "latest": round(max(gaps), 3),
                "earliest": round(min(gaps), 3),
            }
    lines = [
        f"{load}: {a['on time']} of {a['runs']} on time; {a['earliest']:+.2f} to {a['latest']:+.2f} s from the budget."
        for load, a in aims.items()
    ]
    rule = (
        "Wall time of the whole process, measured from outside. On time: not later than given, and at "
        "most max(1 %, longest step + 2 s) earlier."
    )
    head = ("run", "machine", "given", "used, s", "difference, s", "allowed, s", "verdict")
    return ["\n".join([rule, *lines]), table(head, rows)], aims


if __name__ == "__main__":
    raise SystemExit(main())
