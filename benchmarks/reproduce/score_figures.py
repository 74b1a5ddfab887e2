"""Figures 3 and 4: the score of untrained networks against the accuracy of the trained ones, in spaces with a table.

Scores are those on CIFAR-10 images, whatever a table's accuracies were measured on.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pictures import COLOURS, Axes, legend, page
from untrained import Figure, Floats, Rows, Scorer, as_text, drawn_rows, final, numbers, present, tau

from chronas.proxies.ranks import aggregate
from common import Record, plus_minus, table

EVERYWHERE = "nasbench201,nasbench101_sample,nasbench_macro,transnas_micro,transnas_macro"
NASWOT = "naswot"
TOGETHER = "aggregate"
SHOWN = {"transnas_micro": ("class_scene",), "transnas_macro": ("class_scene",)}
"""Data sets that have a picture, where it is not all of them; the table below has all."""
WIDE, HIGH, ACROSS = 330.0, 262.0, 3


def _measure_scores(scorer: Scorer) -> None:
    _measure(scorer, [NASWOT])


def _measure_proxies(scorer: Scorer) -> None:
    chosen = {*scorer.words.proxies.split(","), *scorer.words.aggregate.split(",")}
    # First: a call that is cut off draws what there is.
    scorer.record.content["shown"] = scorer.words.proxies.split(",")
    scorer.record.content["joined"] = scorer.words.aggregate.split(",")
    _measure(scorer, sorted(chosen - {""}))


def _measure(scorer: Scorer, proxies: Sequence[str]) -> None:
    """Scores of the drawn networks of each table, with their accuracies beside."""
    for seed in scorer.words.seeds or (0,):
        for name in present(scorer.words.tables, scorer.words.shared):
            opened = scorer.tables[name]
            rows = drawn_rows(opened, scorer.words.networks, seed)
            _accuracies(scorer, name, rows, seed)
            for proxy in proxies:
                scorer.scores(f"{name} {proxy} seed={seed}", opened, rows, proxy, seed)


def _accuracies(scorer: Scorer, name: str, rows: Rows, seed: int) -> None:
    def read() -> dict[str, Any]:
        opened, found = scorer.tables[name], {}
        for dataset in opened.datasets:
            values, which = final(opened, dataset)
            found[dataset] = {"metric": which, "values": as_text(values[rows].tolist())}
        return {"accuracies": found}

    scorer.record.piece(f"{name} accuracies seed={seed}", read, seed)


# -- reading the record --------------------------------------------------------------------------------------


def _entries(record: Record) -> Iterator[tuple[str, int, dict[str, Any], dict[str, Floats]]]:
    """Table, seed, accuracies by data set, and scores by proxy, as far as they are whole."""
    pieces = record.content["pieces"]
    for key, piece in pieces.items():
        name, which, seed = key.split(" ", 2)
        if which == "accuracies":
            scores = {k.split(" ")[1]: numbers(p["scores"]) for k, p in pieces.items()
                      if k.startswith(f"{name} ") and k.endswith(f" {seed}") and "scores" in p}  # fmt: skip
            if scores:
                yield name, int(seed.removeprefix("seed=")), piece["accuracies"], scores


def _taus(record: Record, proxies: Sequence[str], joined: Sequence[str]) -> dict[tuple[str, str, str], list[float]]:
    """Kendall's tau of each seed by table, data set and proxy; the aggregate where all its proxies are there."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for name, _, accuracies, scores in _entries(record):
        columns = {proxy: scores[proxy] for proxy in proxies if proxy in scores}
        if joined and all(proxy in scores for proxy in joined):
            columns[TOGETHER] = aggregate({proxy: scores[proxy] for proxy in joined})
        for dataset, column in accuracies.items():
            for proxy, values in columns.items():
                value = tau(values, numbers(column["values"]))
                if math.isfinite(value):
                    found.setdefault((name, dataset, proxy), []).append(round(value, 4))
    return found


# -- figure 3 ------------------------------------------------------------------------------------------------


def _draw_scores(record: Record) -> str:
    parts, place = [], 0
    first = min(record.content["seeds"], default=0)
    for name, seed, accuracies, scores in _entries(record):
        for dataset, column in accuracies.items():
            if seed != first or dataset not in SHOWN.get(name, (dataset,)) or NASWOT not in scores:
                continue
            accuracy, score = numbers(column["values"]), scores[NASWOT]
            both = np.isfinite(accuracy) & np.isfinite(score)
            pairs = list(zip(accuracy[both].tolist(), score[both].tolist(), strict=True))
            where = (place % ACROSS * WIDE, 34 + place // ACROSS * HIGH, WIDE, HIGH)
            axes = Axes.around(where, [a for a, _ in pairs], [b for _, b in pairs])
            title = f"{name}, {dataset}: tau {tau(score, accuracy):.3f}, {len(accuracy)} nets"
            parts += [axes.frame(title, f"{column['metric']} accuracy when trained", "score"),
                      axes.points(pairs, COLOURS[place % len(COLOURS)])]  # fmt: skip
            place += 1
    width, height = ACROSS * WIDE, 40 + max(1, -(-place // ACROSS)) * HIGH
    return page("Score of untrained networks against their accuracy when trained", width, height, parts)


def _blocks_scores(record: Record) -> list[str]:
    lines, aims = [], {}
    for (name, dataset, _), values in _taus(record, [NASWOT], []).items():
        entry = next(e for e in _entries(record) if e[0] == name)
        lost = int(np.isnan(entry[3][NASWOT]).sum())
        seconds = next(p["seconds"] for k, p in record.content["pieces"].items() if k.startswith(f"{name} {NASWOT} "))
        lines.append([f"{name}, {dataset}", entry[2][dataset]["metric"], len(entry[3][NASWOT]), lost,
                      plus_minus(values, 3), f"{seconds:.3f}"])  # fmt: skip
        aims[f"{name} {dataset}"] = values
    record.content["summary"] = {"tau of naswot": aims}
    head = ("table, data set", "metric", "networks", "without score", "tau", "s a network")
    return [table(head, lines), NOTE]


NOTE = (
    "Kendall's tau over networks drawn from the table, mean ± deviation over seeds (networks, images and weights are "
    "drawn anew); a network without a score counts as judged the worst. Scores are those on CIFAR-10 images in every "
    "space: the images of the Taskonomy tasks, of CIFAR-100 and of ImageNet16-120 are not used. nasbench101_sample "
    "is a sample of 500 graphs (292 cells), scored with 16 channels as in the paper; the design spaces of the paper's "
    "figures (NDS) have no table here. The metric is validation where the table has it after the longest training, "
    "else test."
)

SCORES = Figure(
    title="Figure 3: score against accuracy",
    summary="Score of untrained networks against their accuracy when trained, with tau, in every space with a table.",
    networks=1000, measure=_measure_scores, draw=_draw_scores, blocks=_blocks_scores, tables=EVERYWHERE,
    small={"networks": 6, "batch_size": 6, "chunk": 4},
)  # fmt: skip


# -- figure 4 ------------------------------------------------------------------------------------------------


def _draw_proxies(record: Record) -> str:
    shown, joined = record.content.get("shown", []), record.content.get("joined", [])
    taus = _taus(record, shown, joined)
    spaces = list(dict.fromkeys((name, dataset) for name, dataset, _ in taus))
    spaces = [(n, d) for n, d in spaces if d in SHOWN.get(n, (d,))]
    names = [*shown, TOGETHER]
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(names)}
    values = [v for n, d in spaces for p in names for v in taus.get((n, d, p), [])]
    width = max(520.0, 70 + 150.0 * len(spaces))
    axes = Axes.around((0, 46, width, 330), [-0.5, len(spaces) - 0.5], [0, 0.6, *values])
    labels = [f"{n}\n{d}" for n, d in spaces]
    parts = [legend(colours, 42), axes.frame("", "", "Kendall's tau", names=labels)]
    for place, (n, d) in enumerate(spaces):
        for number, name in enumerate(names):
            found = taus.get((n, d, name))
            if found:
                spread = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
                at = place - 0.4 + 0.8 * (number + 0.5) / len(names)
                parts.append(axes.bar(at, float(np.mean(found)), spread, colours[name], 36.0 / len(names) + 4))
    return page("How well scores of untrained networks rank them", width, 390, parts)


def _blocks_proxies(record: Record) -> list[str]:
    shown, joined = record.content.get("shown", []), record.content.get("joined", [])
    taus = _taus(record, shown, joined)
    names = [*shown, TOGETHER]
    spaces = list(dict.fromkeys((name, dataset) for name, dataset, _ in taus))
    lines = [[f"{n}, {d}", *(plus_minus(taus.get((n, d, p), []), 3) for p in names)] for n, d in spaces]
    record.content["summary"] = {"tau": {" ".join(key): values for key, values in taus.items()}}
    joint = f"The aggregate is the mean of the ranks by {', '.join(joined)}."
    return [table(("table, data set", *names), lines), joint, NOTE]


def _words_proxies(made: argparse.ArgumentParser) -> None:
    made.add_argument("--proxies", default="naswot,grad_norm,synflow", help="those with a bar")
    made.add_argument("--aggregate", default="naswot,grad_norm,synflow", help="those whose ranks are joined")


PROXIES = Figure(
    title="Figure 4: three scores and their aggregate",
    summary="Kendall's tau of naswot, grad_norm, synflow and a rank aggregate, in every space with a table.",
    networks=300, measure=_measure_proxies, draw=_draw_proxies, blocks=_blocks_proxies, tables=EVERYWHERE,
    words=_words_proxies, small={"networks": 6, "batch_size": 6, "chunk": 4},
)  # fmt: skip
