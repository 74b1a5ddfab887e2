"""Numbers with their units, as people read them."""

from __future__ import annotations

from chronas.budget import format_seconds

DASH = "-"
"""Stands where a number is not known."""


def percent(value: float | None, digits: int = 1) -> str:
    """A value in percent: "97.8 %"."""
    return DASH if value is None else f"{value:.{digits}f} %"


def count(value: float | None) -> str:
    """A whole number with thin groups: "1,234,567"."""
    return DASH if value is None else f"{round(value):,}"


def short(value: float | None) -> str:
    """A number with a decimal prefix: "412", "6.71 k", "604 k", "1.25 M", "3.10 G"."""
    if value is None:
        return DASH
    for size, letter in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}" if value / size < 999.5 else f"{value / size:.0f}{letter}"
    return f"{value:.0f}"


def decimal(value: float | None) -> str:
    """A number with what digits it needs: "12", "0.53"."""
    return DASH if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def tenth(value: float | None) -> str:
    """A number with one decimal: "17.4", "1,204.0"."""
    return DASH if value is None else f"{value:,.1f}"


def amount(value: float | None, unit: str) -> str:
    """A budget's amount with its unit: "2m 00s", "50 epochs"."""
    if value is None:
        return DASH
    return format_seconds(value) if unit == "seconds" else f"{decimal(value)} {unit}"


def seconds(value: float | None) -> str:
    """A duration: "47.1 s", "2m 05s"."""
    return DASH if value is None else format_seconds(value)
