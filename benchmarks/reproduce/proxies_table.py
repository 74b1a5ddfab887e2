"""Every proxy on NAS-Bench-201: Kendall's tau on three data sets and seconds per network, in one table.

A piece is one proxy and one seed; a seed draws the networks, the CIFAR-10 images and the initial weights. Beside it
stand the published zero-cost scores of the same networks (NAS-Bench-Suite-Zero).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import untrained  # puts the folder of the shared parts on the path
from untrained import Floats, Rows, Scorer, Tables, drawn_rows, numbers, rows_of, tau

from chronas.benchmarks import Table, load
from chronas.benchmarks.testing_door import test_accuracy
from chronas.proxies import PROXIES
from chronas.proxies.ranks import aggregate
from common import Record, mean, parser, plus_minus, say, table, until_out_of_time

PUBLISHED = "nasbench201/nasbench201_zero_cost.parquet"
ALIKE = {"nwot": "naswot", "jacov": "jacob_cov"}
"""Published names of proxies that have another name here."""
TRIVIAL = ("params", "flops")
FINAL = 200
SPLITS = (("cifar10", "val"), ("cifar10", "test"), ("cifar100", "test"), ("imagenet16", "test"))
HEADS = tuple(" ".join(split) for split in SPLITS)
Columns = Mapping[str, Floats]


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("reproduce/proxies_table", "Kendall's tau and seconds per network of every proxy on NAS-Bench-201.")
    untrained.add_words(made, networks=1000)
    every = ",".join(sorted(PROXIES.names(), key=_order))
    made.set_defaults(name="proxies_table", seeds=(0, 1, 2))
    made.add_argument("--proxies", default=every, help="names, with commas between; others can be added later")
    made.add_argument("--aggregates", default="naswot+synflow,naswot+synflow+zico,naswot+swap+zen",
                      help="sets of proxies whose ranks are joined, beside that of all")  # fmt: skip
    words = made.parse_args(argv)
    if words.small:
        words.networks, words.batch_size, words.chunk, words.seeds = 6, 6, 4, words.seeds[:1]
    names = ("networks", "batch_size", "in_flight", "device")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    opened = load("nasbench201")
    with until_out_of_time() as finished, Tables(words.shared) as tables:
        scorer = Scorer(words, record, tables)
        for seed in words.seeds:
            rows = drawn_rows(opened, words.networks, seed)
            for proxy in (name.strip() for name in words.proxies.split(",") if name.strip()):
                scorer.scores(f"seed={seed} {proxy}", opened, rows, proxy, seed)
    blocks, aims = _tables(record, opened, words)
    record.close("Proxies on NAS-Bench-201", blocks, finished[0], aims)
    return 0


def _order(name: str) -> tuple[bool, bool, str]:
    """What is cheap and what is compared most comes first, so that a short call is of use."""
    return name not in TRIVIAL, name != "naswot", name


# -- tables --------------------------------------------------------------------------------------------------


def _by_seed(record: Record) -> Iterator[tuple[Rows, Columns]]:
    """Rows of each seed, and scores by proxy, as far as they are whole."""
    for seed in record.content["seeds"]:
        pieces = {key.split(" ")[1]: piece for key, piece in record.pieces(f"seed={seed} ").items() if "rows" in piece}
        if pieces:
            yield rows_of(next(iter(pieces.values()))), {name: numbers(p["scores"]) for name, p in pieces.items()}


def _accuracies(opened: Table, rows: Rows) -> list[Floats]:
    """Accuracies after the longest training, one column for each of SPLITS."""
    return [np.asarray(opened.validation_column(dataset, FINAL), dtype=np.float64)[rows] if which == "val"
            else test_accuracy(opened, dataset, rows, FINAL) for dataset, which in SPLITS]  # fmt: skip


def _tables(record: Record, opened: Table, words: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    seconds: dict[str, list[float]] = {}
    for key, piece in record.content["pieces"].items():
        if "rows" in piece:
            seconds.setdefault(key.split(" ")[1], []).append(piece["seconds"])
    found = list(_by_seed(record))
    if not found:
        return ["Nothing is measured yet."], {}
    taus, best, lost, members = _judged(opened, found, words.aggregates)
    lines, aims = [], {}
    for name in sorted(taus, key=lambda n: (n in members, -_middle(taus[n][1]))):
        price = [sum(mean(seconds[one]) for one in members[name])] if name in members else seconds[name]
        lines.append([name, plus_minus(price, 4), f"{mean(lost[name]):.0f}",
                      *(plus_minus(values, 3) for values in taus[name]), plus_minus(best[name])])  # fmt: skip
        aims[name] = {"tau": {head: _rounded(values) for head, values in zip(HEADS, taus[name], strict=True)},
                      "seconds": round(mean(price), 5)}  # fmt: skip
    head = ("proxy", "s a network", "without score", *(f"tau, {h}" for h in HEADS), "best by score: cifar10 test, %")
    others, published = _published(opened, found, words.shared / PUBLISHED)
    return [table(head, lines), NOTE, *others], {"proxies": aims, "published": published}


Taus = dict[str, list[list[float]]]


def _judged(
    opened: Table, found: Sequence[tuple[Rows, Columns]], wanted: str
) -> tuple[Taus, dict[str, list[float]], dict[str, list[float]], dict[str, list[str]]]:
    """By proxy and aggregate: taus by split and seed, accuracy of the best, networks without score; and members."""
    taus: Taus = {}
    best: dict[str, list[float]] = {}
    lost: dict[str, list[float]] = {}
    members: dict[str, list[str]] = {}
    for rows, scores in found:
        accuracies = _accuracies(opened, rows)
        columns = dict(scores)
        for name, joined in _sets(wanted, scores).items():
            columns[name], members[name] = aggregate({one: scores[one] for one in joined}), joined
        for name, values in columns.items():
            for place, accuracy in enumerate(accuracies):
                value = tau(values, accuracy)
                kept = taus.setdefault(name, [[] for _ in SPLITS])
                if math.isfinite(value):
                    kept[place].append(value)
            lost.setdefault(name, []).append(float(np.isnan(values).sum()))
            if np.isfinite(values).any():
                best.setdefault(name, []).append(float(accuracies[1][int(np.nanargmax(values))]))
        for name in columns:
            best.setdefault(name, [])
    return taus, best, lost, members


def _sets(wanted: str, scores: Columns) -> dict[str, list[str]]:
    """Aggregates all of whose proxies have scores: all but the trivial ones, and those that are asked for."""
    everything = [name for name in scores if name not in TRIVIAL]
    sets = {f"ranks of all {len(everything)}": everything} if len(everything) > 1 else {}
    for text in (word.strip() for word in wanted.split(",") if word.strip()):
        names = text.split("+")
        if all(name in scores for name in names):
            sets[f"ranks of {' + '.join(names)}"] = names
    return sets


def _published(
    opened: Table, found: Sequence[tuple[Rows, Columns]], path: Path
) -> tuple[list[str], dict[str, dict[str, list[float]]]]:
    """Published scores of the same networks, ours beside, both over the networks that have a published score."""
    if not path.exists():
        say(f"published scores are left out: {path} is not there")
        return [], {}
    columns = _read(path)
    rows: list[list[str]] = []
    aims: dict[str, dict[str, list[float]]] = {}
    for name, column in columns.items():
        own = ALIKE.get(name, name)
        theirs: list[list[float]] = [[] for _ in SPLITS]
        ours: list[list[float]] = [[] for _ in SPLITS]
        counts = []
        for drawn, scores in found:
            known = np.isfinite(column[drawn])
            counts.append(float(known.sum()))
            for place, accuracy in enumerate(_accuracies(opened, drawn)):
                theirs[place].append(tau(column[drawn][known], accuracy[known]))
                if own in scores:
                    ours[place].append(tau(scores[own][known], accuracy[known]))
        for label, values in ((f"{name}, published", theirs), (f"{own}, here", ours)):
            if values[0]:
                rows.append([label, f"{mean(counts):.0f}", *(plus_minus(v, 3) for v in values)])
                aims[label] = {head: _rounded(v) for head, v in zip(HEADS, values, strict=True)}
    text = (
        "Published zero-cost scores (NAS-Bench-Suite-Zero, on CIFAR-10) of the same networks, and ours over the same "
        "networks. Those without unreachable operations alone have a published score (zen: all)."
    )
    return [text, table(("scores", "networks", *(f"tau, {h}" for h in HEADS)), rows)], aims


def _read(path: Path) -> dict[str, Floats]:
    """Columns of the published scores on CIFAR-10, by proxy, in the order of the table's rows."""
    import pyarrow.parquet as parquet

    whole = parquet.read_table(path)
    order = np.argsort(whole.column("index").to_numpy())
    names = [name for name in whole.column_names if name.startswith("cifar10_")]
    return {name.removeprefix("cifar10_"): whole.column(name).to_numpy().astype(np.float64)[order] for name in names}


def _middle(values: Sequence[float]) -> float:
    return mean(values) if values else -2.0


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, 4) for value in values]


NOTE = (
    "Kendall's tau with accuracies after 200 epochs, mean ± deviation over seeds; a network without a score counts as "
    "judged the worst. All scores are taken on CIFAR-10 images, also for the accuracies on CIFAR-100 and "
    "ImageNet16-120. Seconds are those of building and scoring one network (median over parts of the run); an "
    "aggregate costs what its proxies cost. params and flops are what every proxy must beat. Aggregates are means of "
    "ranks, none of which was chosen by the numbers here."
)

if __name__ == "__main__":
    raise SystemExit(main())
