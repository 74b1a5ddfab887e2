"""How fast networks are scored by NASWOT: the literal procedure of the released code against ours, step by step.

Every ingredient scores the same networks with the same initial weights and images, in turns. Kendall's tau between
each and the literal procedure, and with the table's validation accuracy, shows what an ingredient does to the ranking.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import CIFAR10, ROOT, Record, mean, parser, plus_minus, table, until_out_of_time

if TYPE_CHECKING:
    import torch
    from torch import nn

    from chronas.proxies.base import ProxyBatch
    from chronas.spaces import Space
    from chronas.work import Choices

LITERAL = "literal: three passes, the network as published"
LIVE = "three passes, dead edges not run, each ReLU once"
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    (LITERAL, {}),
    (LIVE, {}),
    ("one forward pass, graph instead of backward", {}),
    ("+ one matrix product instead of two", {"product": "one"}),
    ("+ channels last", {"product": "one", "last": True}),
    ("+ bfloat16 forward pass, pooling by convolution", {"product": "one", "last": True, "half": True}),
    ("+ int8 product", {"product": "int8", "last": True, "half": True}),
    ("+ a tensor that several ReLUs read once: naswot", {}),
    ("as the user calls it: score(), which leaves no trace", {}),
)
"""Name and settings of `staged`; the others are functions of their own."""
WORDS = (
    "Seconds are those of one network without building it; building is a row of its own. `literal` runs what the "
    "released code runs: edges that lead nowhere, and every block named after its ReLU counts beside the ReLU. "
    "tau is Kendall's, between the scores and those of the first row, those of the second (the same procedure "
    "where edges without a path to the output are not run, as with `naswot`), and the table's validation accuracy."
)
IN_FLIGHT = (
    "1 in flight: in this process, with all its threads. More: processes with one thread each, as a search and "
    "`chronas score` use them; to begin, they import torch, and each scores a network."
)


def main(argv: Sequence[str] | None = None) -> int:
    made = parser("scoring", "Networks scored per second by NASWOT: the released procedure against ours.")
    made.add_argument("--networks", type=int, default=200)
    made.add_argument("--batch-size", type=int, default=128)
    made.add_argument("--chunk", type=int, default=10, help="networks per piece")
    made.add_argument("--flight-chunk", type=int, default=50, help="networks per piece of several in flight")
    made.add_argument("--in-flight", default="1,2", help="networks scored at once, compared with each other")
    made.add_argument("--drawn", type=int, default=1000, help="networks of a whole search, for the share of equal ones")
    made.add_argument("--data", type=Path, default=CIFAR10)
    words = made.parse_args(argv)
    if words.small:
        words.networks, words.batch_size, words.chunk, words.flight_chunk, words.drawn = 4, 4, 2, 4, 50
    names = ("networks", "batch_size", "chunk", "flight_chunk", "in_flight", "drawn")
    setting = {name: getattr(words, name) for name in names}
    record = Record.open(words, {**setting, "data": words.data.name}, argv)
    with until_out_of_time() as finished:
        for seed in words.seeds or (0,):
            record.piece(f"seed={seed} equal", partial(_equal, words, seed))
            for start in range(0, words.networks, words.chunk):
                record.piece(f"seed={seed} networks {start} steps", partial(_steps, words, seed, start), seed)
                end = start + words.chunk
                if end % words.flight_chunk == 0 or end >= words.networks:
                    first = (end - 1) // words.flight_chunk * words.flight_chunk
                    flown = partial(_flights, words, seed, first, min(end, words.networks))
                    record.piece(f"seed={seed} networks {first} flight", flown, seed)
    blocks, aims = _tables(record)
    record.close("Speed of scoring without training", blocks, finished[0], aims)
    return 0


# -- what is scored ------------------------------------------------------------------------------------------


def _space(words: argparse.Namespace) -> Space:
    from chronas.architecture import make_space

    return make_space("nasbench201", {"channels": 4, "cells": 1} if words.small else {})


def _drawn(space: Space, seed: int, index: int) -> Choices:
    from chronas.seeding import stream
    from chronas.spaces.moves import sample

    return sample(space, stream(seed, "scoring", index))


def _build(space: Space, choices: Choices, seed: int, batch: ProxyBatch) -> nn.Module:
    from chronas import nets
    from chronas.architecture import Architecture
    from chronas.seeding import torch_scope
    from chronas.task import Task

    channels, height, width = batch.images.shape[1:]
    task = Task(channels, height, width, batch.classes)
    with torch_scope(seed, "scoring", "weights", *choices):
        return nets.build(Architecture(space, choices), task).train()


def _batch(words: argparse.Namespace, seed: int) -> ProxyBatch:
    """Normalised training images without augmentation; noise in small mode."""
    import torch

    from chronas.proxies.base import ProxyBatch
    from chronas.seeding import stream, torch_stream

    count = words.batch_size
    if words.small:
        return ProxyBatch(torch.randn(count, 3, 8, 8, generator=torch_stream(seed, "scoring")), torch.arange(count), 10)
    from chronas.data.load import load

    data = load(words.data, limit=5000)
    chosen = torch.from_numpy(stream(seed, "scoring", "images").permutation(len(data.train))[:count])
    pixels = data.train.images[chosen].float() / 255
    channels = [torch.tensor(numbers)[:, None, None] for numbers in (data.mean, data.std)]
    return ProxyBatch((pixels - channels[0]) / channels[1], data.train.labels[chosen].long(), 10)


# -- the ways to score ---------------------------------------------------------------------------------------


def staged(
    net: nn.Module, images: torch.Tensor, *, product: str = "two", last: bool = False, half: bool = False
) -> float:
    """One forward pass with some of the ingredients: NASWOT's score."""
    import torch

    from chronas.proxies.base import main_output
    from chronas.proxies.hamming import activity, kernel_of
    from chronas.proxies.relus import bare_graph, reached, watch_relus

    layout = torch.channels_last if last else torch.preserve_format
    look: Callable[[torch.Tensor], Any] = {"two": _two_products, "one": _one_product, "int8": activity}[product]
    precision = torch.autocast("cpu", torch.bfloat16) if half else nullcontext()
    with watch_relus(net, look) as seen, bare_graph(), precision:
        output = main_output(net, images.clone(memory_format=layout).requires_grad_(True))
    counted = reached(output, seen)
    kernel = sum(counted) if product == "two" else kernel_of(counted)
    return float(np.linalg.slogdet(kernel)[1])


def _codes(x: torch.Tensor) -> torch.Tensor:
    return (x.permute(0, 2, 3, 1) if x.ndim == 4 else x).reshape(len(x), -1) > 0


def _two_products(x: torch.Tensor) -> Any:
    import torch

    codes = _codes(x).float()
    with torch.autocast("cpu", enabled=False):  # products of bfloat16 would not count exactly
        return (codes @ codes.t()).double().numpy() + ((1 - codes) @ (1 - codes).t()).double().numpy()


def _one_product(x: torch.Tensor) -> Any:
    import torch

    from chronas.proxies.hamming import Activity

    codes = _codes(x).float()
    with torch.autocast("cpu", enabled=False):
        return Activity(codes @ codes.t(), codes.shape[1])


def _scorers(batch: ProxyBatch) -> dict[str, Callable[[nn.Module], float]]:
    from chronas.proxies.base import score
    from chronas.proxies.naswot import naswot

    sys.path.insert(0, str(ROOT / "tests" / "proxies"))
    from oracle import oracle

    def literal(net: nn.Module) -> float:
        net.as_published = True  # type: ignore[assignment]
        return float(oracle(net, batch.images))

    functions: list[Callable[[nn.Module], float]] = [
        literal,
        lambda net: float(oracle(net, batch.images, blocks=False)),
    ]
    for _, settings in STEPS[2:-2]:
        functions.append(lambda net, settings=settings: staged(net, batch.images, **settings))  # type: ignore[misc]
    functions += [lambda net: naswot(net, batch), lambda net: score("naswot", net, batch)]
    return dict(zip((name for name, _ in STEPS), functions, strict=True))


# -- measuring -----------------------------------------------------------------------------------------------


def _equal(words: argparse.Namespace, seed: int) -> dict[str, Any]:
    """How many of the networks of a search are different."""
    space = _space(words)
    different = {space.exact(_drawn(space, seed, index)) for index in range(words.drawn)}
    return {"drawn": words.drawn, "different": len(different)}


def _steps(words: argparse.Namespace, seed: int, start: int) -> dict[str, Any]:
    """Scores and seconds of each step for the networks of a chunk; the order turns from network to network."""
    from chronas.errors import ProxyError

    space, batch = _space(words), _batch(words, seed)
    scorers = _scorers(batch)
    names = list(scorers)
    # Libraries load and code paths are chosen when they are first used, in every call anew.
    for name in names if not _WARM else ():
        _one(space, _solid(space), seed, batch, scorers[name], ProxyError)
    _WARM.append(start)
    rows = []
    for index in range(start, min(start + words.chunk, words.networks)):
        choices = _drawn(space, seed, index)
        found: dict[str, Any] = {"choices": list(choices), "accuracy": _accuracy(choices)}
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            found[name] = _one(space, choices, seed, batch, scorers[name], ProxyError)
        rows.append(found)
    return {"rows": rows}


_WARM: list[int] = []
"""Chunks that this process has measured."""


def _solid(space: Space) -> Choices:
    """A network that certainly has a score: every edge a 3x3 convolution."""
    return tuple(decision.options.index("nor_conv_3x3") for decision in space.decisions)


def _one(
    space: Space,
    choices: Choices,
    seed: int,
    batch: ProxyBatch,
    scorer: Callable[[nn.Module], float],
    refused: type[Exception],
) -> dict[str, float | None]:
    began = time.perf_counter()
    net = _build(space, choices, seed, batch)
    built = time.perf_counter()
    try:
        value: float | None = scorer(net)
    except refused:
        value = None
    seconds = time.perf_counter() - built
    finite = value is not None and math.isfinite(value)
    return {"score": value if finite else None, "seconds": seconds, "build": built - began}


def _accuracy(choices: Choices) -> dict[str, float]:
    """Validation accuracy after the longest training, by data set, as far as the table knows it."""
    from chronas import benchmarks
    from chronas.errors import TableError

    published = benchmarks.load("nasbench201")
    found = {}
    for dataset in published.datasets:
        try:
            epochs = published.epochs_of(dataset)[-1]
            found[dataset] = published.validation(dataset, choices, epochs).val_accuracy
        except (TableError, IndexError):
            continue
    return found


def _flights(words: argparse.Namespace, seed: int, first: int, end: int) -> dict[str, Any]:
    """Seconds for the networks, building included, with so many in flight; and what it takes to begin."""
    from chronas.proxies.flight import take_off

    space, batch = _space(words), _batch(words, seed)
    builds = [partial(_build, space, _drawn(space, seed, index), seed, batch) for index in range(first, end)]
    counts = [int(word) for word in words.in_flight.split(",")]
    seconds, beginning = {}, {}
    for count in counts if (first // words.flight_chunk) % 2 == 0 else counts[::-1]:
        began = time.perf_counter()
        with closing(take_off(count, batch)) as flight:
            # The first network of each process brings the libraries along.
            solid = partial(_build, space, _solid(space), seed, batch)
            for future in [flight.start(("naswot",), solid) for _ in range(count)]:
                future.result()
            ready = time.perf_counter()
            for future in [flight.start(("naswot",), build) for build in builds]:
                future.result()
            seconds[str(count)] = time.perf_counter() - ready
            beginning[str(count)] = ready - began
    return {"seconds": seconds, "beginning": beginning, "networks": len(builds)}


# -- tables --------------------------------------------------------------------------------------------------


def _tables(record: Record) -> tuple[list[str], dict[str, Any]]:
    pieces = record.content["pieces"]
    rows = [row for key, piece in pieces.items() if key.endswith(" steps") for row in piece["rows"]]
    flights = [piece for key, piece in pieces.items() if key.endswith(" flight")]
    equal = [piece for key, piece in pieces.items() if key.endswith(" equal")]
    aims: dict[str, Any] = {}
    lines = _step_lines(rows, aims) if rows else []
    datasets = sorted({name for row in rows for name in row["accuracy"]})
    head = (
        "way to score",
        "seconds",
        "times literal",
        "times row above",
        "scored",
        "tau, row 1",
        "tau, row 2",
        *datasets,
    )
    blocks = [table(head, lines), WORDS]
    if flights:
        head = ("networks in flight", "seconds a network, built and scored", "seconds to begin, once")
        blocks.append(table(head, _flight_lines(flights, aims)))
        blocks.append(IN_FLIGHT)
    if equal:
        share = mean([piece["different"] / piece["drawn"] for piece in equal])
        aims["different networks among those drawn"] = round(share, 4)
        drawn = equal[0]["drawn"]
        blocks.append(f"Of {drawn} networks drawn, {share * drawn:.0f} are different: equal ones are scored once.")
        if flights:
            times = {count: begin + each * share * drawn for count, (each, begin) in _flown(flights).items()}
            count = min(times, key=lambda count: times[count])
            aims[f"seconds for {drawn} networks"] = round(times[count], 1)
            ours = times[count]
            theirs, alike = (
                drawn * mean([row[name]["seconds"] + row[name]["build"] for row in rows]) for name in (LITERAL, LIVE)
            )
            aims["times literal, a whole search"] = round(theirs / ours, 2)
            aims["times row 2, a whole search"] = round(alike / ours, 2)
            blocks.append(
                f"So a search among {drawn} with {count} in flight takes {ours:.0f} s. The literal procedure, which "
                f"scores each of them, takes {theirs:.0f} s: {theirs / ours:.1f} times as long; without dead edges "
                f"(row 2) it takes {alike:.0f} s: {alike / ours:.1f} times as long."
            )
    return blocks, aims


def _step_lines(rows: Sequence[dict[str, Any]], aims: dict[str, Any]) -> list[list[str]]:
    datasets = sorted({name for row in rows for name in row["accuracy"]})
    built = [row[name]["build"] for row in rows for name, _ in STEPS]
    lines = [["building it", plus_minus(built, 4), *["-"] * (5 + len(datasets))]]
    before = base = mean([row[LITERAL]["seconds"] for row in rows])
    references = [_column(rows, name) for name in (LITERAL, LIVE)]
    for name, _ in STEPS:
        seconds = [row[name]["seconds"] for row in rows]
        own, now = _column(rows, name), mean(seconds)
        taus = [_tau(own, np.array([row["accuracy"].get(d, math.nan) for row in rows])) for d in datasets]
        agreed = [_tau(own, reference) for reference in references]
        aims[name] = {"seconds": round(now, 5), "times literal": round(base / now, 2), "tau": agreed}
        scored = int(np.isfinite(own).sum())
        ratios = [f"{base / now:.2f}", f"{before / now:.2f}"]
        lines.append([name, plus_minus(seconds, 4), *ratios, str(scored), *(f"{tau:.4f}" for tau in (*agreed, *taus))])
        before = now
    return lines


def _column(rows: Sequence[dict[str, Any]], name: str) -> Any:
    return np.array([math.nan if row[name]["score"] is None else row[name]["score"] for row in rows])


def _tau(first: Any, second: Any) -> float:
    from chronas.errors import UsageError
    from chronas.proxies.ranks import kendall_tau

    try:
        return round(kendall_tau(first, second), 4)
    except UsageError:
        return math.nan


def _flown(flights: Sequence[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """By networks in flight: seconds a network, and seconds to begin."""
    networks = sum(piece["networks"] for piece in flights)
    return {
        count: (
            sum(piece["seconds"][count] for piece in flights) / networks,
            mean([piece["beginning"][count] for piece in flights]),
        )
        for count in flights[0]["seconds"]
    }


def _flight_lines(flights: Sequence[dict[str, Any]], aims: dict[str, Any]) -> list[list[str]]:
    lines = []
    for count, (each, begin) in _flown(flights).items():
        aims[f"in flight {count}"] = round(each, 5)
        lines.append([count, f"{each:.4f}", f"{begin:.1f}"])
    return lines


if __name__ == "__main__":
    raise SystemExit(main())
