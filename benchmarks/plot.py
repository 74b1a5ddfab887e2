"""A figure of several panels over one x axis, as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import escape

from chronas.reports.svg import Scale, num, span_of, ticks

COLOURS = ("#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#7a4fa3", "#4a4a4a")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600}.g{stroke:#e4e4e4}.a{stroke:#888}"
    ".l{fill:none;stroke-width:1.8;stroke-linejoin:round}"
)
LEFT, RIGHT, GAP = 58, 16, 46


@dataclass(frozen=True)
class Series:
    """A named line: points (x, y) in the units of the axes."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Panel:
    """One panel: what its y axis shows, its lines, its height in px. `low`, `high` fix the axis' ends."""

    y_label: str
    lines: tuple[Series, ...]
    height: int = 190
    low: float | None = None
    high: float | None = None


def figure(title: str, x_label: str, panels: Sequence[Panel], width: int = 760) -> str:
    """The panels under each other; a series has the same colour in all of them."""
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}
    most = max((x for panel in panels for line in panel.lines for x, _ in line.points), default=1.0)
    x = Scale(0.0, most or 1.0, LEFT, width - RIGHT)
    parts = [f'<text x="12" y="22" class="t">{escape(title)}</text>', *_legend(colours)]
    top = 76.0
    for place, panel in enumerate(panels):
        last = place == len(panels) - 1
        parts += _panel(panel, x, top, colours, x_label if last else "")
        top += panel.height + GAP
    size = f'width="{width}" height="{num(top)}" viewBox="0 0 {width} {num(top)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _legend(colours: dict[str, str]) -> list[str]:
    parts, at = [], 12.0
    for name, colour in colours.items():
        parts.append(f'<rect x="{num(at)}" y="36" width="18" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{num(at + 23)}" y="42">{escape(name)}</text>')
        at += 23 + 7 * len(name) + 22
    return parts


def _panel(panel: Panel, x: Scale, top: float, colours: dict[str, str], x_label: str) -> list[str]:
    low, high = span_of([y for line in panel.lines for _, y in line.points], panel.low, panel.high)
    bottom = top + panel.height
    y = Scale(low, high, bottom, top)
    parts = [f'<text x="12" y="{num(top - 8)}">{escape(panel.y_label)}</text>']
    for value in ticks(low, high, 4):
        parts.append(f'<line x1="{LEFT}" x2="{num(x.end)}" y1="{num(y(value))}" y2="{num(y(value))}" class="g"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{num(y(value) + 4)}" text-anchor="end">{value:g}</text>')
    for value in ticks(0, x.high, 8):
        parts.append(
            f'<line x1="{num(x(value))}" x2="{num(x(value))}" y1="{num(bottom)}" y2="{num(bottom + 4)}" class="a"/>'
        )
        parts.append(f'<text x="{num(x(value))}" y="{num(bottom + 17)}" text-anchor="middle">{value:g}</text>')
    parts.append(f'<line x1="{LEFT}" x2="{num(x.end)}" y1="{num(bottom)}" y2="{num(bottom)}" class="a"/>')
    for line in panel.lines:
        way = "L".join(f"{num(x(a))} {num(min(max(y(b), top), bottom))}" for a, b in line.points)
        if way:
            parts.append(f'<path d="M{way}" class="l" stroke="{colours[line.name]}"/>')
    if x_label:
        middle = num((x.start + x.end) / 2)
        parts.append(f'<text x="{middle}" y="{num(bottom + 36)}" text-anchor="middle">{escape(x_label)}</text>')
    return parts
