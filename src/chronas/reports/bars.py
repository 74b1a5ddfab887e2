"""Dot plot of the networks' accuracies and the stacked bar of where the time went, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from chronas.reports.svg import CHAR, Scale, circle, label, line, rect, span_of, svg, ticks
from chronas.reports.units import percent, seconds
from chronas.reports.view import NetworkView

ROW = 34
OWN = ("search", "found", "random", "plain", "rival")


def dot_plot(networks: Sequence[NetworkView], width: int) -> Markup:
    """Test (full dot) and validation accuracy (ring) of each network in percent."""
    values = [v for n in networks for v in (n.test_accuracy, n.val_accuracy) if v is not None]
    low, high = span_of(values)
    low, high = max(0.0, low), min(100.0, high)
    left = 20 + 1.1 * CHAR * max(len(n.name) for n in networks)
    x = Scale(low, high, left + 8, width - 22)
    base = ROW * len(networks) + 4
    parts = []
    for value in ticks(low, high, 4):
        parts.append(line(x(value), 2, x(value), base, "grid"))
        parts.append(label(x(value), base + 16, f"{value:g}", "tick", "middle"))
    for index, network in enumerate(networks):
        parts += _dots(network, ROW * index + ROW / 2 + 2, x, left)
    parts.append(label((x.start + x.end) / 2, base + 35, "accuracy, %", "axis", "middle"))
    return svg(width, base + 42, parts, "Accuracy of each network in percent")


def _dots(network: NetworkView, y: float, x: Scale, left: float) -> list[str]:
    css = network.name
    parts = [label(left - 6, y + 4, network.name, f"name c-{css}", "end"), line(x.start, y, x.end, y, "rail")]
    test, val = network.test_accuracy, network.val_accuracy
    if test is not None and val is not None:
        parts.append(line(x(test), y, x(val), y, f"bond s-{css}"))
    if val is not None:
        parts.append(circle(x(val), y, 5, f"ring s-{css}", f"{network.title}: validation {percent(val, 2)}"))
    if test is not None:
        parts.append(circle(x(test), y, 5.5, f"f-{css}", f"{network.title}: test {percent(test, 2)}"))
    return parts


def colour(name: str, index: int) -> str:
    """The colour class of a purpose: the network's or the search's own, else one of the quiet row k4..k7."""
    last = name.split()[-1] if name.split() else ""
    return last if last in OWN else f"k{index % 4 + 4}"


def stacked_bar(where: Sequence[tuple[str, float]], amount: float | None, width: int) -> Markup:
    """Seconds by purpose beside each other; what of `amount` seconds was not used stays empty."""
    total = max(sum(s for _, s in where), amount or 0.0) or 1.0
    x = Scale(0, total, 1, width - 1)
    parts, at = [rect(1, 4, width - 2, 34, "empty", round_by=5)], 0.0
    for index, (name, spent) in enumerate(where):
        wide = x(at + spent) - x(at)
        parts.append(rect(x(at), 4, max(wide, 0.8), 34, f"cut f-{colour(name, index)}", f"{name}: {seconds(spent)}"))
        if len(name) * CHAR + 12 <= wide:
            parts.append(label(x(at) + wide / 2, 25, name, "inbar", "middle"))
        at += spent
    for value in (0.0, total / 2, total):
        anchor = "start" if value == 0 else "end" if value == total else "middle"
        parts.append(label(x(value), 56, seconds(value) if value else "0 s", "tick", anchor))
    if amount and amount < total * 0.999:
        parts.append(line(x(amount), 0, x(amount), 42, "limit"))
    return svg(width, 62, parts, "Where the time went, in seconds")
