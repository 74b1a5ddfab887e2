"""Figure 5: what the score depends on: the images, whether they are images at all, the initial weights, their number.

Ten networks of NAS-Bench-201, one from each tenth of the accuracies on CIFAR-100, as in the paper; the images are
those of CIFAR-10.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from pictures import COLOURS, Axes, legend, page
from untrained import Figure, Floats, Scorer, as_text, final, numbers, repeat_seed, tau

from chronas.seeding import stream, torch_stream
from common import Record, mean, plus_minus, table

if TYPE_CHECKING:
    from chronas.proxies.base import ProxyBatch

TABLE, DATASET = "nasbench201", "cifar100"
KINDS = {"images": "other images, the same weights", "noise": "noise in place of images, the same weights",
         "weights": "other initial weights, the same images"}  # fmt: skip
WIDE, HIGH = 460.0, 300.0


def _measure(scorer: Scorer) -> None:
    words = scorer.words
    for seed in words.seeds or (0,):
        chosen = scorer.record.piece(f"seed={seed} networks", partial(_networks, scorer, seed), seed)
        for row in chosen["rows"]:
            for kind in KINDS:
                measure = partial(_repeats, scorer, row, seed, _one(scorer, kind, seed))
                scorer.record.piece(f"seed={seed} {kind} {row}", measure, seed)
            for size in _sizes(words.sizes):
                measure = partial(_repeats, scorer, row, seed, _one(scorer, "images", seed, size))
                scorer.record.piece(f"seed={seed} size={size} {row}", measure, seed)


def _sizes(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _networks(scorer: Scorer, seed: int) -> dict[str, Any]:
    """One row of each tenth of the accuracies that has a score, drawn by the seed."""
    opened = scorer.tables[TABLE]
    accuracy, _ = final(opened, DATASET)
    order = np.argsort(accuracy, kind="stable")
    rows: list[int] = []
    for part in np.array_split(order, scorer.words.networks):
        drawn = stream(seed, "reproduce", "ablation", len(rows)).permutation(part).tolist()
        rows += scorer.scoreable(opened, drawn, 1, seed)
    return {"rows": rows, "accuracy": [round(float(accuracy[row]), 3) for row in rows],
            "notation": [opened.notation(row) for row in rows]}  # fmt: skip


Repeat = Callable[[int], tuple[int, "ProxyBatch"]]
"""Seed of the weights, and the images, of a repetition."""


def _one(scorer: Scorer, kind: str, seed: int, size: int | None = None) -> Repeat:
    def repeat(index: int) -> tuple[int, ProxyBatch]:
        own = repeat_seed(seed, kind, index)
        if kind == "weights":
            return own, scorer.batch(seed)
        if kind == "noise":
            return seed, _noise(scorer.batch(seed), own)
        return seed, scorer.batch(own, size)

    return repeat


def _noise(batch: ProxyBatch, seed: int) -> ProxyBatch:
    """Gaussian noise of the images' shape."""
    import torch

    from chronas.proxies.base import ProxyBatch

    drawn = torch.randn(batch.images.shape, generator=torch_stream(seed, "reproduce", "noise"))
    return ProxyBatch(drawn.to(batch.images), batch.labels, batch.classes)


def _repeats(scorer: Scorer, row: int, seed: int, repeat: Repeat) -> dict[str, Any]:
    opened, values = scorer.tables[TABLE], []
    space = scorer.space(opened)
    for index in range(scorer.words.repeats):
        weights, batch = repeat(index)
        values.append(scorer.score("naswot", scorer.net(space, opened.choices(row), weights), batch))
    return {"scores": as_text(values)}


# -- reading the record --------------------------------------------------------------------------------------


def _first(record: Record) -> tuple[int, list[int], Floats]:
    """The first seed, its networks that are measured in full, and their accuracies."""
    seed = min(record.content["seeds"], default=0)
    pieces = record.content["pieces"]
    chosen = pieces.get(f"seed={seed} networks", {"rows": [], "accuracy": []})
    sizes = _sizes(record.content["setting"]["sizes"])
    kinds = [*KINDS, *(f"size={size}" for size in sizes)]
    whole = [
        place for place, row in enumerate(chosen["rows"]) if all(f"seed={seed} {k} {row}" in pieces for k in kinds)
    ]
    return seed, [chosen["rows"][place] for place in whole], np.array([chosen["accuracy"][place] for place in whole])


def _matrix(record: Record, kind: str) -> Floats:
    """(networks, repetitions) scores."""
    seed, rows, _ = _first(record)
    return np.array([numbers(record.content["pieces"][f"seed={seed} {kind} {row}"]["scores"]) for row in rows])


def _normalised(record: Record, size: int) -> Floats:
    """Scores over the least of all networks, repetition by repetition."""
    found = _matrix(record, f"size={size}")
    return found / np.nanmin(found, axis=0, keepdims=True) if found.size else found


def _draw(record: Record) -> str:
    _, rows, accuracy = _first(record)
    sizes = _sizes(record.content["setting"]["sizes"])
    names = [f"{value:.0f}" for value in accuracy]
    parts = []
    for place, (kind, title) in enumerate(KINDS.items()):
        values = [row[np.isfinite(row)] for row in _matrix(record, kind)]
        axes = _axes(place, len(rows), [float(v) for row in values for v in row])
        parts.append(axes.frame(title, "networks by CIFAR-100 accuracy, %", "score", names=names))
        parts += [axes.box(i, v.tolist(), COLOURS[place]) for i, v in enumerate(values) if len(v)]
    if rows:
        means = {size: np.nanmean(_normalised(record, size), axis=1) for size in sizes}
        axes = _axes(3, len(rows), [float(v) for column in means.values() for v in column])
        label = "score / least score"
        parts.append(axes.frame("number of images", "networks by CIFAR-100 accuracy, %", label, names=names))
        for place, column in enumerate(means.values()):
            parts.append(axes.line([(float(i), float(v)) for i, v in enumerate(column)], COLOURS[place]))
        colours = {str(size): COLOURS[place] for place, size in enumerate(sizes)}
        parts.append(f'<g transform="translate({WIDE + 20:.0f} 0)">{legend(colours, 2 * HIGH + 46)}</g>')
    return page("What the score depends on: ten networks of NAS-Bench-201", 2 * WIDE, 2 * HIGH + 60, parts)


def _axes(place: int, networks: int, values: list[float]) -> Axes:
    where = (place % 2 * WIDE, 34 + place // 2 * HIGH, WIDE, HIGH)
    return Axes.around(where, [-0.5, networks - 0.5], values or [0.0, 1.0])


def _blocks(record: Record) -> list[str]:
    _, rows, accuracy = _first(record)
    kinds = {**KINDS, **{f"size={s}": f"{s} images" for s in _sizes(record.content["setting"]["sizes"])}}
    lines, aims = [], {}
    for kind, title in kinds.items():
        found = _matrix(record, kind)
        taus = [t for t in (tau(column, accuracy) for column in found.T) if math.isfinite(t)] if rows else []
        spread = mean([float(np.nanstd(row)) for row in found]) if rows else math.nan
        between = float(np.nanstd(np.nanmean(found, axis=1))) if rows else math.nan
        lines.append([title, len(rows), found.shape[1] if rows else 0, plus_minus(taus, 3),
                      f"{min(taus):.3f}" if taus else "-", f"{spread:.2f}", f"{between:.2f}"])  # fmt: skip
        aims[title] = {"tau": [round(t, 4) for t in taus]}
    record.content["summary"] = aims
    head = ("what changes", "networks", "repetitions", "tau of one ranking", "least tau", "deviation within a network",
            "between networks")  # fmt: skip
    return [
        table(head, lines),
        "tau: Kendall's, between the scores of the networks in one repetition and their accuracies on CIFAR-100, "
        "mean ± deviation over repetitions. Boxes show quartiles, whiskers all repetitions.",
    ]


def _words(made: argparse.ArgumentParser) -> None:
    made.add_argument("--repeats", type=int, default=20)
    made.add_argument("--sizes", default="32,64,128,256", help="numbers of images")


FIGURE = Figure(
    title="Figure 5: ablation",
    summary="The score of ten networks with other images, noise, other initial weights, other numbers of images.",
    networks=10, measure=_measure, draw=_draw, blocks=_blocks, words=_words, setting=("repeats", "sizes"),
    small={"networks": 3, "batch_size": 6, "repeats": 2, "sizes": "4,6"},
)  # fmt: skip
