"""Accuracy against cost as inline SVG: all judged networks as dots, the front as a stepped line, cost on a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from chronas.reports.lines import BOTTOM, LEFT, TOP
from chronas.reports.svg import CHAR, Scale, circle, label, line, path, span_of, svg, ticks
from chronas.reports.units import percent, short
from chronas.reports.view import CostView, FrontView

NAMES = {"madds": "multiply-adds", "params": "parameters"}
LABELS = {"madds": "multiply-adds per image (log scale)", "params": "parameters (log scale)"}
HEIGHT = 320
RIGHT = 16


def scatter(view: CostView, width: int) -> Markup:
    """Draw the picture `width` px wide."""
    low, high = _log_span([x for x, _ in view.judged])
    bottom, top = span_of([y for _, y in view.judged])
    x = Scale(math.log10(low), math.log10(high), LEFT, width - RIGHT)
    y = Scale(max(0.0, bottom), min(100.0, top), HEIGHT - BOTTOM, TOP)
    pixels = [(x(math.log10(_cost(point, view.cost))), y(point.accuracy)) for point in view.front]
    parts = [*_axes(view.cost, low, high, x, y), *_steps(pixels, x, y)]
    on_front = {(_cost(point, view.cost), point.accuracy) for point in view.front}
    for cost, accuracy in view.judged:
        if (cost, accuracy) not in on_front:
            tip = f"{percent(accuracy, 2)}, {short(cost)} {NAMES[view.cost]}"
            parts.append(circle(x(math.log10(cost)), y(accuracy), 2.6, "dot f-other", tip))
    parts += [*_points(view, pixels), *_numbers(view, pixels, x)]
    return svg(width, HEIGHT, parts, f"Validation accuracy of every judged network against {NAMES[view.cost]}")


def _cost(point: FrontView, cost: str) -> float:
    return (point.madds if cost == "madds" else point.params) or 1.0


def _log_span(values: Sequence[float]) -> tuple[float, float]:
    """Limits round positive `values` with the same small factor of air on both sides."""
    small, large = min(values), max(values)
    air = max((large / small) ** 0.05, 1.03)
    return small / air, large * air


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round numbers in [low, high], as coarse as three of them allow."""
    for row in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), tuple(map(float, range(1, 10)))):
        powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
        found = [m * 10.0**power for power in powers for m in row if low <= m * 10.0**power <= high]
        if len(found) >= 3:
            return found[:: math.ceil(len(found) / most)]
    return ticks(low, high, most)


def _axes(cost: str, low: float, high: float, x: Scale, y: Scale) -> list[str]:
    parts = [label(2, 14, "validation accuracy, %", "axis")]
    for value in ticks(y.low, y.high, 5):
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(label(x.start - 6, y(value) + 4, f"{value:g}", "tick", "end"))
    base, free = y.start, -math.inf
    for value in log_ticks(low, high, max(3, round((x.end - x.start) / 62))):
        at, words = x(math.log10(value)), short(value)
        parts.append(line(at, base, at, base + 4, "rule"))
        half = len(words) * CHAR / 2
        # Neighbours on a log axis draw together, and the last word must not leave the picture.
        if at - half > free and at + half < x.end + RIGHT:
            parts.append(label(at, base + 17, words, "tick", "middle"))
            free = at + half + 6
    parts.append(line(x.start, base, x.end, base, "rule"))
    parts.append(label((x.start + x.end) / 2, base + 35, LABELS[cost], "axis", "middle"))
    return parts


def _steps(pixels: Sequence[tuple[float, float]], x: Scale, y: Scale) -> list[str]:
    """The line of the front, which goes on to the right: what costs more can be had with the last one's accuracy."""
    steps: list[tuple[float, float]] = []
    for across, down in pixels:
        steps += [(across, steps[-1][1] if steps else y.start), (across, down)]
    return [path([*steps, (x.end, steps[-1][1])], "line s-found")] if steps else []


def _points(view: CostView, pixels: Sequence[tuple[float, float]]) -> list[str]:
    parts = []
    for number, (point, (across, down)) in enumerate(zip(view.front, pixels, strict=True), 1):
        if point.found:
            parts.append(circle(across, down, 7.5, "chosen"))
        tip = f"{number}: {point.notation}, {percent(point.accuracy, 2)}, {short(point.madds)} multiply-adds"
        parts.append(circle(across, down, 4, "f-found", f"{tip}, {short(point.params)} parameters"))
    return parts


def _numbers(view: CostView, pixels: Sequence[tuple[float, float]], x: Scale) -> list[str]:
    """Numbers of the front's points where they do not touch: the search's choice first, then the most accurate."""
    last = len(pixels) - 1
    taken: list[tuple[float, float]] = []
    parts = []
    for i in sorted(range(len(pixels)), key=lambda i: (not view.front[i].found, i != last, i)):
        at = (max(pixels[i][0] - 7, x.start + 14), max(pixels[i][1] - 8, TOP - 14))
        if all(abs(at[0] - a) > 2.4 * CHAR or abs(at[1] - b) > 13 for a, b in taken):
            parts.append(label(*at, i + 1, "end c-found", "end"))
            taken.append(at)
    return parts
