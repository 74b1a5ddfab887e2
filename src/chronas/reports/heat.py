"""Heat maps as inline SVG: the m x m tables of a decision, colour legends, the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chronas.reports.svg import CHAR, label, num, rect, svg
from chronas.reports.view import ConfusionView, DecisionView, TableView

STEPS = 10
"""Colours of a sequential scale: the classes a0..a9 (alpha), f0..f9 (frequency)."""
NUMBERED = 12
"""Confusion matrices of up to so many classes have their counts written in."""


@dataclass(frozen=True)
class Shades:
    """Maps values in [low, high] to colour steps; `letter` is "a" or "f"."""

    letter: str
    low: float
    high: float

    def step(self, value: float) -> int:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return min(STEPS - 1, max(0, int(share * STEPS)))

    def css(self, value: float) -> str:
        return f"{self.letter}{self.step(value)}"


def cell_size(side: int) -> int:
    """Side in px of a cell, so that two grids and their captions fit side by side on a phone."""
    return max(24, 96 // side) if side <= 5 else 17 if side <= 7 else 14 if side <= 9 else 126 // side


def shades(decisions: Sequence[DecisionView], table: str, letter: str) -> Shades | None:
    """One scale for `table` over all decisions, so that their cards can be compared; None without values."""
    found = [v for d in decisions for t in d.tables if t.name == table for v in t.values if v is not None]
    if not found:
        return None
    return Shades(letter, 0.0 if table == "frequency" else min(found), max(found))


def grids(decision: DecisionView, scales: Sequence[tuple[str, str, Shades]]) -> Markup:
    """The tables of one decision side by side: rows are kernel heights i, columns kernel widths j.

    scales: (table's name, caption, shades).
    """
    cell = cell_size(decision.side)
    tables = {table.name: table for table in decision.tables}
    shown = [(tables[name], caption, scale) for name, caption, scale in scales if name in tables]
    wide, gap = decision.side * cell + 14, 18
    parts: list[str] = []
    for index, (table, caption, scale) in enumerate(shown):
        parts += _grid(decision, table, scale, index * (wide + gap), cell, caption)
    width = len(shown) * (wide + gap) - gap + 3
    return svg(width, decision.side * cell + 36, parts, f"{decision.name}: tables over kernel sizes")


def _grid(decision: DecisionView, table: TableView, scale: Shades, left: float, cell: int, caption: str) -> list[str]:
    x0, y0, side = left + 14, 18, decision.side
    parts = [label(x0, 11, caption, "small strong")]
    total = sum(v for v in table.values if v is not None)
    for i, row in enumerate(table.grid):
        for j, value in enumerate(row):
            if value is None:
                continue
            tip = f"{i + 1}×{j + 1}: {_value(table.name, value, total)}"
            parts.append(rect(x0 + j * cell, y0 + i * cell, cell - 1, cell - 1, scale.css(value), tip))
    for k in range(side):
        if side <= 7 or k % 2 == 0:
            middle = k * cell + cell / 2
            parts.append(label(x0 - 4, y0 + middle + 3, k + 1, "tiny", "end"))
            parts.append(label(x0 + middle - 0.5, y0 + side * cell + 11, k + 1, "tiny", "middle"))
    if decision.choice is not None:
        high, _, wide = decision.options[decision.choice].partition("x")
        at = (x0 + (int(wide) - 1) * cell, y0 + (int(high) - 1) * cell)
        parts.append(rect(at[0] - 1.5, at[1] - 1.5, cell + 2, cell + 2, "halo", round_by=2.5))
        parts.append(rect(at[0] - 1.5, at[1] - 1.5, cell + 2, cell + 2, "chosen", round_by=2.5))
    return parts


def _value(name: str, value: float, total: float) -> str:
    if name == "frequency":
        share = f" ({100 * value / total:.1f} % of the layer's draws)" if total else ""
        return f"drawn {value:,.0f} times{share}"
    return f"α = {value:.4g}" if name == "alpha" else f"{name} {value:.4g}"


def legend(scale: Shades) -> Markup:
    """The colours of a scale with its end values."""
    parts = [rect(i * 16, 0, 16, 12, f"{scale.letter}{i}") for i in range(STEPS)]
    return svg(16 * STEPS, 12, parts, f"colours from {scale.low:.3g} to {scale.high:.3g}")


def confusion(view: ConfusionView, width: int) -> Markup:
    """True classes in rows, predicted in columns, shaded by the share of the row."""
    side = len(view.classes)
    short = [name if len(name) <= 12 else f"{name[:11]}…" for name in view.classes]
    longest = max(len(name) for name in short)
    left = 26 + CHAR * longest
    upright = longest <= 2
    cell = min(36.0, (width - left - 4) / side)
    foot = 14 if upright else 8 + CHAR * longest * 0.75
    scale = Shades("a", 0.0, 1.0)
    parts: list[str] = []
    for i, row in enumerate(view.counts):
        y, total = 2 + i * cell, sum(row) or 1
        parts.append(label(left - 7, y + cell / 2 + 4, short[i], "tick", "end"))
        for j, many in enumerate(row):
            tip = f"{view.classes[i]} seen as {view.classes[j]}: {many} of {total} images"
            step = scale.step(many / total) if not many else max(1, scale.step(many / total))
            parts.append(rect(left + j * cell, y, cell - 1, cell - 1, f"a{step}", tip))
            if many and side <= NUMBERED:
                css = f"cell on{step}"
                parts.append(label(left + (j + 0.5) * cell, y + cell / 2 + 4, many, css, "middle"))
    base = 2 + side * cell
    for j, name in enumerate(short):
        x = left + (j + 0.5) * cell
        place = f"translate({num(x + 3)} {num(base + 10)}) rotate(-50)"
        turned = f'<g transform="{place}">{label(0, 0, name, "tick", "end")}</g>'
        parts.append(label(x, base + 14, name, "tick", "middle") if upright else turned)
    return svg(
        left + side * cell + 2,
        base + foot + 8,
        parts,
        "Confusion matrix of the found network, in test images",
    )
