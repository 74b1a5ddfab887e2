"""The page of a comparison: its table and its any-time curves, one self-contained file without scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chronas.comparison import Comparison, Split
from chronas.reports.charts import time_unit
from chronas.reports.svg import CHAR, Scale, both, circle, label, line, path, span_of, svg, ticks

COLOURS = 8
"""The style sheet has k0 to k7."""
TOP, BOTTOM, LEFT, HEIGHT, APART = 30, 42, 46, 330, 14
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class _Curve:
    """A drawn curve: colour, name, (log10 of time, mean), and the same two standard errors above and below."""

    css: str
    name: str
    mean: Points
    above: Points
    below: Points


def comparison_page(
    result: Comparison, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]
) -> str:
    """The page as text; `head` and `rows` are the table's cells, `notes` stand below it."""
    environment = Environment(
        loader=PackageLoader("chronas.reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    names = list(result.curves)
    pictures = [(result.words(split), both(lambda w, s=split: curve_chart(result, s, w), 1040, 340))  # type: ignore[misc]
                for split in _drawn(result)]  # fmt: skip
    page: str = environment.get_template("comparison.html.j2").render(
        result=result, head=head, rows=rows, notes=notes, pictures=pictures, card=300,
        legend=[(colour(names, name), name) for name in names],
        kinds=[one.kind for one in result.lines], budget=str(result.budget),
    )  # fmt: skip
    return page


def _drawn(result: Comparison) -> list[Split]:
    """The main metric first, then the others of test."""
    known = next(iter(result.curves.values()))
    rest = [split for split in known if split != result.main and split[1] == "test"]
    return [result.main, *rest]


def colour(names: Sequence[str], name: str) -> str:
    """The colour class of a curve; random search, the last, is ink."""
    place = names.index(name)
    return "ink" if place == len(names) - 1 else f"k{place % COLOURS}"


def curve_chart(result: Comparison, split: Split, width: int) -> Markup:
    """Mean of a metric over the runs against what was spent, on a logarithmic axis.

    The band is two standard errors of the mean: deviations of single runs would cover each other.
    """
    curves = _curves(result, split)
    narrow = width < 600
    side = 14.0 if narrow else max(len(c.name) for c in curves) * CHAR * 1.15 + 16
    end = math.log10(result.times[-1])
    start = min((one.mean[0][0] for one in curves if one.mean), default=end - 1)
    best = max((one.mean(split) for one in result.lines if one.label.startswith("optimum")), default=math.nan)
    low, high = _limits(curves, start, end, best)
    x, y = Scale(start, end, LEFT, width - side), Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = _axes(result, split, x, y)
    if low <= best <= high:
        parts += [line(x.start, y(best), x.end, y(best), "limit"),
                  label(x.start + 6, y(best) - 5, f"optimum of the table, {best:.2f}", "small")]  # fmt: skip
    for one in curves:
        parts += _band(one, x, y)
    for one in curves:
        shown = [(x(a), y(b)) for a, b in one.mean if b >= low]
        if len(shown) > 1:
            parts.append(path(shown, f"line s-{one.css}"))
    if not narrow:
        parts += _names(curves, x, y)
    return svg(width, HEIGHT, parts, f"{result.words(split)} against {result.budget.unit} spent")


def _curves(result: Comparison, split: Split) -> list[_Curve]:
    names, made = list(result.curves), []
    for name, known in result.curves.items():
        if split not in known:
            continue
        mean, std = known[split]
        errors = 2 * std / math.sqrt(result.runs)
        points = [(math.log10(t), float(m), float(e)) for t, m, e in zip(result.times, mean, errors, strict=True)
                  if math.isfinite(m)]  # fmt: skip
        made.append(_Curve(colour(names, name), name, [(t, m) for t, m, _ in points],
                           [(t, m + e) for t, m, e in points], [(t, m - e) for t, m, e in points]))  # fmt: skip
    return made


def _limits(curves: Sequence[_Curve], start: float, end: float, best: float) -> tuple[float, float]:
    """Means of the later half of the axis: the first random architectures are far below and would flatten the rest."""
    later = [b for one in curves for a, b in one.mean if a >= (start + end) / 2]
    values = later or [b for one in curves for _, b in one.mean]
    return span_of([*values, best] if math.isfinite(best) else values)


def _axes(result: Comparison, split: Split, x: Scale, y: Scale) -> list[str]:
    parts = [label(2, 14, f"{split[0]} {'test' if split[1] == 'test' else 'validation'} accuracy, %", "axis")]
    for value in ticks(y.low, y.high, 6):
        parts.append(line(x.start, y(value), x.end, y(value), "grid"))
        parts.append(label(x.start - 6, y(value) + 4, f"{value:.6g}", "tick", "end"))
    unit, size = ("evaluations", 1.0) if result.budget.unit != "seconds" else time_unit(result.budget.amount)
    for power in range(math.floor(x.low - math.log10(size)), math.ceil(x.high - math.log10(size)) + 1):
        for lead in (1, 2, 5):
            at = math.log10(lead * 10.0**power * size)
            if x.low - 1e-9 <= at <= x.high + 1e-9:
                parts.append(line(x(at), y.start, x(at), y.start + 4, "rule"))
                parts.append(label(x(at), y.start + 17, f"{lead * 10.0**power:g}", "tick", "middle"))
    words = f"simulated search time, {unit}" if result.budget.unit == "seconds" else unit
    parts.append(line(x.start, y.start, x.end, y.start, "rule"))
    parts.append(label((x.start + x.end) / 2, y.start + 35, words, "axis", "middle"))
    return parts


def _band(one: _Curve, x: Scale, y: Scale) -> list[str]:
    def inside(points: Points) -> Points:
        return [(x(a), y(min(max(b, y.low), y.high))) for a, b in points]

    return [path([*inside(one.above), *reversed(inside(one.below))], f"area f-{one.css}")] if one.mean else []


def _names(curves: Sequence[_Curve], x: Scale, y: Scale) -> list[str]:
    """Names at the right ends, moved apart where curves end close together."""
    ends = sorted(((y(one.mean[-1][1]), one) for one in curves if one.mean), key=lambda pair: pair[0])
    places: list[float] = []
    for at, _ in ends:
        places.append(max(at, places[-1] + APART) if places else at)
    overlap = max(0.0, places[-1] - y.start) if places else 0.0
    parts = []
    for (at, one), place in zip(ends, places, strict=True):
        parts.append(circle(x.end, at, 2.8, f"f-{one.css}", f"{one.name}: {one.mean[-1][1]:.2f}"))
        parts.append(label(x.end + 8, place - overlap + 4, one.name, f"end c-{one.css}"))
    return parts
