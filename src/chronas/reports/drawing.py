"""The found network as a chain of small pictures, kernels to one scale; it wraps on narrow screens."""

from __future__ import annotations

from markupsafe import Markup

from chronas.reports.svg import label, line, num, rect, svg
from chronas.reports.units import short
from chronas.reports.view import Block

WIDE, HIGH, AXIS, KERNEL = 74, 138, 60, 44
"""Size of a tile, height of the line through it, side of the square that the largest kernel fills, in px."""

SEARCHED = ("conv", "sep", "max", "avg")


def tile(block: Block, kernel_side: int, counted: bool) -> Markup:
    """One box of the network; tiles set side by side join their lines to a chain.

    `counted`: leave room for the number of parameters.
    """
    if block.kind in SEARCHED:
        parts = _layer(block, kernel_side)
    elif block.kind == "reduction":
        parts = _reduction()
    else:
        parts = _plain(block)
    parts.append(label(WIDE / 2, 102, block.label, "strong", "middle"))
    parts.append(label(WIDE / 2, 117, block.note, "tiny", "middle"))
    if block.params is not None:
        parts.append(label(WIDE / 2, 131, f"{short(block.params)} params", "tiny", "middle"))
    name = f"{block.unit} {block.number}: " if block.number else ""
    return svg(WIDE, HIGH if counted else HIGH - 14, parts, f"{name}{block.label} {block.note}")


def _wire(start: float, end: float) -> str:
    return line(start, AXIS, end, AXIS, "wire")


def _layer(block: Block, kernel_side: int) -> list[str]:
    """The kernel as a grid of cells under the arc of its residual connection."""
    unit = KERNEL / max(kernel_side, 3)
    wide, high = block.width * unit, block.height * unit
    x, y = (WIDE - wide) / 2, AXIS - high / 2
    arc = f'<path d="M5 {AXIS}V34Q5 24 15 24H{WIDE - 15}Q{WIDE - 5} 24 {WIDE - 5} 34V{AXIS}" class="arc"/>'
    box = rect((WIDE - KERNEL) / 2 - 4, AXIS - KERNEL / 2 - 4, KERNEL + 8, KERNEL + 8, "box", round_by=6)
    parts = [
        _wire(0, 11),
        _wire(WIDE - 11, WIDE),
        arc,
        box,
        label(WIDE / 2, 15, f"{block.unit} {block.number}", "tiny", "middle"),
    ]
    parts.append(rect(x, y, wide, high, f"kernel k-{block.kind}", f"{block.label} {block.note}"))
    lines = [f"M{num(x + i * unit)} {num(y)}v{num(high)}" for i in range(1, block.width)]
    lines += [f"M{num(x)} {num(y + i * unit)}h{num(wide)}" for i in range(1, block.height)]
    if lines:
        parts.append(f'<path d="{"".join(lines)}" class="mesh"/>')
    return parts


def _reduction() -> list[str]:
    top, low = AXIS - 26, AXIS + 26
    shape = f"M22 {top}L52 {AXIS - 13}V{AXIS + 13}L22 {low}Z"
    return [_wire(0, 22), _wire(52, WIDE), f'<path d="{shape}" class="funnel"/>']


def _plain(block: Block) -> list[str]:
    start, end = (0 if block.kind != "input" else 62), (WIDE if block.kind != "output" else 12)
    parts = [_wire(start, end)] if block.kind in ("input", "output") else [_wire(0, 12), _wire(62, WIDE)]
    parts.append(rect(12, AXIS - 25, 50, 50, f"box b-{block.kind}", f"{block.label} {block.note}", 7))
    if block.kind == "input":
        parts.append(f'<path d="M17 {AXIS + 18}l12-18 9 11 6-7 12 14z" class="icon"/>')
        parts.append(f'<circle cx="46" cy="{AXIS - 12}" r="4.5" class="icon"/>')
    elif block.kind == "output":
        for i, share in enumerate((0.35, 0.9, 0.2, 0.5)):
            parts.append(rect(20 + i * 9, AXIS + 18 - 34 * share, 6, 34 * share, "icon"))
    elif block.kind == "head":
        parts += [rect(24 + 9 * (i % 3), AXIS - 13 + 9 * (i // 3), 7, 7, "icon faint") for i in range(9)]
        parts.append(rect(33, AXIS - 4, 7, 7, "icon"))
    else:
        parts += [rect(22 + 7 * i, AXIS - 15, 4, 30, "icon") for i in range(5)]
    return parts
