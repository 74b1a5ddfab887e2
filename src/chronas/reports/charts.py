"""The report's line charts: which curves, in which colours, with which axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from chronas.reports.lines import Chart, Line, line_chart
from chronas.reports.svg import both
from chronas.reports.units import short
from chronas.reports.view import Curve, ReportView

KNOWN = ("search", "found", "random", "plain", "rival")
WORDS = {name: name for name in KNOWN} | {"search": "search (shared weights)"}


@dataclass(frozen=True)
class Drawn:
    """A chart with its caption."""

    title: str
    picture: Markup
    caption: str = ""


@dataclass(frozen=True)
class Charts:
    """All line charts; None or empty where there is nothing to draw yet. `legend`: (colour class, words)."""

    accuracy: Drawn | None
    loss: Drawn | None
    policies: Drawn | None
    entropy: Drawn | None
    rate: Drawn | None
    legend: tuple[tuple[str, str], ...]
    dots: bool


def charts(view: ReportView) -> Charts:
    """Draw every chart that the view has data for."""
    names = dict.fromkeys(_colour(curve.name) for curve in (*view.accuracy, *view.loss))
    return Charts(
        _timed(view, view.accuracy, "Accuracy", "accuracy, %"),
        _timed(view, view.loss, "Loss", "loss (cross-entropy), nats"),
        _policies(view),
        _entropy(view),
        _rate(view),
        tuple((name, WORDS.get(name, "other")) for name in names),
        bool(view.evaluated),
    )


def _colour(name: str) -> str:
    return name if name in KNOWN else "other"


def time_unit(longest: float) -> tuple[str, float]:
    """A unit for an axis of `longest` seconds, and how many seconds it has."""
    if longest <= 300:
        return "seconds", 1.0
    if longest <= 3 * 3600:
        return "minutes", 60.0
    return ("hours", 3600.0) if longest <= 72 * 3600 else ("days", 86400.0)


def _timed(view: ReportView, curves: tuple[Curve, ...], title: str, y_label: str) -> Drawn | None:
    dots = view.evaluated if title == "Accuracy" else ()
    if not curves and not dots:
        return None
    ends = [x for curve in curves for x, _ in curve.points] + [span.end for span in view.spans]
    ends += [x for x, _ in dots]
    unit, size = time_unit(max(ends, default=1.0))
    digits = 1 if title == "Accuracy" else 2
    lines = []
    if dots:
        lines.append(Line("other", dots, dots=True, title="one evaluated architecture"))
        lines.append(Line("search", best_so_far(dots)))
    for curve in sorted(curves, key=lambda c: c.part == "val"):
        ending = f"{curve.points[-1][1]:.{digits}f}" if curve.part == "val" else ""
        lines.append(Line(_colour(curve.name), curve.points, curve.part == "train", ending))
    most = max((y for one in lines for _, y in one.points), default=0.0)
    chart = Chart(
        f"{title} against time",
        f"time since the start, {unit}",
        y_label,
        tuple(lines),
        bands=view.spans,
        low=0.0 if title == "Loss" else None,
        high=100.0 if title == "Accuracy" and most > 94 else None,
        x_divide=size,
    )
    return Drawn(title, both(lambda width: line_chart(chart, width), 538, 330))


def best_so_far(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    """The best value up to each time, as steps."""
    steps: list[tuple[float, float]] = []
    for x, y in points:
        top = steps[-1][1] if steps else y
        steps += [(x, top), (x, max(top, y))]
    return tuple(steps)


def _inner(
    title: str,
    y_label: str,
    lines: tuple[Line, ...],
    high: float | None,
    caption: str,
    words: tuple[tuple[float, float, str], ...] = (),
) -> Drawn:
    chart = Chart(
        title,
        "progress of the search, % of its budget",
        y_label,
        tuple(replace(one, points=tuple((100 * x, y) for x, y in one.points)) for one in lines),
        low=0.0,
        high=high,
        x_high=100.0,
        height=230,
        words=words,
        y_format=lambda value: f"{value:g}" if abs(value) < 10000 else short(value),
    )
    return Drawn(title, both(lambda width: line_chart(chart, width), 350, 330), caption)


def _policies(view: ReportView) -> Drawn | None:
    drawn, planned = view.explore.share, view.explore.planned
    if not drawn and not planned:
        return None
    share = tuple((x, 100 * y) for x, y in drawn)
    curve = tuple((x, 100 * y) for x, y in planned)
    lines = (Line("ink", curve, area=True), Line("rival", share, dots=True))
    if view.explore.narrowing:
        words = "Dots: options still in play, of those that the budget brought into play; line: the plan."
        return _inner("Explored share", "options in play, %", lines, 100.0, words)
    sides = ((22.0, 14.0, "P1 explores"), (72.0, 72.0, "P2 exploits"))
    words = "Dots: share of choices that P1 drew in a slice; line: its plan, k^progress. P2 has the rest."
    return _inner("P1 and P2", "P1 share of choices, %", lines, 100.0, words, sides)


def _entropy(view: ReportView) -> Drawn | None:
    if not view.explore.entropy:
        return None
    most = view.explore.entropy_max
    lines: tuple[Line, ...] = (Line("ink", view.explore.entropy),)
    words = "Mean over the layers of the entropy of softmax(α): low means decided."
    if most:
        lines = (*lines, Line("search", ((0.0, most), (1.0, most)), dashed=True))
        words += f" Dashed: {most:.2f} nats, nothing preferred."
    top = max([y for _, y in view.explore.entropy] + [most or 0.0]) * 1.08
    return _inner("Entropy", "entropy, nats", lines, top, words)


def _rate(view: ReportView) -> Drawn | None:
    if not view.explore.rate:
        return None
    top = max(y for _, y in view.explore.rate) * 1.1
    line = (Line("ink", view.explore.rate),)
    return _inner("Rate", "images per second", line, top, "Images trained on per second of the search.")
