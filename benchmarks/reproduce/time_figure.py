"""Figure 7: accuracy of what a search has found against the time it took, on NAS-Bench-201, for all methods.

Searches are those of `chronas compare`: simulated seconds of the table, scores at the price they had when they were
made (naswot_scores.py).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from naswot_scores import finished_scores, forget_other_scores
from pictures import COLOURS, Axes, legend, page
from untrained import HERE, Figure, Scorer

from chronas.benchmarks import load
from chronas.compare import RANDOM_SEARCH, Contender, compare
from chronas.comparison import Comparison, Split
from chronas.execution.lookup import ProxyScores
from chronas.execution.scores import shipped_scores
from chronas.methods import METHODS
from common import Record, say, table

TABLE, DATASET = "nasbench201", "cifar10"
SPLIT: Split = ("cifar10", "test")
DATASETS = ("cifar10", "cifar100", "imagenet16")
SCORES = HERE / "scores" / "nasbench201_naswot.parquet"
SAMPLES = (10, 100, 1000)
TWO_GOALS = ("nsga2",)
"""Methods that weigh accuracy against a cost: a curve of accuracy alone says little of them."""
WIDE, HIGH = 860.0, 460.0


def _measure(scorer: Scorer) -> None:
    words = scorer.words
    scores = _scores(words.scores)
    contenders = _contenders(words.methods)
    scored = [one.name for one in contenders if "proxy" in METHODS.entry(one.method).needs]
    for seed in words.seeds or (0,):
        scorer.record.piece(f"seed={seed} {RANDOM_SEARCH}", partial(_search, words, seed, None, scores), seed)
        mark = forget_other_scores(scorer.record, [f"seed={seed} {name}" for name in scored], scores)
        for one in contenders:
            if one.name in scored and "naswot" not in scores:
                say(f"left out: {one.name}, for there are no scores; naswot_scores.py makes them")
            elif one.method == "optuna" and find_spec("optuna") is None:
                say(f"left out: {one.name}, for optuna is not installed")
            else:
                given = {"scores": mark} if one.name in scored else {}
                scorer.record.piece(f"seed={seed} {one.name}", partial(_search, words, seed, one, scores, given), seed)


def _scores(path: Path) -> dict[str, ProxyScores]:
    opened = load(TABLE)
    return finished_scores(path, opened) or shipped_scores(opened)


def _contenders(text: str) -> list[Contender]:
    """The named methods; naswot with each number of samples of the paper."""
    found: list[Contender] = []
    for name in (word.strip() for word in text.split(",") if word.strip()):
        if name == "naswot":
            found += [Contender(name, "paper", {"samples": n}, f"naswot {n}") for n in SAMPLES]
        else:
            found.append(Contender.parse(name))
    return found


def _search(
    words: argparse.Namespace,
    seed: int,
    one: Contender | None,
    scores: dict[str, ProxyScores],
    given: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The any-time curve of one method and what it has at the end; random search where no method is given."""
    result = compare(TABLE, [one] if one else [], DATASET, words.budget, words.runs, seed=seed, proxy_scores=scores,
                     processes=words.processes)  # fmt: skip
    return {**_numbers(result, one.name if one else RANDOM_SEARCH), **(given or {})}


def _numbers(result: Comparison, label: str) -> dict[str, Any]:
    line = result.line(label)
    mean, deviation = result.curves[label][SPLIT]
    curve = [[round(float(t), 2), round(float(m), 4), round(float(s), 4)]
             for t, m, s in zip(result.times, mean, deviation, strict=True) if math.isfinite(m)]  # fmt: skip
    metrics = {d: [round(line.mean((d, "test")), 4), round(line.std((d, "test")), 4)]
               for d in DATASETS if (d, "test") in line.values}  # fmt: skip
    assert line.spent is not None
    assert line.evaluations is not None
    return {"label": label, "curve": curve, "metrics": metrics, "spent": round(float(line.spent.mean()), 2),
            "evaluations": round(float(line.evaluations.mean()), 2)}  # fmt: skip


def _pieces(record: Record) -> list[dict[str, Any]]:
    """Those of the first seed."""
    first = min(record.content["seeds"], default=0)
    return list(record.pieces(f"seed={first} ").values())


def _draw(record: Record) -> str:
    pieces = _pieces(record)
    curves = {piece["label"]: [(math.log10(t), m) for t, m, _ in piece["curve"]] for piece in pieces}
    ends = {p["label"]: (math.log10(max(p["spent"], 1e-3)), p["metrics"][DATASET][0]) for p in pieces}
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(curves)}
    everything = [*(point for curve in curves.values() for point in curve), *ends.values()]
    ys = [y for _, y in everything]
    low = max(min(ys, default=0.0), max(ys, default=1.0) - 6.0)
    axes = Axes.around((0, 44, WIDE, HIGH), [x for x, _ in everything], ys, log_x=True, low=low)
    names = list(colours)
    half = {name: colours[name] for name in names[:8]}
    parts = [legend(half, 46), legend({name: colours[name] for name in names[8:]}, 62)]
    parts.append(axes.frame("", "search time, simulated seconds", "test accuracy on CIFAR-10 after 200 epochs, %"))
    for name, curve in curves.items():
        shown = [(x, y) for x, y in curve if y >= low]
        parts += [axes.line(shown, colours[name]), axes.dot(*ends[name], colours[name])]
    return page("Accuracy against search time on NAS-Bench-201", WIDE, HIGH + 56, parts)


def _blocks(record: Record) -> list[str]:
    pieces = sorted(_pieces(record), key=lambda piece: -piece["metrics"][DATASET][0])
    lines = [
        [piece["label"], f"{piece['spent']:,.1f}", f"{piece['evaluations']:,.1f}",
         *("{:.2f} ± {:.2f}".format(*piece["metrics"][d]) if d in piece["metrics"] else "-" for d in DATASETS)]
        for piece in pieces
    ]  # fmt: skip
    record.content["summary"] = {"order": [piece["label"] for piece in pieces]}
    price = [piece["spent"] / piece["evaluations"] for piece in pieces if piece["label"].startswith("naswot ")]
    blocks = [
        table(("method", "search, s", "evaluations", *(f"{d} test" for d in DATASETS)), lines),
        "Mean ± deviation over runs of the accuracy of the chosen cell after 200 epochs; searches see validation on "
        "CIFAR-10 after 12 epochs. A line is drawn where every run has chosen; dots stand where a search ended.",
    ]
    return [*blocks, f"A score costs {float(np.median(price)):.3f} s here."] if price else blocks


def _words(made: argparse.ArgumentParser) -> None:
    usable = [entry.name for entry in METHODS if not entry.needs & {"supernet", "gradient"}]
    default = ",".join(name for name in usable if name not in TWO_GOALS)
    made.add_argument("--methods", default=default, help="names, or name:preset, with commas between")
    made.add_argument("--runs", type=int, default=500)
    made.add_argument("--budget", default="12000s")
    made.add_argument("--scores", type=Path, default=SCORES, help="made by naswot_scores.py")
    made.add_argument("--processes", type=int, default=1)


FIGURE = Figure(
    title="Figure 7: accuracy against search time",
    summary="Any-time accuracy of all methods on NAS-Bench-201, from the table alone.",
    networks=None, measure=_measure, draw=_draw, blocks=_blocks, words=_words, setting=("runs", "budget"),
    small={"runs": 2, "budget": "2000s"},
)  # fmt: skip
