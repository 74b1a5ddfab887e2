"""The same time for `chronas fit` and for a network that a person would build by hand and train at once.

Both are real processes, with everything counted: loading, searching, training, testing, writing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, Record, chronas, mean, parser, plus_minus, run_chronas, table, tiny_data, until_out_of_time

NETWORKS = ("full-32-1-1-2-basic", "full-16-1-1-2-basic")
"""Of the resnet space: stem, four residual blocks of widths w, 2w, 4w, 4w, for w = 32 and w = 16."""


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("rival", "chronas fit against a hand-made residual network in the same time.")
    made.add_argument("--budgets", default="2m,10m,30m")
    made.add_argument("--data", default=str(CIFAR10))
    made.add_argument("--networks", default=",".join(("fit", *NETWORKS)),
                      help="fit, and networks of the resnet space trained by hand for all the time")  # fmt: skip
    made.add_argument("--set", action="append", default=[], help="passed on to fit, e.g. space.width=16 (repeatable)")
    words = made.parse_args(argv)
    if words.small:
        words.budgets, words.networks = "0.3 epochs", "fit,full-16-1-1-1-single"
        words.set = ["space.layers=2", "space.width=4", "space.m=3"]
    record = Record.open(words, {"set": words.set}, argv)
    if words.small:
        words.data = tiny_data(record)
    budgets = [word.strip() for word in words.budgets.split(",")]
    names = [word.strip() for word in words.networks.split(",")]
    with until_out_of_time() as finished:
        for seed in words.seeds or (0,):
            for budget in budgets:
                for name in names:
                    key = f"{budget} | {name} | seed {seed}"
                    record.piece(key, partial(_measure, record, words, key, budget, name, seed), seed)
    blocks, aims = _tables(record)
    record.close("The same time: fit and the hand-made network", blocks, finished[0], aims)
    return 0


def _measure(record: Record, words: argparse.Namespace, key: str, budget: str, name: str, seed: int) -> dict[str, Any]:
    folder = record.folder(budget.replace(" ", "-"), name, str(seed))
    common: list[str | Path] = ["--budget", budget, "--out", folder, "--quiet", "--seed", str(seed)]
    if name == "fit":
        changes = [part for word in words.set for part in ("--set", word)]
        start = chronas("fit", words.data, *common, *changes)
    else:
        start = chronas(
            "train", _architecture(name, record.folder("architectures")), words.data, *common, "--recipe", "fast"
        )
    seconds, processes = run_chronas(key, start, folder, record)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    network = next(entry for entry in result["networks"] if entry["name"] == "found")
    search = result["search"]
    shown = ("test_accuracy", "val_accuracy", "params", "madds", "epochs", "notation", "recipe")
    return {
        "budget": budget,
        "network": name,
        "seed": seed,
        "wall_seconds": seconds,
        "processes": processes,
        "space": search["space"] if search else network["architecture"]["space"],
        "method": search["method"] if search else None,
        "where": result["budget"]["where"],
        **{word: network.get(word) for word in shown},
    }


def _architecture(name: str, folder: Path) -> Path:
    """The architecture file of a network of the resnet space."""
    from chronas.architecture import Architecture, make_space

    space = make_space("resnet")
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(Architecture(space, space.parse(name)).to_json()), encoding="utf-8")
    return path


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for piece in record.content["pieces"].values():
        groups.setdefault((piece["budget"], piece["network"]), []).append(piece)
    rows, aims = [], dict[str, Any]()
    best_hand = {
        b: max(
            (mean([p["test_accuracy"] for p in pieces]) for (c, n), pieces in groups.items() if c == b and n != "fit"),
            default=None,
        )
        for b, _ in groups
    }
    for (budget, name), pieces in groups.items():
        tested = [piece["test_accuracy"] for piece in pieces]
        hand = best_hand[budget]
        gap = "-" if name != "fit" or hand is None else f"{mean(tested) - hand:+.2f}"
        if name == "fit" and hand is not None:
            aims[budget] = {"fit": round(mean(tested), 3), "best by hand": round(hand, 3)}
        rows.append(
            [
                f"{budget}, {name}",
                plus_minus(tested),
                gap,
                len(pieces),
                _same([f"{p['params']:,}" for p in pieces]),
                f"{mean([p['epochs'] for p in pieces]):.1f}",
                plus_minus([p["wall_seconds"] for p in pieces], 1),
                _same([f"{p['method'] or 'none'} on {p['space']}" for p in pieces]),
            ]
        )
    head = (
        "budget",
        "test accuracy, %",
        "fit less the best by hand",
        "seeds",
        "parameters",
        "epochs trained",
        "wall time, s",
        "search",
    )
    single = [
        [
            f"{p['budget']}, {p['network']}, seed {p['seed']}",
            p["notation"] or "-",
            ", ".join(f"{place} {seconds:.1f}" for place, seconds in p["where"].items()),
        ]
        for p in record.content["pieces"].values()
    ]
    return [table(head, rows), table(("run", "architecture", "seconds by place"), single)], aims


def _same(words: Sequence[str]) -> str:
    return "; ".join(dict.fromkeys(words))


if __name__ == "__main__":
    raise SystemExit(main())
