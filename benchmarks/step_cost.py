"""What a step of NASIB costs: m = 9 against m = 3 at equal kernels, and against a plain one-path network.

The variants take turns, so that a machine that slows down slows all of them down. Memory is measured in fresh
processes, one per variant.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from common import Record, parser, run_output, table, until_out_of_time, verdict

SIZES = ("forced m9", "forced m3", "plain", "default m9", "default m3")
PAIRS: tuple[tuple[str, str, str, float | None], ...] = (
    ("m = 9 / m = 3", "forced m9", "forced m3", 1.10),
    ("two kernels, m = 9 / one path", "forced m9", "plain", 2.3),
    ("NASIB as it is, m = 9 / m = 3", "default m9", "default m3", None),
    ("NASIB as it is, m = 9 / one path", "default m9", "plain", None),
)
"""What is compared: words, above, below, the limit."""
VARIANTS = (
    "`forced`: a supernet whose every layer runs 3x3 and 2x3; `plain`: one 3x3 per layer; `default`: NASIB as "
    "it is, whose kernels differ with m and from step to step (its mean holds the architecture steps too)."
)
PEAKS = (
    "Peak memory of a fresh process (on a GPU: of its tensors); in the last column without what Python, "
    "torch and the images took before the network was built."
)


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("step_cost", "Step time and peak memory of NASIB, m = 9 against m = 3 and a plain network.")
    made.add_argument("--widths", default="16,32", help="channels after the stem")
    made.add_argument("--layers", type=int, default=12)
    made.add_argument("--batch-size", type=int, default=64)
    made.add_argument("--rounds", type=int, default=8, help="how often the variants take turns")
    made.add_argument("--steps", type=int, default=25, help="steps per turn; the first of each is left out")
    made.add_argument("--device", default="auto")
    made.add_argument("--precision", default="auto")
    made.add_argument("--child", default=None, help=argparse.SUPPRESS)
    words = made.parse_args(argv)
    if words.child is not None:
        print(json.dumps(_memory_here(json.loads(words.child))))
        return 0
    if words.small:
        words.widths, words.layers, words.batch_size, words.rounds, words.steps = "4", 2, 8, 2, 3
    names = ("layers", "batch_size", "rounds", "steps", "device", "precision")
    setting = {name: getattr(words, name) for name in names}
    record = Record.open(words, setting, argv)
    widths = [int(word) for word in words.widths.split(",")]
    with until_out_of_time() as finished:
        for width in widths:
            record.piece(f"time width={width}", partial(_times, words, width))
            for name in SIZES[: 1 if words.small else None]:
                record.piece(f"memory width={width} {name}", partial(_memory, words, width, name, record))
    blocks, aims = _tables(record, widths)
    record.close("Cost of a training step", blocks, finished[0], aims)
    return 0


def _variant(words: argparse.Namespace, width: int, name: str) -> dict[str, Any]:
    kind, _, m = name.partition(" m")
    sizes = {"width": width, "layers": words.layers, "batch_size": words.batch_size}
    return {"kind": kind, "m": int(m or 3), **sizes}


def _images(batch_size: int) -> int:
    return max(96, 32 * batch_size)


def _times(words: argparse.Namespace, width: int) -> dict[str, Any]:
    """Seconds of every step of every variant, measured in turns."""
    from chronas.training.hardware import Hardware
    from steps import StepClock, Variant, make_trainer, random_images

    hardware = Hardware.find(words.device, words.precision)
    data = random_images(_images(words.batch_size)).to(hardware.device)
    clocks = {}
    for name in SIZES:
        variant = Variant(**_variant(words, width, name))
        clocks[name] = StepClock(make_trainer(variant, data, hardware), hardware)
        clocks[name].times(3)
    seconds: dict[str, list[float]] = {name: [] for name in SIZES}
    for turn in range(words.rounds):
        for name in SIZES if turn % 2 == 0 else SIZES[::-1]:
            # The first step of a turn finds the caches full of another variant's weights.
            seconds[name] += clocks[name].times(words.steps + 1)[1:]
    shown = {name: [round(value, 6) for value in values] for name, values in seconds.items()}
    return {"device": hardware.device, "bfloat16": hardware.bfloat16, "seconds": shown}


def _memory(words: argparse.Namespace, width: int, name: str, record: Record) -> dict[str, Any]:
    what = {
        "variant": _variant(words, width, name),
        "threads": words.threads,
        "device": words.device,
        "precision": words.precision,
    }
    found: dict[str, Any] = json.loads(
        run_output([sys.executable, str(Path(__file__).resolve()), "--child", json.dumps(what)], record)
    )
    return found


def _memory_here(what: Mapping[str, Any]) -> dict[str, Any]:
    """Peak memory of a few steps in this process, in MiB, and what it was before the network was built."""
    import torch

    from chronas.training.hardware import Hardware
    from steps import StepClock, Variant, make_trainer, peak_memory, random_images

    if what["threads"] is not None:
        torch.set_num_threads(what["threads"])
    hardware = Hardware.find(what["device"], what["precision"])
    variant = Variant(**what["variant"])
    data = random_images(_images(variant.batch_size)).to(hardware.device)
    # A first small step loads the libraries that every variant needs.
    tiny = replace(variant, kind="plain", width=4, layers=1, m=3, batch_size=2)
    StepClock(make_trainer(tiny, data, hardware), hardware).times(1)
    before = peak_memory(hardware.kind)
    if hardware.kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    trainer = make_trainer(variant, data, hardware)
    # NASIB as it is needs that many steps until every option of m = 9 has its momentum.
    StepClock(trainer, hardware).times(60 if variant.kind == "default" and variant.m > 3 else 12)
    peak = peak_memory(hardware.kind)
    parameters = sum(p.numel() for p in trainer.net.parameters())
    return {"before_mib": before, "peak_mib": peak, "parameters": parameters, **asdict(variant)}


def _tables(record: Record, widths: Sequence[int]) -> tuple[list[str], dict[str, Any]]:
    rows: list[list[str]] = []
    ratios: list[list[str]] = []
    memory: list[list[str]] = []
    aims: dict[str, Any] = {}
    for width in widths:
        times = record.content["pieces"].get(f"time width={width}")
        if times is not None:
            median = {name: statistics.median(values) for name, values in times["seconds"].items()}
            for name, values in times["seconds"].items():
                whole = 1000 * statistics.fmean(values)
                rows.append([f"{name}, width {width}", f"{1000 * median[name]:.2f}", f"{whole:.2f}"])
            ratios += [_ratio("step time", width, pair, median, aims) for pair in PAIRS]
        seen = {name: record.content["pieces"].get(f"memory width={width} {name}") for name in SIZES}
        known = {name: piece for name, piece in seen.items() if piece is not None}
        for name, piece in known.items():
            own = f"{piece['peak_mib'] - piece['before_mib']:.0f}"
            line = [f"{name}, width {width}", f"{piece['parameters']:,}", f"{piece['peak_mib']:.0f}", own]
            memory.append(line)
        peaks = {name: piece["peak_mib"] for name, piece in known.items()}
        ratios += [_ratio("peak memory", width, pair, peaks, aims) for pair in PAIRS if {*pair[1:3]} <= peaks.keys()]
    blocks = [
        table(("ratio", "width", "value", "limit", "verdict"), ratios),
        VARIANTS,
        table(("step", "median, ms", "mean, ms"), rows),
        PEAKS,
        table(("memory", "parameters", "peak, MiB", "of the training, MiB"), memory),
    ]
    return blocks, aims


def _ratio(
    what: str,
    width: int,
    pair: tuple[str, str, str, float | None],
    values: Mapping[str, float],
    aims: dict[str, Any],
) -> list[str]:
    label, top, bottom, limit = pair
    value = values[top] / values[bottom]
    aims[f"{what}, {label}, width {width}"] = round(value, 4)
    words = ("-", "-") if limit is None else (f"{limit:.2f}", verdict(value, limit))
    return [f"{what}, {label}", str(width), f"{value:.3f}", *words]


if __name__ == "__main__":
    raise SystemExit(main())
