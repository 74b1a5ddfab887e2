"""Line charts as inline SVG: axes with units, bands for the run's stages, labels at the lines' ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from markupsafe import Markup

from chronas.reports.svg import CHAR, Scale, circle, label, line, path, rect, span_of, svg, ticks
from chronas.reports.view import Points, Span

TOP, BOTTOM, LEFT = 40, 42, 46


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    `css` is its colour class, `end` the text beside its last point, `dots` draws the points alone, `area`
    fills down to the axis.
    """

    css: str
    points: Points
    dashed: bool = False
    end: str = ""
    dots: bool = False
    area: bool = False
    title: str = ""


@dataclass(frozen=True)
class Chart:
    """A line chart.

    `low`, `high`, `x_high` fix the axes' ends; `x_divide` is the size of the x axis' unit; `bands` shade
    stages of the x axis; `words` stand at (x, y).
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    bands: tuple[Span, ...] = ()
    low: float | None = None
    high: float | None = None
    x_high: float | None = None
    x_divide: float = 1.0
    height: int = 260
    words: tuple[tuple[float, float, str], ...] = ()
    y_format: Callable[[float], str] = field(default=lambda value: f"{value:g}")


def line_chart(chart: Chart, width: int) -> Markup:
    """Draw the chart `width` px wide."""
    everything = [p for one in chart.lines for p in one.points]
    low, high = span_of([y for _, y in everything], chart.low, chart.high)
    ends = [*(x for x, _ in everything), *(band.end for band in chart.bands)]
    x_high = chart.x_high or (max(ends, default=1.0) or 1.0)
    right = 14
    x = Scale(0, x_high, LEFT, width - right)
    y = Scale(low, high, chart.height - BOTTOM, TOP)
    parts = [*_bands(chart, x, y), *_axes(chart, x, y)]
    for one in chart.lines:
        parts += _line(one, x, y)
    parts += _ends(chart, x, y)
    parts += [label(x(a), y(b), words, "small", "middle") for a, b, words in chart.words]
    return svg(width, chart.height, parts, chart.title)


def _bands(chart: Chart, x: Scale, y: Scale) -> list[str]:
    parts = []
    for index, band in enumerate(chart.bands):
        left, right = x(band.start), x(band.end)
        parts.append(rect(left, TOP, max(1, right - left), y.start - TOP, f"band{index % 2}", band.name))
        if len(band.name) * CHAR * 0.86 + 4 <= right - left:
            parts.append(label((left + right) / 2, TOP - 6, band.name, f"small c-{band.name}", "middle"))
    return parts


def _axes(chart: Chart, x: Scale, y: Scale) -> list[str]:
    parts = [label(2, 14, chart.y_label, "axis")]
    for value in ticks(y.low, y.high, 5):
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(label(x.start - 6, y(value) + 4, chart.y_format(value), "tick", "end"))
    base = y.start
    for value in ticks(0, x.high / chart.x_divide, max(2, round((x.end - x.start) / 70))):
        at = x(value * chart.x_divide)
        parts.append(line(at, base, at, base + 4, "rule"))
        parts.append(label(at, base + 17, f"{value:g}", "tick", "middle"))
    parts.append(line(x.start, base, x.end, base, "rule"))
    parts.append(label((x.start + x.end) / 2, base + 35, chart.x_label, "axis", "middle"))
    return parts


def _line(one: Line, x: Scale, y: Scale) -> list[str]:
    if not one.points:
        return []
    pixels = [(x(a), min(max(y(b), y.end - 2), y.start)) for a, b in one.points]
    if one.dots:
        return [circle(a, b, 2.2, f"dot f-{one.css}", one.title) for a, b in pixels]
    if len(pixels) == 1:
        return [circle(*pixels[0], 2.6, f"f-{one.css}", one.title)]
    parts = [path(pixels, f"line s-{one.css}" + (" dashed" if one.dashed else ""))]
    if one.area:
        ground = [(pixels[0][0], y.start), *pixels, (pixels[-1][0], y.start)]
        parts.insert(0, path(ground, f"area f-{one.css}"))
    return parts


def _room(chart: Chart, end: float, x: Scale) -> float:
    """Width in px of the band that a line ends in; a label that is wider would cover its neighbour's."""
    widths = [x(band.end) - x(band.start) for band in chart.bands if band.start <= end <= band.end + 1e-6]
    return widths[0] if widths else x.end - x.start


def _ends(chart: Chart, x: Scale, y: Scale) -> list[str]:
    """Direct labels at the last points, on the side towards the middle, where a settled curve leaves room."""
    parts = []
    for one in chart.lines:
        if one.end and one.points and len(one.end) * CHAR + 3 <= _room(chart, one.points[-1][0], x):
            across, at = (x(one.points[-1][0]), y(one.points[-1][1]))
            beside = at + 18 if at < (y.start + y.end) / 2 else at - 9
            parts.append(label(across - 1, beside, one.end, f"end c-{one.css}", "end"))
            parts.append(circle(across, at, 2.8, f"f-{one.css}"))
    return parts
