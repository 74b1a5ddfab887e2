"""Numbers of the report that are shown as lists, tiles and plain bars."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chronas.reports.units import amount, count, percent, seconds, short
from chronas.reports.view import ConfusionView, DecisionView, ReportView

MOST_CLASSES = 120
"""Bars of single classes shown; of more classes the worst are kept."""


@dataclass(frozen=True)
class Figure:
    """One number of the header with its name and what it refers to."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Bars:
    """Labelled bars: (label, length in percent, text), and a word on what was left off."""

    rows: tuple[tuple[str, float, str], ...]
    note: str = ""

    @property
    def width(self) -> int:
        """Room for the labels, in characters."""
        return min(24, 2 + max(len(row[0]) for row in self.rows))


@dataclass(frozen=True)
class OptionBar:
    """One option of a decision: share of softmax(alpha) and of the draws in percent, where known."""

    name: str
    alpha: float | None
    frequency: float | None
    tip: str
    chosen: bool


def key_figures(view: ReportView) -> tuple[Figure, ...]:
    """The tiles under the headline."""
    found = next((n for n in view.networks if n.name == "found"), None)
    figures = []
    if found and found.test_accuracy is not None:
        images = _images(found.test_images, view.data.test if view.data else None)
        figures.append(Figure("test accuracy", percent(found.test_accuracy), images))
    if found and found.val_accuracy is not None:
        images = _images(found.val_images, view.data.val if view.data else None)
        figures.append(Figure("validation accuracy", percent(found.val_accuracy), images))
    params = found.params if found else view.search.params if view.search else None
    madds = found.madds if found else view.search.madds if view.search else None
    if params is not None:
        figures.append(Figure("parameters", short(params), f"{count(params)} numbers"))
    if madds is not None:
        figures.append(Figure("multiply-adds", short(madds), "per image"))
    if view.budget and view.budget.spent is not None:
        given = amount(view.budget.amount, view.budget.unit)
        name = "time used" if view.budget.unit == "seconds" else "budget used"
        rival = view.budget.rival_seconds
        extra = f"; rival: the same time again, {seconds(rival)}" if rival else ""
        figures.append(Figure(name, amount(view.budget.spent, view.budget.unit), f"of {given} given{extra}"))
    return tuple(figures)


def _images(seen: int | None, of: int | None) -> str:
    """What an accuracy is of: all images, or a part of them where there was no time for more."""
    if not of:
        return ""
    return f"on {seen:,} of {of:,} images" if seen else f"on {of:,} images"


def option_bars(decision: DecisionView) -> tuple[OptionBar, ...]:
    """The options of a decision that form no grid, with what is known of each."""
    tables = {table.name: table.values for table in decision.tables}
    alpha, drawn = tables.get("alpha"), tables.get("frequency")
    weights = _softmax(alpha) if alpha else None
    total = sum(v or 0.0 for v in drawn) if drawn else 0.0
    rows = []
    for index, option in enumerate(decision.options):
        tips = [option]
        if alpha and alpha[index] is not None:
            tips.append(f"α = {alpha[index]:.4g}")
        if drawn and drawn[index] is not None:
            tips.append(f"drawn {drawn[index]:,.0f} times")
        share = 100 * (drawn[index] or 0.0) / total if drawn and total else None
        weight = weights[index] if weights else None
        rows.append(OptionBar(option, weight, share, ", ".join(tips), index == decision.choice))
    return tuple(rows)


def _softmax(alpha: tuple[float | None, ...]) -> list[float]:
    top = max((a for a in alpha if a is not None), default=0.0)
    powers = [0.0 if a is None else math.exp(a - top) for a in alpha]
    return [100 * p / (sum(powers) or 1.0) for p in powers]


def confused_pairs(view: ConfusionView, most: int) -> tuple[tuple[str, str, int, float], ...]:
    """(true class, predicted class, images, percent of the true class), most images first."""
    found = view.mistakes or tuple(
        (i, j, many, sum(row)) for i, row in enumerate(view.counts) for j, many in enumerate(row) if i != j and many
    )
    pairs = [(view.classes[i], view.classes[j], many, 100 * many / max(1, total)) for i, j, many, total in found]
    return tuple(sorted(pairs, key=lambda pair: (-pair[2], -pair[3], pair[0], pair[1]))[:most])


def per_class(view: ConfusionView | None) -> Bars | None:
    """Accuracy of every class in percent, worst first where there are many."""
    if view is None or not view.per_class:
        return None
    rows = list(view.per_class)
    note = ""
    if len(rows) > 20:
        rows.sort(key=lambda row: row[1])
        note = "Worst first."
    if len(rows) > MOST_CLASSES:
        note = f"The {MOST_CLASSES} worst of {len(rows)} classes, worst first."
        rows = rows[:MOST_CLASSES]
    return Bars(tuple((name, max(0.0, min(100.0, value)), percent(value)) for name, value in rows), note)
