"""Curves out of the journal: accuracy and loss against time, the search's inner numbers against progress."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from chronas.reports.reading import Json, RunFiles, number, section, text
from chronas.reports.view import Curve, DecisionView, ExploreView, Points, Span

MOST = 400
"""Points kept of one curve: more cannot be seen and would bloat the page of a run of days."""


def spans(files: RunFiles) -> tuple[Span, ...]:
    """The stages on the run's clock, in their order; a stage that goes on ends with the last record."""
    found: list[Span] = []
    last = max((t for r in files.records if (t := number(r.get("t"))) is not None), default=0.0)
    open_since: tuple[str, float] | None = None
    for record in files.records:
        if record.get("kind") != "stage":
            continue
        at = number(record.get("t")) or 0.0
        if open_since is not None:
            found.append(Span(open_since[0], open_since[1], at))
        open_since = (_stage_name(record), at) if record.get("event") == "begin" else None
    if open_since is not None:
        found.append(Span(open_since[0], open_since[1], last))
    return tuple(span for span in found if span.end > span.start)


def _stage_name(record: Json) -> str:
    return text(record.get("name")) or text(record.get("what")) or "search"


def _measured(files: RunFiles) -> Iterator[tuple[str, float, Json]]:
    """(name of the stage's network or "search", seconds, metrics) of each slice and epoch."""
    name = "search"
    for record in files.records:
        kind, at = record.get("kind"), number(record.get("t"))
        if kind == "stage" and record.get("event") == "begin":
            name = _stage_name(record)
        elif at is not None and kind == "epoch":
            yield name, at, section(record.get("metrics"))
        elif at is not None and kind == "outcome" and section(record.get("work")).get("work") == "advance":
            yield "search", at, section(record.get("metrics"))


def accuracy_curves(files: RunFiles) -> tuple[Curve, ...]:
    """Training and validation accuracy in percent against seconds."""
    return _curves(files, "accuracy")


def loss_curves(files: RunFiles) -> tuple[Curve, ...]:
    """Training and validation loss (cross-entropy, nats) against seconds."""
    return _curves(files, "loss")


def _curves(files: RunFiles, quantity: str) -> tuple[Curve, ...]:
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, at, metrics in _measured(files):
        for part in ("train", "val"):
            value = number(metrics.get(f"{part}_{quantity}"))
            if value is not None:
                lines.setdefault((name, part), []).append((at, value))
    return tuple(Curve(name, part, thin(points)) for (name, part), points in lines.items())


def evaluated(files: RunFiles) -> Points:
    """Validation accuracy in percent of every architecture that the search evaluated, against seconds."""
    points = []
    for record in files.records:
        if record.get("kind") != "outcome" or section(record.get("work")).get("work") != "evaluate":
            continue
        at, value = number(record.get("t")), number(section(record.get("metrics")).get("val_accuracy"))
        if at is not None and value is not None:
            points.append((at, value))
    step = max(1, math.ceil(len(points) / (2 * MOST)))
    return tuple(points[::step])


def explore(files: RunFiles, decisions: Sequence[DecisionView]) -> ExploreView:
    """P1's drawn and planned share, entropy in nats and images per second against progress."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for record in files.records:
        if record.get("kind") != "outcome" or section(record.get("work")).get("work") != "advance":
            continue
        x, metrics = number(record.get("progress")), section(record.get("metrics"))
        for name in ("exploration", "p1", "in_play", "entropy", "images_per_second"):
            y = number(metrics.get(name))
            if x is not None and y is not None:
                lines.setdefault(name, []).append((x, y))
    most = max((len(d.options) for d in decisions), default=0)
    return ExploreView(
        share=thin(lines.get("exploration", [])),
        narrowing="in_play" in lines,
        planned=thin(lines.get("p1", []) or _plan(files, lines.get("exploration", []))),
        entropy=thin(lines.get("entropy", [])),
        rate=thin(lines.get("images_per_second", [])),
        entropy_max=math.log(most) if most > 1 else None,
    )


def _plan(files: RunFiles, drawn: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """k^progress as far as the search has come, from the method's setting k; empty where there is none."""
    after = section(section(files.result.get("search")).get("method_settings"))
    before = section(section(files.spec.get("settings")).get("method"))
    k = number(after.get("k", before.get("k")))
    if k is None or not 0 < k <= 1 or not drawn:
        return []
    return [(drawn[-1][0] * i / 50, k ** (drawn[-1][0] * i / 50)) for i in range(51)]


def thin(points: Sequence[tuple[float, float]]) -> Points:
    """At most MOST points: means of equal runs of neighbours, the last point kept as it is."""
    if len(points) <= MOST:
        return tuple(points)
    step = math.ceil(len(points) / (MOST - 1))
    means = []
    for start in range(0, len(points), step):
        part = points[start : start + step]
        means.append((sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)))
    return (*means[:-1], points[-1])
