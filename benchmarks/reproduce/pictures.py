"""Parts of the figures: panels with linear or logarithmic axes, points, lines, boxes, and pictures of matrices."""

from __future__ import annotations

import base64
import struct
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import escape

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chronas.reports.svg import Scale, num, span_of, ticks
from plot import COLOURS as SIX
from plot import STYLE

COLOURS = (*SIX, "#c2185b", "#00838f", "#8d6e63", "#5e7d00", "#9e9e9e", "#e07b39")
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 40, 44
"""Room in px round the axes of a panel."""
Point = tuple[float, float]


def page(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    """A whole figure as SVG text, its title in the first 30 px."""
    size = f'width="{num(width)}" height="{num(height)}" viewBox="0 0 {num(width)} {num(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
        f"<style>{STYLE}.s{{font-size:10.5px}}.d{{fill:none;stroke-width:3.2;stroke-linecap:round;opacity:.55}}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/>{words(12, 22, title, "t")}{"".join(parts)}</svg>\n'
    )


def words(x: float, y: float, text: object, css: str = "", anchor: str = "start") -> str:
    """A line of text."""
    kind = f' class="{css}"' if css else ""
    return f'<text x="{num(x)}" y="{num(y)}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def legend(names: Mapping[str, str], y: float) -> str:
    """Names with their colours in a row at height `y`."""
    parts, at = [], 12.0
    for name, colour in names.items():
        parts.append(f'<rect x="{num(at)}" y="{num(y - 5)}" width="14" height="4" fill="{colour}"/>')
        parts.append(words(at + 19, y, name))
        at += 19 + 7 * len(name) + 20
    return "".join(parts)


@dataclass(frozen=True)
class Axes:
    """A panel: its place in px, and maps from numbers to px. `log` axes take their numbers as logarithms to base 10."""

    x: Scale
    y: Scale
    log_x: bool = False

    @classmethod
    def around(
        cls, place: tuple[float, float, float, float], xs: Sequence[float], ys: Sequence[float], *, log_x: bool = False,
        low: float | None = None, high: float | None = None,
    ) -> Axes:  # fmt: skip
        """Axes that hold the numbers; place: left, top, width, height with all labels."""
        left, top, width, height = place
        x = Scale(*span_of(list(xs)), left + LEFT, left + width - RIGHT)
        y = Scale(*span_of(list(ys), low, high), top + height - BOTTOM, top + TOP)
        return cls(x, y, log_x)

    def frame(self, title: str, x_label: str, y_label: str, *, names: Sequence[str] = ()) -> str:
        """Title, grid, numbers and labels; with `names` (one or two lines) those stand at x = 0, 1, ..."""
        x, y = self.x, self.y
        parts = [words(x.start - LEFT + 12, y.end - 23, title, "t s")]
        for value in ticks(y.low, y.high, 5):
            at = num(y(value))
            parts.append(f'<line x1="{num(x.start)}" x2="{num(x.end)}" y1="{at}" y2="{at}" class="g"/>')
            parts.append(words(x.start - 5, y(value) + 4, f"{value:g}", "s", "end"))
        for value, text in self._marks(names):
            at = num(x(value))
            parts.append(f'<line x1="{at}" x2="{at}" y1="{num(y.start)}" y2="{num(y.start + 4)}" class="a"/>')
            for place, part in enumerate(text.split("\n")):
                parts.append(words(x(value), y.start + 16 + 13 * place, part, "s", "middle"))
        parts.append(f'<line x1="{num(x.start)}" x2="{num(x.end)}" y1="{num(y.start)}" y2="{num(y.start)}" class="a"/>')
        parts.append(words((x.start + x.end) / 2, y.start + 33, x_label, "s", "middle"))
        parts.append(words(x.start - LEFT + 12, y.end - 8, y_label, "s"))
        return "".join(parts)

    def _marks(self, names: Sequence[str]) -> list[tuple[float, str]]:
        if names:
            return [(float(place), name) for place, name in enumerate(names)]
        if not self.log_x:
            return [(value, f"{value:g}") for value in ticks(self.x.low, self.x.high, 6)]
        powers = range(int(np.floor(self.x.low)), int(np.ceil(self.x.high)) + 1)
        steps = (1, 2, 5) if self.x.high - self.x.low < 4.5 else (1,)
        marks = [step * 10.0**power for power in powers for step in steps]
        return [(float(np.log10(mark)), f"{mark:,g}") for mark in marks if self.x.low <= np.log10(mark) <= self.x.high]

    def points(self, pairs: Sequence[Point], colour: str) -> str:
        """A dot each, all in one path."""
        way = "".join(f"M{num(self.x(a))} {num(self.y(b))}h0" for a, b in pairs)
        return f'<path d="{way}" class="d" stroke="{colour}"/>' if way else ""

    def dot(self, x: float, y: float, colour: str) -> str:
        """One larger dot."""
        return f'<circle cx="{num(self.x(x))}" cy="{num(self.y(y))}" r="4.5" fill="{colour}"/>'

    def line(self, pairs: Sequence[Point], colour: str) -> str:
        """An open line."""
        way = "L".join(f"{num(self.x(a))} {num(self.y(b))}" for a, b in pairs)
        return f'<path d="M{way}" class="l" stroke="{colour}"/>' if way else ""

    def box(self, x: float, values: Sequence[float], colour: str, half: float = 9.0) -> str:
        """Box and whiskers: quartiles, median, and the ends of the values."""
        at = self.x(x)
        least, first, middle, third, most = (self.y(v) for v in np.percentile(values, (0, 25, 50, 75, 100)))
        left, right = num(at - half), num(at + half)
        return (
            f'<path d="M{num(at)} {num(least)}V{num(first)}M{num(at)} {num(third)}V{num(most)}" class="l" '
            f'stroke="{colour}"/><rect x="{left}" y="{num(third)}" width="{num(2 * half)}" '
            f'height="{num(max(first - third, 0.5))}" fill="{colour}" fill-opacity=".18" stroke="{colour}"/>'
            f'<path d="M{left} {num(middle)}H{right}" class="l" stroke="{colour}"/>'
        )

    def bar(self, x: float, value: float, spread: float, colour: str, half: float) -> str:
        """A bar from zero, with a whisker of `spread` to both sides."""
        at, zero, end = self.x(x), self.y(0.0), self.y(value)
        whisker = f'<path d="M{num(at)} {num(self.y(value - spread))}V{num(self.y(value + spread))}" class="a"/>'
        return (
            f'<rect x="{num(at - half)}" y="{num(min(zero, end))}" width="{num(2 * half)}" '
            f'height="{num(max(abs(zero - end), 0.5))}" fill="{colour}"><title>{value:.3f}</title></rect>'
            + (whisker if spread > 0 else "")
        )


# -- matrices ------------------------------------------------------------------------------------------------


def matrix_picture(values: npt.NDArray[np.float64], low: float, x: float, y: float, side: float) -> str:
    """A square matrix with numbers in [low, 1], the higher the darker, as a picture of `side` px at (x, y)."""
    share = np.clip((values - low) / max(1 - low, 1e-9), 0, 1)
    ends = np.array([[250.0, 250, 245], [16, 60, 110]])
    pixels = np.rint(ends[0] + share[..., None] * (ends[1] - ends[0])).astype(np.uint8)
    content = base64.b64encode(_png(pixels)).decode("ascii")
    place = f'x="{num(x)}" y="{num(y)}" width="{num(side)}" height="{num(side)}"'
    return f'<image {place} style="image-rendering:pixelated" href="data:image/png;base64,{content}"/>'


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """(height, width, 3) as a PNG file."""
    height, width, _ = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _part(b"IHDR", header) + _part(b"IDAT", zlib.compress(lines, 9)) + _part(b"IEND", b"")


def _part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def pack_matrix(values: npt.NDArray[np.float64]) -> str:
    """A matrix of numbers in [0, 1] as text, to a 255th."""
    return base64.b64encode(zlib.compress(np.rint(255 * values).astype(np.uint8).tobytes(), 9)).decode("ascii")


def unpack_matrix(text: str) -> npt.NDArray[np.float64]:
    """The square matrix that `pack_matrix` wrote."""
    flat = np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype=np.uint8)
    side = round(len(flat) ** 0.5)
    return flat.reshape(side, side) / 255.0
