"""Table 1 of NASWOT (Mellor et al. 2021), NAS-Bench-101, on what exists of that benchmark here.

The benchmark itself (423,624 cells) is not here. Three tables of cells of its space are: a sample of 500 graphs
(292 different cells) with accuracies after 108 epochs and no times, and EC-NAS, new trainings of all 91 cells of at
most 4 nodes (4 to 108 epochs) and of all 2,532 cells of at most 5 nodes (4 epochs). Each is a benchmark of its own:
numbers are comparable within a table, and with the paper's only in their order.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import untrained  # puts the folder of the shared parts on the path
from untrained import Floats, Scorer, Tables, as_text, final, numbers, present, rows_of

from chronas.architecture import make_space
from chronas.benchmarks import BENCHMARKS, Table
from chronas.benchmarks.container import write
from chronas.benchmarks.contents import choices_array
from chronas.budget import Budget
from chronas.compare import RANDOM_SEARCH, Contender, compare
from chronas.execution.lookup import ProxyScores
from chronas.seeding import stream
from chronas.spaces.nasbench101 import NasBench101Space
from common import Record, parser, table, until_out_of_time

PAPER = {
    "Random": ("", 90.38, 5.51),
    "NASWOT N=100": ("23", 91.77, 0.05),
    "REA": ("12000", 93.87, 0.22),
    "AREA": ("12000", 93.91, 0.29),
}
"""Search seconds, mean and deviation as printed, for the whole of NAS-Bench-101 (test accuracy on CIFAR-10)."""
VERTICES = {"ecnas_4v": 4, "ecnas_5v": 5}
"""Tables that hold every cell of so many nodes at most: methods that choose by themselves can search in them."""
SEARCHES = {"REA": Contender("rea", "paper"), "AREA": Contender("area", "paper")}
SAMPLES = (10, 100)
DATASET = "cifar10"
NAMES = ("Random", "RS", "NASWOT N=10", "NASWOT N=100", "REA", "AREA", "Optimal N=10", "Optimal N=100", "best of all")


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("reproduce/table1_nasbench101", "Table 1 of NASWOT on what exists of NAS-Bench-101 here.")
    untrained.add_words(made, networks=None, tables="nasbench101_sample,ecnas_4v,ecnas_5v")
    made.set_defaults(name="naswot_table1_nasbench101", in_flight=1, chunk=50)
    made.add_argument("--runs", type=int, default=500)
    made.add_argument("--budget", default="12000s", help="of REA, AREA and RS on EC-NAS")
    words = made.parse_args(argv)
    if words.small:
        words.runs, words.batch_size, words.tables, words.budget = 3, 6, "ecnas_4v", "1000s"
    names = ("runs", "budget", "batch_size", "in_flight", "device")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    with until_out_of_time() as finished, Tables(words.shared) as tables:
        scorer = Scorer(words, record, tables)
        for seed in words.seeds or (0,):
            for name in present(words.tables, words.shared):
                _measure(scorer, name, seed)
    blocks, aims = _tables(record)
    record.close("NASWOT, table 1, on what exists of NAS-Bench-101", blocks, finished[0], aims)
    return 0


def _measure(scorer: Scorer, name: str, seed: int) -> None:
    """All rows of one table: scores of all its cells, then draws and searches."""
    words = scorer.words
    opened = _closed(words.shared, name, scorer.tables.folder) if name in VERTICES else scorer.tables[name]
    piece = scorer.scores(f"{name} scores seed={seed}", opened, np.arange(len(opened)), "naswot", seed)
    scores = np.full(len(opened), np.nan)
    scores[rows_of(piece)] = numbers(piece["scores"])
    record = scorer.record
    record.piece(f"{name} drawn seed={seed}", partial(_drawn, opened, scores, piece["seconds"], words.runs, seed), seed)
    if name in VERTICES:
        for label, one in SEARCHES.items():
            given = ProxyScores(scores, piece["seconds"])
            record.piece(f"{name} {label} seed={seed}", partial(_search, opened, one, label, given, words, seed), seed)


def _closed(shared: Path, name: str, folder: Path) -> Table:
    """EC-NAS as a table of the space of so few nodes that it holds all of it, for methods to search in."""
    path = folder / f"{name}_closed.table"
    if not path.exists():
        contents = BENCHMARKS.load(name)(shared / untrained.SOURCES[name], False)
        wide, few = make_space("nasbench101"), make_space("nasbench101", {"vertices": VERTICES[name]})
        assert isinstance(wide, NasBench101Space)
        assert isinstance(few, NasBench101Space)
        choices = [few.canonical(few.choices(wide.cell(tuple(map(int, row))))) for row in contents.choices]
        settings = {"vertices": VERTICES[name]}
        write(path, replace(contents, settings=settings, choices=choices_array(choices, name)))
    return Table(path)


def _drawn(opened: Table, scores: Floats, seconds: float, runs: int, seed: int) -> dict[str, Any]:
    """Rows that draw from the table itself: random, the best score of N, the best accuracy of N."""
    accuracy, which = _last(opened)
    rows = {"Random": _entry(accuracy[_draws(opened, runs, 1, seed)[:, 0]], None)}
    for count in SAMPLES:
        drawn = _draws(opened, runs, count, seed)
        judged = np.where(np.isnan(scores), -np.inf, scores)[drawn]
        chosen = drawn[np.arange(runs), judged.argmax(axis=1)]
        rows[f"NASWOT N={count}"] = _entry(accuracy[chosen], count * seconds)
        rows[f"Optimal N={count}"] = _entry(accuracy[drawn].max(axis=1), None)
    rows["best of all"] = _entry(np.array([np.nanmax(accuracy)]), None)
    return {"rows": rows, "cells": len(opened), "metric": which}


def _last(opened: Table) -> tuple[Floats, str]:
    """Test accuracy after the longest training; validation where the table has no test metric."""
    from chronas.benchmarks.testing_door import test_accuracy
    from chronas.errors import TableError

    try:
        late = opened.epochs_of(DATASET)[-1]
        return test_accuracy(opened, DATASET, np.arange(len(opened))), f"test, {late} epochs"
    except TableError:
        return final(opened, DATASET)[0], f"validation, {opened.epochs_of(DATASET)[-1]} epochs"


def _draws(opened: Table, runs: int, count: int, seed: int) -> Any:
    """(runs, count) rows, with replacement as in the released code."""
    return np.stack([stream(seed, "reproduce", "table1", count, run).integers(len(opened), size=count)
                     for run in range(runs)])  # fmt: skip


def _entry(values: Floats, seconds: float | None) -> dict[str, Any]:
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return {"mean": round(float(values.mean()), 3), "std": round(spread, 3),
            "seconds": None if seconds is None else round(seconds, 2)}  # fmt: skip


def _search(
    opened: Table, one: Contender, label: str, scores: ProxyScores, words: argparse.Namespace, seed: int
) -> dict[str, Any]:
    """A method on the simulated clock, random search at equal price beside."""
    budget = Budget.parse(words.budget)
    result = compare(opened, [one], DATASET, budget, words.runs, seed=seed, proxy_scores={"naswot": scores})
    rows = {}
    for name, found in ((label, result.line(one.name)), ("RS", result.line(RANDOM_SEARCH))):
        assert found.spent is not None
        rows[name] = _entry(found.values[DATASET, "test"], float(found.spent.mean()))
    return {"rows": rows, "epochs": result.epochs, "budget": as_text([budget.amount])}


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    facts: dict[str, str] = {}
    first = min(record.content["seeds"], default=0)
    for key, piece in record.content["pieces"].items():
        name = key.split(" ")[0]
        if key.endswith(f" seed={first}") and isinstance(piece["rows"], dict):
            found.setdefault(name, {}).update(piece["rows"])
            if "cells" in piece:
                facts[name] = f"{name} ({piece['cells']} cells; {piece['metric']})"
    lines = []
    for row in NAMES:
        paper = PAPER.get(row)
        cells = [_cell(entries.get(row)) for entries in found.values()]
        seconds = f" ({paper[0]} s)" if paper and paper[0] else ""
        lines.append([row, *cells, "-" if paper is None else f"{paper[1]:.2f} ± {paper[2]:.2f}{seconds}"])
    head = ("row", *(facts.get(name, name) for name in found), "paper: all of NAS-Bench-101, test")
    return [table(head, lines), NOTE], found


def _cell(entry: dict[str, Any] | None) -> str:
    if entry is None:
        return "-"
    seconds = "" if entry["seconds"] is None else f" ({entry['seconds']:,.1f} s)"
    return f"{entry['mean']:.2f} ± {entry['std']:.2f}{seconds}"


NOTE = (
    "Accuracy on CIFAR-10 in percent, mean ± deviation over runs; seconds of the search in brackets (simulated for "
    "RS, REA and AREA). Draws are uniform over the cells of a table. nasbench101_sample is a sample of 500 graphs of "
    "the published benchmark, of which small cells are over-represented; it has no times and too few cells to search "
    "in, so the rows RS, REA and AREA stay empty. ecnas_4v and ecnas_5v are new trainings of all small cells (EC-NAS), "
    "not the published numbers: searches see validation after 12 (ecnas_4v) or 4 epochs (ecnas_5v), and test is "
    "reported after 108 or 4. With so few cells N=100 sees a good part of a table. Networks are scored with 16 "
    "channels, as in the released code."
)


if __name__ == "__main__":
    raise SystemExit(main())
