"""The look inside the search: per decision its tables, as grids where the options are the kernels i x j."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from chronas.reports.reading import Json, RunFiles, items, number, section, text
from chronas.reports.view import DecisionView, Grid, TableView

_KERNEL = re.compile(r"([1-9][0-9]?)x([1-9][0-9]?)")
SPARSEST = 0.5
"""A kernel list that fills less of its square than this is shown as bars instead."""


def decisions(files: RunFiles) -> tuple[DecisionView, ...]:
    """Every decision in inspect.json with its tables; the final choices where there are any."""
    listed = [section(d) for d in items(files.inspect.get("decisions"))]
    final = section(files.result.get("search")).get("choices")
    choices = items(final) or items(files.inspect.get("choices")) or items(files.best.get("choices"))
    tables = {text(name): items(rows) for name, rows in section(files.inspect.get("tables")).items()}
    views = []
    for index, decision in enumerate(listed):
        rows = {name: items(table[index]) for name, table in tables.items() if index < len(table)}
        views.append(_decision(decision, index, rows, choices))
    return tuple(views)


def _decision(decision: Json, index: int, rows: dict[str, Sequence[object]], choices: Sequence[object]) -> DecisionView:
    options = tuple(text(option) for option in items(decision.get("options")))
    whole = {name: row for name, row in rows.items() if options and len(row) == len(options)}
    values = {name: tuple(number(v) for v in row) for name, row in whole.items()}
    choice = choices[index] if index < len(choices) else None
    side = grid_side(options)
    return DecisionView(
        text(decision.get("name")) or f"decision {index + 1}",
        options,
        choice if isinstance(choice, int) and 0 <= choice < len(options) else None,
        tuple(TableView(name, row, _grid(options, row, side)) for name, row in values.items()),
        side,
        _entropy(values.get("alpha", ())),
    )


def grid_side(options: Sequence[str]) -> int:
    """m where the options are kernels i x j that fill an m x m square well enough, else 0."""
    matches = [_KERNEL.fullmatch(option) for option in options]
    sizes = [(int(m[1]), int(m[2])) for m in matches if m]
    if len(sizes) < len(options) or not sizes:
        return 0
    side = max(max(size) for size in sizes)
    return side if 2 <= side <= 15 and len(sizes) >= SPARSEST * side * side else 0


def _grid(options: Sequence[str], row: Sequence[float | None], side: int) -> Grid:
    if not side:
        return ()
    values = dict(zip(options, row, strict=True))
    return tuple(tuple(values.get(f"{i}x{j}") for j in range(1, side + 1)) for i in range(1, side + 1))


def _entropy(alpha: Sequence[float | None]) -> float | None:
    """Entropy of softmax(alpha) in nats."""
    known = [a for a in alpha if a is not None]
    if not known:
        return None
    top = max(known)
    weights = [math.exp(a - top) for a in known]
    total = sum(weights)
    return -sum(w / total * math.log(w / total) for w in weights if w > 0)
