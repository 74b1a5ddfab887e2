"""The networks that `fit` weighed against the time before it began: from the run's spec."""

from __future__ import annotations

from chronas.reports.reading import Json, RunFiles, items, number, section, text
from chronas.reports.view import ConsideredRow, ConsideredView


def considered(files: RunFiles, epochs: float | None) -> ConsideredView | None:
    """What was timed, expected and taken; None where nothing was. `epochs`: what the found network got, if known."""
    listed = [section(one) for one in items(files.spec.get("considered"))]
    rows = tuple(_row(one) for one in listed if one.get("notation"))
    if not rows:
        return None
    first = rows[0]
    given = None if first.seconds is None or first.passes is None else first.seconds * first.passes
    raced = sum(row.taken for row in rows) > 1
    wanted, least = number(listed[0].get("wanted")), number(listed[0].get("least"))
    return ConsideredView(rows, wanted, least, given, raced, None if raced else epochs)


def _row(data: Json) -> ConsideredRow:
    return ConsideredRow(
        text(data.get("notation")),
        number(data.get("seconds")),
        data.get("timed") is True,
        number(data.get("passes")),
        number(data.get("params")),
        number(data.get("madds")),
        data.get("taken") is True,
        text(data.get("why")),
    )
