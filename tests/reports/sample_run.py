"""Makes run folders for the report's tests: seeded numbers in the documented file formats."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chronas.architecture import make_space
from chronas.seeding import stream

DIGITS = tuple(str(i) for i in range(10))
CIFAR = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TITLES = {
    "found": "found by the search",
    "random": "a random network of the same space",
    "plain": "3×3 in every layer",
    "rival": "hand-made ResNet, the whole time",
}


@dataclass(frozen=True)
class Sample:
    """What the made-up run is like.

    until   "search" stops half-way through the search
    judged  networks that the search trains one by one, accuracy against cost, instead of a supernet
    """

    layers: int = 6
    m: int = 5
    width: int = 16
    reductions: int = 2
    shape: tuple[int, int, int] = (1, 8, 8)
    classes: Sequence[str] = DIGITS
    source: str = "digits (bundled with scikit-learn)"
    seconds: float = 120.0
    test: int | None = 360
    accuracies: dict[str, float] = field(default_factory=lambda: {"found": 98.06, "random": 97.22, "plain": 97.78})
    until: str = "end"
    seed: int = 0
    status: str = "finished"
    judged: int = 0


BIG = Sample(
    12, 9, 32, 3, (3, 32, 32), CIFAR, "/data/cifar10 (Hugging Face Parquet)", 1800.0, 10000,
    {"found": 90.31, "random": 89.12, "plain": 90.77, "rival": 91.46}, seed=1,
)  # fmt: skip


class Writer:
    """Collects journal records with their numbers and a running clock."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.rng = stream(sample.seed, "sample run")
        self.records: list[dict[str, Any]] = []
        self.clock = 0.0

    def add(self, stage: str, kind: str, **content: Any) -> None:
        self.records.append(
            {"seq": len(self.records) + 1, "t": round(self.clock, 3), "stage": stage, "kind": kind, **content}
        )


def make_run(run: Path, sample: Sample | None = None) -> Path:
    """Fill the folder `run`; returns it."""
    sample = sample or Sample()
    run.mkdir(parents=True, exist_ok=True)
    writer = Writer(sample)
    settings = {
        "layers": sample.layers,
        "width": sample.width,
        "m": sample.m,
        "reductions": sample.reductions,
    }
    half = sample.until == "search"
    share = 0.5 if sample.until == "end" else 0.25
    _write(run / "spec.json", {
        "format": 1, "command": "fit", "data": {"source": sample.source}, "budget": f"{sample.seconds:g}s",
        "seed": sample.seed,
        "space": {"name": "superkernel", **settings},
        "method": {"name": "nasib", "k": 0.1, "temperature": 0.1, "preset": None},
    })  # fmt: skip
    writer.add(
        "search",
        "start",
        format=1,
        versions={"chronas": "0.1.0", "torch": "2.13.0", "python": "3.11.7"},
        device="cpu",
        threads=2,
    )
    writer.clock = 0.01 * sample.seconds
    front = _judge(writer, share * sample.seconds, settings) if sample.judged else []
    if not sample.judged:
        _search(writer, share * sample.seconds, half)
    options = [f"{i}x{j}" for i in range(1, sample.m + 1) for j in range(1, sample.m + 1)]
    alpha, frequency, choices = tables(sample, 0.5 if half else 1.0)
    names = {f"layer {i + 1}": options[c] for i, c in enumerate(choices)}
    notation = "-".join(names.values())
    _write(run / "inspect.json", {
        "format": 1, "space": "superkernel", "settings": settings,
        "decisions": [{"name": name, "options": options} for name in names],
        "tables": {"alpha": alpha, "frequency": frequency}, "choices": choices,
        "progress": 0.5 if half else 1.0, "message": "training the supernet", "front": front,
    })  # fmt: skip
    _write(run / "best.json", {"choices": choices, "notation": notation, "metrics": {"val_accuracy": 81.0}})
    data = {
        "source": sample.source,
        "train": 1149,
        "val": 288,
        "test": sample.test,
        "classes": list(sample.classes),
        "shape": list(sample.shape),
    }
    result: dict[str, Any] = {"format": 1, "data": data, "networks": [], "status": "running", "search": None}
    if not half:
        architecture = {"format": 1, "space": "superkernel", "settings": settings, "choices": names}
        where = {"load data": 0.01 * sample.seconds, "search": share * sample.seconds}
        for name in sample.accuracies:
            result["networks"].append(_train(writer, name, architecture, where))
        where |= {"test": 0.004 * sample.seconds, "report": 0.3}
        result["search"] = {
            "space": "superkernel", "space_settings": settings,
            "method": "nasib", "method_settings": {"k": 0.1}, "seed": sample.seed, "choices": choices,
            "notation": notation, "metrics": {"val_accuracy": 81.0}, "params": 98_412, "madds": 3_141_592,
            "front": front,
        }  # fmt: skip
        result["budget"] = {
            "amount": sample.seconds, "unit": "seconds", "spent": round(sum(where.values()), 2),
            "where": where, "exploration_share": 0.391, "evaluations": 0, "epochs": 131.5,
        }  # fmt: skip
        result["status"] = sample.status
        writer.add(
            "search",
            "note",
            level="warning",
            message="The validation split has 288 images: accuracies are coarse.",
        )
        writer.add("train", "note", level="info", message="float32 is faster than bfloat16 here; it is used.")
        writer.add("train", "end", reason=sample.status, message="")
    _write(run / "result.json", result)
    (run / "journal.jsonl").write_text("".join(json.dumps(r) + "\n" for r in writer.records), encoding="utf-8")
    return run


def tables(sample: Sample, progress: float) -> tuple[list[list[float]], list[list[int]], list[int]]:
    """alpha, frequency and argmax choices of every layer: preferences near a layer's favourite size."""
    rng, side = stream(sample.seed, "tables"), sample.m
    i, j = np.mgrid[1 : side + 1, 1 : side + 1]
    alpha, frequency, choices = [], [], []
    for _ in range(sample.layers):
        middle = rng.uniform(1.5, min(side, 6), 2)
        bump = np.exp(-((i - middle[0]) ** 2 + (j - middle[1]) ** 2) / (0.6 * side))
        row = progress * (1.8 * bump + rng.normal(0, 0.16, (side, side)))
        draws = np.exp(row / 0.35)
        counts = np.round(600 * (0.4 / side**2 + 0.6 * draws / draws.sum())).astype(int)
        alpha.append([round(float(v), 5) for v in row.ravel()])
        frequency.append([int(v) for v in counts.ravel()])
        choices.append(int(row.argmax()))
    return alpha, frequency, choices


def _search(writer: Writer, seconds: float, half: bool) -> None:
    sample, rng = writer.sample, writer.rng
    begin, most = writer.clock, math.log(sample.m**2)
    writer.add(
        "search",
        "stage",
        event="begin",
        budget={"amount": sample.seconds, "unit": "seconds"},
        spent=begin,
        what="search",
        name=None,
    )
    for step in range(60):
        p = (step + 1) / 60 * (0.5 if half else 1.0)
        writer.clock = begin + seconds * (step + 1) / 60
        top = 100 * (1 - 1 / len(sample.classes)) * (1 - math.exp(-4 * p)) * 0.85
        metrics = {
            "train_loss": 2.4 * math.exp(-2.2 * p) + 0.2 + rng.normal(0, 0.03),
            "val_loss": 2.4 * math.exp(-2 * p) + 0.3 + rng.normal(0, 0.05),
            "train_accuracy": top + 12 + rng.normal(0, 1), "val_accuracy": top + 8 + rng.normal(0, 1.6),
            "exploration": min(1, max(0, 0.1**p + rng.normal(0, 0.03))), "p1": 0.1**p,
            "entropy": most * (1 - 0.45 * p**2), "images_per_second": 5400 + rng.normal(0, 250),
        }  # fmt: skip
        writer.add("search", "ask", ticket=step, work={"work": "advance"})
        writer.add("search", "outcome", ticket=step, work={"work": "advance"},
                   metrics={k: float(v) for k, v in metrics.items()}, error=None, progress=p,
                   price={"seconds": seconds / 60, "steps": 40, "epochs": 0.5, "evaluations": 0},
                   spent=writer.clock)  # fmt: skip
    if not half:
        writer.add(
            "search",
            "stage",
            event="end",
            budget={"amount": sample.seconds, "unit": "seconds"},
            spent=writer.clock,
            what="search",
            name=None,
        )


def _judge(writer: Writer, seconds: float, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Evaluations, dear networks better than cheap ones by and large; returns the front of them."""
    sample, rng = writer.sample, writer.rng
    space = make_space("superkernel", settings)
    begin = writer.clock
    rows: list[dict[str, Any]] = []
    for ticket in range(sample.judged):
        writer.clock = begin + seconds * (ticket + 1) / sample.judged
        choices = [int(c) for c in rng.integers(0, sample.m**2, sample.layers)]
        madds = int(10 ** rng.uniform(5.8, 7.6))
        accuracy = round(float(40 + 22 * (math.log10(madds) - 5.8) + rng.normal(0, 5)), 3)
        metrics = {"val_accuracy": accuracy, "val_loss": 1.0, "params": float(madds // 30), "madds": float(madds)}
        fidelity = {"kind": "train", "share": 1 / sample.judged, "level": 1.0, "proxy": ""}
        work = {"work": "evaluate", "choices": choices, "fidelity": fidelity}
        writer.add("search", "outcome", ticket=ticket, work=work, metrics=metrics, error=None,
                   progress=(ticket + 1) / sample.judged, spent=writer.clock, price={"evaluations": 1})  # fmt: skip
        rows.append({"notation": space.notation(tuple(choices)), "choices": choices, "val_accuracy": accuracy,
                     "params": madds // 30, "madds": madds})  # fmt: skip
    rows.sort(key=lambda row: row["madds"])
    return [row for i, row in enumerate(rows) if all(row["val_accuracy"] > other["val_accuracy"] for other in rows[:i])]


def _train(writer: Writer, name: str, architecture: dict[str, Any], where: dict[str, float]) -> dict[str, Any]:
    sample, rng = writer.sample, writer.rng
    seconds, goal, begin = (
        0.145 * sample.seconds * 3 / len(sample.accuracies),
        sample.accuracies[name],
        writer.clock,
    )
    budget = {"amount": seconds, "unit": "seconds"}
    writer.add("train", "stage", event="begin", budget=budget, spent=begin, what="train", name=name)
    for epoch in range(1, 31):
        p = epoch / 30
        writer.clock = begin + seconds * p
        value = goal * (1 - 0.75 * math.exp(-6 * p))
        metrics = {
            "train_loss": 2.3 * math.exp(-4 * p) + 0.02, "val_loss": 2.3 * math.exp(-4 * p) + 0.09,
            "train_accuracy": min(100, value + 1.5 * p + rng.normal(0, 0.3)),
            "val_accuracy": value + rng.normal(0, 0.4), "lr": 0.1 * (1 - p), "epoch": epoch,
            "images_per_second": 11000.0,
        }  # fmt: skip
        writer.add(
            "train",
            "epoch",
            metrics={k: float(v) for k, v in metrics.items()},
            progress=p,
            spent=writer.clock,
        )
    writer.add("train", "stage", event="end", budget=budget, spent=writer.clock, what="train", name=name)
    where[f"train {name}"] = seconds
    confusion = _confusion(writer, goal) if sample.test is not None else None
    per_class = (
        {c: 100 * row[i] / sum(row) for i, (c, row) in enumerate(zip(sample.classes, confusion, strict=True))}
        if confusion
        else None
    )
    return {
        "name": name, "title": TITLES[name], "architecture": architecture,
        "params": int(98_412 * rng.uniform(0.6, 1.6)), "madds": int(3_141_592 * rng.uniform(0.6, 1.6)),
        "recipe": "short", "seconds": round(seconds, 2), "epochs": 30, "val_accuracy": goal + 0.4,
        "test_accuracy": goal if sample.test is not None else None,
        "test_loss": 0.08 if sample.test is not None else None, "confusion": confusion,
        "per_class": per_class,
    }  # fmt: skip


def _confusion(writer: Writer, accuracy: float) -> list[list[int]]:
    side = len(writer.sample.classes)
    each = max(4, (writer.sample.test or 0) // side)
    matrix = []
    for i in range(side):
        wrong = int(writer.rng.binomial(each, 1 - accuracy / 100))
        weights = writer.rng.dirichlet(np.full(side, 0.4))
        weights[i] = 0
        row = writer.rng.multinomial(wrong, weights / weights.sum())
        row[i] = each - wrong
        matrix.append([int(v) for v in row])
    return matrix


def _write(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data), encoding="utf-8")
