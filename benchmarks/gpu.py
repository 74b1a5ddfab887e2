"""The default space on all of CIFAR-10, on a GPU: search, then train the result and a random network.

Each stage is a run that goes on in the next call where it was stopped. Runs without a GPU too, slowly.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, Record, conduct, journal, parser, table, until_out_of_time

TITLES = {
    "search": "search",
    "found": "training, the found network",
    "random": "training, a random architecture",
}


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("gpu", "Search and training on a GPU: throughput, memory, test accuracy.")
    made.add_argument("--search", default="8m", help="budget of the search")
    made.add_argument("--train", default="15m", help="budget of each training")
    made.add_argument("--data", default=str(CIFAR10))
    made.add_argument("--device", default="auto")
    made.add_argument("--precision", default="auto")
    made.add_argument("--limit", type=int, default=None, help="training images (default: all)")
    made.add_argument("--layers", type=int, default=12)
    made.add_argument("--width", type=int, default=32)
    made.add_argument("--m", type=int, default=9)
    made.add_argument("--set", action="append", default=[], help="e.g. supernet.batch_size=256 (repeatable)")
    words = made.parse_args(argv)
    if words.small:
        words.search, words.train, words.data, words.limit = "0.5 epochs", "0.5 epochs", "digits", 500
        words.layers, words.width, words.m = 2, 4, 3
    names = ("search", "train", "device", "precision", "limit", "layers", "width", "m", "set")
    record = Record.open(words, {name: getattr(words, name) for name in names}, argv)
    with until_out_of_time() as finished:
        for seed in words.seeds or (0,):
            for stage in TITLES:
                record.piece(f"{stage} seed {seed}", partial(_stage, record, words, stage, seed), seed)
    blocks, aims = _tables(record)
    record.close("The default space on all of CIFAR-10", blocks, finished[0], aims)
    return 0


def _stage(record: Record, words: argparse.Namespace, stage: str, seed: int) -> dict[str, Any]:
    import torch

    from chronas import api

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    folder, options = record.folder(f"{stage}-{seed}"), _options(words, stage, seed)
    if stage == "search":
        start: Any = partial(api.search, words.data, budget=words.search, out=folder, options=options)
    else:
        architecture = _architecture(record, stage, seed)
        start = partial(api.train, architecture, words.data, budget=words.train, out=folder, options=options)
    try:
        result = conduct(start, folder, record)
    finally:
        memory = _memory(record, stage, seed)
    found = result["search"] if stage == "search" else result["networks"][0]
    shown = {
        name: found.get(name) for name in ("notation", "params", "madds", "test_accuracy", "val_accuracy", "recipe")
    }
    return {
        **shown,
        "memory_mib": memory,
        "seconds": result["budget"]["seconds"],
        "epochs": result["budget"]["epochs"],
        "where": result["budget"]["where"],
        "rates": _rates(folder),
        "stage": stage,
    }


def _options(words: argparse.Namespace, stage: str, seed: int) -> Any:
    from chronas import api
    from chronas.settings import parse_assignments

    settings: dict[str, dict[str, Any]] = dict(parse_assignments(words.set))
    if stage == "search":
        space = {"layers": words.layers, "width": words.width, "m": words.m}
        settings["space"] = {**space, **settings.get("space", {})}
    else:
        settings = {name: values for name, values in settings.items() if name == "recipe"}
    return api.Options(
        space="superkernel",
        method="nasib",
        settings=settings,
        seed=seed,
        device=words.device,
        precision=words.precision,
        limit=words.limit,
    )


def _architecture(record: Record, stage: str, seed: int) -> Any:
    """What to train: the one that the search of this seed found, or one drawn from its space."""
    from chronas.api import RunResult
    from chronas.architecture import Architecture
    from chronas.seeding import stream
    from chronas.spaces.moves import sample

    found = RunResult(record.folder(f"search-{seed}"), {}, False, 0).architecture
    assert found is not None
    if stage == "found":
        return found
    return Architecture(found.space, sample(found.space, stream(seed, "benchmark", "gpu")))


def _memory(record: Record, stage: str, seed: int) -> float:
    """Peak memory in MiB over all calls that worked on a stage: of the GPU's tensors, else of the process."""
    import torch

    from steps import peak_memory

    here = peak_memory("cuda" if torch.cuda.is_available() else "cpu")
    file: Path = record.folder(f"memory-{stage}-{seed}.txt")
    before = float(file.read_text()) if file.exists() else 0.0
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{max(here, before):.1f}\n")
    return max(here, before)


def _rates(folder: Path) -> list[float]:
    """Images per second of every slice."""
    records = [r for r in journal(folder) if r.get("metrics") and r["kind"] in ("outcome", "epoch")]
    return [round(r["metrics"]["images_per_second"], 1) for r in records if "images_per_second" in r["metrics"]]


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    rows, aims = [], dict[str, Any]()
    for key, piece in record.content["pieces"].items():
        rate = statistics.median(piece["rates"]) if piece["rates"] else float("nan")
        tested = piece["test_accuracy"]
        aims[key] = {
            "images_per_second": round(rate) if piece["rates"] else None,
            "test_accuracy": tested,
            "memory_mib": round(piece["memory_mib"]),
        }
        rows.append(
            [
                f"{TITLES[piece['stage']]} ({key.partition(' ')[2]})",
                f"{piece['params']:,}",
                f"{piece['madds']:,}",
                f"{piece['seconds']:.0f}",
                f"{piece['epochs']:.1f}",
                f"{rate:,.0f}",
                f"{piece['memory_mib']:,.0f}",
                "-" if tested is None else f"{tested:.2f}",
            ]
        )
    head = (
        "stage",
        "parameters",
        "multiply-adds",
        "seconds",
        "epochs",
        "images/s",
        "peak memory, MiB",
        "test accuracy, %",
    )
    networks = [[key, piece["notation"] or "-"] for key, piece in record.content["pieces"].items()]
    note = (
        "Images per second: median over slices, weight and architecture steps. Memory: most of the GPU's "
        "tensors (without a GPU: of the process)."
    )
    return [table(head, rows), note, table(("stage", "architecture"), networks)], aims


if __name__ == "__main__":
    raise SystemExit(main())
