"""Figure 5 (workshop paper: figure 2) in small: the same search under four budgets, its curves in one plot.

NASIB's exploration follows the share of the budget that is spent, so a longer budget explores longer and ends
with the same amount of exploitation.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, Record, conduct, journal, parser, table, until_out_of_time
from plot import Panel, Series, figure

MOST = 150
"""Points drawn of one curve."""


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("figure5", "NASIB under several budgets in epochs: accuracy, loss and exploration against epochs.")
    made.add_argument("--epochs", default="4,8,16,32", help="the budgets")
    made.add_argument("--data", default=str(CIFAR10))
    made.add_argument("--limit", type=int, default=10000, help="training images, validation included")
    made.add_argument("--layers", type=int, default=6)
    made.add_argument("--width", type=int, default=16)
    made.add_argument("--m", type=int, default=5)
    made.add_argument("--preset", default="default", help="of nasib: default or paper")
    words = made.parse_args(argv)
    if words.small:
        words.epochs, words.data, words.limit = "0.5,1", "digits", None
        words.layers, words.width, words.m = 2, 4, 3
    names = ("limit", "layers", "width", "m", "preset")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    seeds = words.seeds or (0,)
    with until_out_of_time() as finished:
        for seed in seeds:
            for epochs in (float(word) for word in words.epochs.split(",")):
                record.piece(f"{epochs:g} epochs seed {seed}", partial(_search, record, words, epochs, seed), seed)
    picture = record.path.with_suffix(".svg")
    draw(record, picture)
    blocks = [f"![Accuracy, loss and exploration against epochs]({picture.name})", _table(record)]
    record.close("Four budgets, the same settings", blocks, finished[0])
    return 0


def _search(record: Record, words: argparse.Namespace, epochs: float, seed: int) -> dict[str, Any]:
    from chronas import api

    settings = {"space": {"layers": words.layers, "width": words.width, "m": words.m}}
    options = api.Options(method="nasib", preset=words.preset, settings=settings, seed=seed, limit=words.limit)
    folder = record.folder(f"{epochs:g}-epochs-{seed}")
    start = partial(api.search, words.data, budget=f"{epochs:g} epochs", out=folder, options=options)
    result = conduct(start, folder, record)
    found = result["search"]
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy", "exploration", "entropy")
    curves: dict[str, list[list[float]]] = {name: [] for name in names}
    for entry in journal(folder):
        if entry["kind"] != "outcome" or entry["work"]["work"] != "advance":
            continue
        for name in names:
            if entry["metrics"].get(name) is not None:
                curves[name].append([round(entry["spent"], 4), round(entry["metrics"][name], 5)])
    return {
        "epochs": epochs,
        "seed": seed,
        "notation": found["notation"],
        "params": found["params"],
        "seconds": result["budget"]["seconds"],
        "curves": {n: thin(points) for n, points in curves.items()},
    }


def thin(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """At most MOST points: means of equal runs of neighbours."""
    step = -(-len(points) // MOST) or 1
    runs = [points[i : i + step] for i in range(0, len(points), step)]
    return [[sum(p[0] for p in run) / len(run), sum(p[1] for p in run) / len(run)] for run in runs]


def draw(record: Record, path: Path) -> None:
    """Write the figure: the first seed of every budget."""
    first = min((piece["seed"] for piece in record.content["pieces"].values()), default=0)
    chosen = [piece for piece in record.content["pieces"].values() if piece["seed"] == first]
    chosen.sort(key=lambda piece: float(piece["epochs"]))
    panels = [
        Panel("accuracy on held-out images with shared weights, %", _lines(chosen, "val_accuracy")),
        Panel("training loss, nats", _lines(chosen, "train_loss")),
        Panel("share of explored choices (P1)", _lines(chosen, "exploration"), 120, 0.0, 1.0),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(figure("NASIB, the same settings under several budgets", "epochs", panels), encoding="utf-8")


def _lines(pieces: Sequence[Mapping[str, Any]], name: str) -> tuple[Series, ...]:
    return tuple(
        Series(f"{piece['epochs']:g} epochs", tuple((x, y) for x, y in piece["curves"][name])) for piece in pieces
    )


def _table(record: Record) -> str:
    rows = []
    for piece in sorted(record.content["pieces"].values(), key=lambda p: (p["epochs"], p["seed"])):
        ends = [
            piece["curves"][name][-1][1] if piece["curves"][name] else None
            for name in ("train_loss", "val_accuracy", "exploration")
        ]
        cells = ["-" if end is None else f"{end:.3f}" for end in ends]
        rows.append(
            [
                piece["notation"],
                piece["seed"],
                f"{piece['epochs']:g}",
                f"{piece['seconds']:.0f}",
                f"{piece['params']:,}",
                *cells,
            ]
        )
    head = (
        "architecture",
        "seed",
        "epochs",
        "seconds",
        "parameters",
        "training loss",
        "held-out accuracy, %",
        "exploration at the end",
    )
    return table(head, rows)


if __name__ == "__main__":
    raise SystemExit(main())
