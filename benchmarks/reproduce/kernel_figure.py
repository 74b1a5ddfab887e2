"""Figure 1: the kernel of equation 1 for networks from the worst to the best of a table."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from pictures import matrix_picture, pack_matrix, page, unpack_matrix, words
from untrained import Figure, Floats, Rows, Scorer, final, present

from chronas.benchmarks import Table
from chronas.errors import ProxyError
from chronas.seeding import stream
from common import Record, mean, plus_minus, table

BANDS = (("worst tenth", 0.0, 0.1), ("20 to 30 %", 0.2, 0.3), ("45 to 55 %", 0.45, 0.55), ("70 to 80 %", 0.7, 0.8),
         ("best tenth", 0.9, 1.0))  # fmt: skip
"""Bands of the networks in the order of their accuracy, as shares."""
SIDE, GAP = 124, 18


def _measure(scorer: Scorer) -> None:
    for name in present(scorer.words.tables, scorer.words.shared):
        opened = scorer.tables[name]
        accuracy, which = final(opened, opened.datasets[0])
        order = np.flatnonzero(np.isfinite(accuracy))
        order = order[np.argsort(accuracy[order], kind="stable")]
        for seed in scorer.words.seeds or (0,):
            for band, low, high in BANDS:
                part = order[int(low * len(order)) : max(int(high * len(order)), 1)]
                measure = partial(_band, scorer, opened, part, accuracy, which, seed)
                scorer.record.piece(f"{name} seed={seed} {band}", measure, seed)


def _band(scorer: Scorer, opened: Table, part: Rows, accuracy: Floats, which: str, seed: int) -> dict[str, Any]:
    """Kernels of some networks of the band that have one."""
    from chronas.proxies.naswot import hamming_kernel

    space, images = scorer.space(opened), scorer.batch(seed).images
    found: list[dict[str, Any]] = []
    for row in stream(seed, "reproduce", "kernels", int(part[0])).permutation(part).tolist():
        if len(found) == scorer.words.networks:
            break
        try:
            kernel = hamming_kernel(scorer.net(space, opened.choices(row), seed).train(), images)
        except ProxyError:
            continue
        sign, logarithm = np.linalg.slogdet(kernel)
        similar = kernel / kernel[0, 0]
        apart = float((similar.sum() - len(similar)) / (len(similar) * (len(similar) - 1)))
        found.append({"row": row, "notation": opened.notation(row),
                      "accuracy": round(float(accuracy[row]), 2), "similarity": round(apart, 5),
                      "score": round(float(logarithm), 3) if sign > 0 and math.isfinite(logarithm) else None,
                      "kernel": pack_matrix(similar)})  # fmt: skip
    return {"networks": found, "metric": which}


def _tables(record: Record) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Bands of the first seed by table, as far as they are measured."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    first = min(record.content["seeds"], default=0)
    for key, piece in record.content["pieces"].items():
        name, seed, band = key.split(" ", 2)
        if seed == f"seed={first}":
            found.setdefault(name, []).append((band, piece))
    return found


def _draw(record: Record) -> str:
    """Bands beside each other, the networks of a band under each other."""
    parts, top, width = [], 44.0, 400.0
    for name, bands in _tables(record).items():
        kernels = [unpack_matrix(network["kernel"]) for _, piece in bands for network in piece["networks"]]
        low = float(np.percentile(np.concatenate([k.ravel() for k in kernels]), 1)) if kernels else 0.0
        heading = f"{name}: similarity of the codes of two images, {low:.2f} (light) to 1"
        parts.append(words(12, top + 12, heading, "t s"))
        for place, (band, piece) in enumerate(bands):
            x = 12 + place * (SIDE + GAP)
            parts.append(words(x, top + 34, band, "s"))
            for row, network in enumerate(piece["networks"]):
                y = top + 42 + row * (SIDE + 28)
                parts.append(matrix_picture(unpack_matrix(network["kernel"]), low, x, y, SIDE))
                score = "no score" if network["score"] is None else f"score {network['score']:.0f}"
                parts.append(words(x, y + SIDE + 14, f"{network['accuracy']:.1f} %, {score}", "s"))
            width = max(width, x + SIDE + 12)
        top += 60 + max(len(piece["networks"]) for _, piece in bands) * (SIDE + 28)
    return page("Kernels of untrained networks, from the worst to the best", width, top, parts)


def _blocks(record: Record) -> list[str]:
    lines = []
    for name, bands in _tables(record).items():
        for band, piece in bands:
            networks = piece["networks"]
            scores = [n["score"] for n in networks if n["score"] is not None]
            accuracy = f"{mean([n['accuracy'] for n in networks]):.2f}" if networks else "-"
            similar = plus_minus([n["similarity"] for n in networks], 4)
            lines.append([f"{name}, {band}", len(networks), piece["metric"], accuracy, similar, plus_minus(scores, 1)])
    return [
        table(("networks", "shown", "accuracy", "mean, %", "mean similarity of two images", "score"), lines),
        "Each picture is K of equation 1 over the number of units, images in the order drawn. Similarity is its mean "
        "off the diagonal: the share of units that agree on two images. Accuracy: after the longest training.",
    ]


def _words(made: Any) -> None:
    made.set_defaults(batch_size=64)


FIGURE = Figure(
    title="Figure 1: kernels of good and of bad networks",
    summary="Kernel pictures of untrained networks, by the accuracy they have when trained.",
    networks=3, measure=_measure, draw=_draw, blocks=_blocks, tables="nasbench201,nasbench101_sample", words=_words,
    small={"networks": 1, "batch_size": 6},
)  # fmt: skip
