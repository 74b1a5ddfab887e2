"""How long loading takes, and what augmentation costs in a training step.

Loading is measured in fresh processes, from the call of `load` to the ready tensor, and as the whole process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import CIFAR10, Record, mean, parser, plus_minus, run_output, table, tiny_data, until_out_of_time, verdict

SHARE = 5.0
"""Percent of a step that augmentation may take."""


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("loading", "Seconds to load CIFAR-10 from Parquet; augmentation's share of a training step.")
    made.add_argument("--data", default=str(CIFAR10), help="folder with train.parquet and test.parquet")
    made.add_argument("--repetitions", type=int, default=3)
    made.add_argument("--rounds", type=int, default=8, help="how often with and without augmentation take turns")
    made.add_argument("--steps", type=int, default=20, help="steps per turn")
    made.add_argument("--child", default=None, help=argparse.SUPPRESS)
    words = made.parse_args(argv)
    if words.child is not None:
        print(json.dumps(_load_here(words.child)))
        return 0
    sources = {"train.parquet": str(Path(words.data) / "train.parquet"), "train and test": words.data}
    if words.small:
        words.repetitions, words.rounds, words.steps = 1, 2, 3
    setting = {"repetitions": words.repetitions, "rounds": words.rounds, "steps": words.steps}
    record = Record.open(words, setting, argv)
    if words.small:
        sources = {"noise": tiny_data(record)}
    with until_out_of_time() as finished:
        for name, source in sources.items():
            for repetition in range(words.repetitions):
                record.piece(f"load {name} {repetition}", partial(_load, record, source))
        for name in ("supernet", "network", "resnet"):
            record.piece(f"augment {name}", partial(_augment, name, words.small, words.rounds, words.steps))
    blocks, aims = _tables(record, sources)
    record.close("Loading and augmentation", blocks, finished[0], aims)
    return 0


def _load(record: Record, source: str) -> dict[str, Any]:
    began = time.monotonic()
    found = run_output([sys.executable, str(Path(__file__).resolve()), "--child", source], record)
    return {**json.loads(found), "process_seconds": time.monotonic() - began}


def _load_here(source: str) -> dict[str, Any]:
    """Seconds from the call of `load` to the ready uint8 tensors, checked and split, in this process."""
    import torch

    from chronas.data.load import load

    began = time.monotonic()
    data = load(source)
    seconds = time.monotonic() - began
    splits = [split for split in (data.train, data.val, data.test) if split is not None]
    assert all(split.images.dtype == torch.uint8 for split in splits)
    return {"seconds": seconds, "images": sum(len(split) for split in splits)}


def _augment(name: str, small: bool, rounds: int, steps: int) -> dict[str, Any]:
    """Seconds of steps with and without augmentation, in turns, and of augmenting one batch alone."""
    from chronas.data.augment import augment
    from chronas.seeding import torch_stream
    from chronas.training.hardware import Hardware
    from steps import StepClock, Variant, make_trainer, random_images

    hardware = Hardware.find()
    data = random_images(256 if small else 4096).to(hardware.device)
    if name == "resnet":
        trainer: Any = _resnet_trainer(data, hardware, small)
    else:
        kind: Any = "default" if name == "supernet" else "plain"
        layers, width, m = (2, 4, 3) if small else (12, 32, 9)
        batch = 8 if small else (64 if name == "supernet" else 128)
        trainer = make_trainer(Variant(kind, m, width, layers, batch), data, hardware)
    plan, clock = trainer.train.plan, StepClock(trainer, hardware)
    clock.times(3)
    seconds: dict[str, list[float]] = {"with": [], "without": [], "alone": []}
    batch_images = data.train.images[: trainer.train.batch_size]
    for turn in range(rounds):
        for which in ("with", "without") if turn % 2 == 0 else ("without", "with"):
            trainer.train.plan = plan if which == "with" else None
            seconds[which] += clock.times(steps)
        for step in range(steps):
            began = time.perf_counter()
            augment(batch_images, plan, torch_stream(0, "benchmark", step))
            if hardware.kind == "cuda":
                clock.wait()
            seconds["alone"].append(time.perf_counter() - began)
    shown = {which: [round(value, 7) for value in values] for which, values in seconds.items()}
    return {"device": hardware.device, "batch_size": trainer.train.batch_size, "seconds": shown}


def _resnet_trainer(data: Any, hardware: Any, small: bool) -> Any:
    from chronas import nets
    from chronas.architecture import Architecture, make_space
    from chronas.spaces.resnet import RIVAL
    from chronas.training.network import Looks, NetworkTrainer, seeded_network
    from chronas.training.recipes import recipe

    space = make_space("resnet")
    architecture = Architecture(space, space.parse("half-16-1-1-1-single" if small else RIVAL))
    net = seeded_network(lambda: nets.build(architecture, data.task), 0, "benchmark")
    return NetworkTrainer(net, data, recipe("fast"), hardware, 0, looks=Looks(times=0), slice_steps=10**9)


def _tables(record: Record, sources: dict[str, str]) -> tuple[list[str], dict[str, Any]]:
    rows, steps, aims = [], [], {}
    for name in sources:
        found = list(record.pieces(f"load {name} ").values())
        if not found:
            continue
        seconds, whole = [p["seconds"] for p in found], [p["process_seconds"] for p in found]
        rows.append([name, f"{found[0]['images']:,}", plus_minus(seconds), plus_minus(whole), len(found)])
        aims[f"seconds to load {name}"] = round(mean(seconds), 3)
    words = {
        "supernet": "search (NASIB, 12 layers, width 32, m = 9)",
        "network": "training, 12 layers of 3x3, width 32",
        "resnet": "training, the hand-made residual network",
    }
    for name, title in words.items():
        piece = record.content["pieces"].get(f"augment {name}")
        if piece is None:
            continue
        middle = {which: statistics.median(values) for which, values in piece["seconds"].items()}
        alone = 100 * middle["alone"] / middle["with"]
        slower = 100 * (middle["with"] / middle["without"] - 1)
        steps.append(
            [
                title,
                piece["batch_size"],
                f"{1000 * middle['with']:.2f}",
                f"{1000 * middle['alone']:.3f}",
                f"{alone:.2f} %",
                f"{slower:.2f} %",
                verdict(alone, SHARE),
            ]
        )
        aims[f"augmentation's share of a step, %, {name}"] = round(alone, 3)
    head = (
        "step",
        "batch",
        "step, ms",
        "augmentation, ms",
        "its share",
        "step with against without",
        "under 5 %",
    )
    note = "Medians. The share: augmenting a batch over a whole step; the last but one column is noisier."
    return [
        table(("data", "images", "load, s", "whole process, s", "runs"), rows),
        note,
        table(head, steps),
    ], aims


if __name__ == "__main__":
    raise SystemExit(main())
