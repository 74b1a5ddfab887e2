"""Small parts for inline SVG. Colours are CSS classes, so that light and dark both work."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

CHAR = 7.0
"""Estimated width in px of a character at 12 px; text is never measured."""


def num(value: float) -> str:
    """A coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def label(x: float, y: float, words: object, css: str = "", anchor: str = "start") -> str:
    """A line of text at (x, y), escaped."""
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    kind = f' class="{css}"' if css else ""
    return f'<text x="{num(x)}" y="{num(y)}"{side}{kind}>{escape(words)}</text>'


def rect(x: float, y: float, width: float, height: float, css: str, title: str = "", round_by: float = 0) -> str:
    """A rectangle, with a tooltip where `title` is given."""
    corner = f' rx="{num(round_by)}"' if round_by else ""
    shape = f'<rect x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}"{corner} class="{css}"'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<line x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}" class="{css}"/>'


def circle(x: float, y: float, radius: float, css: str, title: str = "") -> str:
    """A dot, with a tooltip where `title` is given."""
    shape = f'<circle cx="{num(x)}" cy="{num(y)}" r="{num(radius)}" class="{css}"'
    return f"{shape}><title>{escape(title)}</title></circle>" if title else f"{shape}/>"


def path(points: Sequence[tuple[float, float]], css: str) -> str:
    """An open line through pixel points."""
    steps = "L".join(f"{num(x)} {num(y)}" for x, y in points)
    return f'<path d="M{steps}" class="{css}"/>'


def svg(width: float, height: float, parts: Sequence[str], title: str) -> Markup:
    """A picture of that size in px, named for screen readers; it shrinks with its container."""
    size = f'width="{num(width)}" height="{num(height)}" viewBox="0 0 {num(width)} {num(height)}"'
    return Markup(f'<svg {size} role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>')


def both(draw: Callable[[int], Markup], wide: int, narrow: int) -> Markup:
    """A picture drawn for two widths in px; style sheets show one, so text keeps its size on a phone."""
    return Markup('<div class="wide">{}</div><div class="narrow">{}</div>').format(draw(wide), draw(narrow))


@dataclass(frozen=True)
class Scale:
    """A linear map of [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        width = self.high - self.low
        share = (value - self.low) / width if width else 0.5
        return self.start + share * (self.end - self.start)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers in [low, high] that are 1, 2 or 5 times a power of ten apart."""
    if not high > low:
        return [low]
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first
    return [(first + i) * step for i in range(count + 1)]


def span_of(values: Sequence[float], low: float | None = None, high: float | None = None) -> tuple[float, float]:
    """Axis limits round `values` with a little air; given limits stay."""
    if not values:
        return (0.0 if low is None else low), (1.0 if high is None else high)
    small, large = min(values), max(values)
    air = 0.06 * (large - small) or abs(large) * 0.05 or 0.5
    return (small - air if low is None else low), (large + air if high is None else high)
