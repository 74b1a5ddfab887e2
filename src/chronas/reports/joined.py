"""A search and the later training of what it found (`chronas train RUN`), read as one run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chronas.reports.reading import Json, RunFiles, items, number, read_run, section, text
from chronas.runs.folder import TRAINED


def read_joined(run: Path) -> RunFiles:
    """`read_run`, and after a finished search what the run in its folder "train" holds: networks, journal, budget."""
    files = read_run(run)
    if files.result.get("status") != "finished" or items(files.result.get("networks")):
        return files
    inner = read_run(run / TRAINED)
    if not inner.spec:
        return files
    began = number(section(files.result.get("budget")).get("seconds")) or 0.0
    networks, unfinished = items(inner.result.get("networks")), inner.result.get("unfinished")
    if not networks and unfinished is None:
        unfinished = files.result.get("unfinished")  # its model is the one there is, as in deploy.bundle
    result = {**files.result, "networks": networks, "budget": _budget(files, inner), "unfinished": unfinished}
    return dataclasses.replace(
        files,
        result=result,
        records=(*files.records, *_later(inner.records, began, _told(files.records))),
        faults=(*files.faults, *(f"{TRAINED}: {fault}" for fault in inner.faults)),
    )


def _told(records: Sequence[Json]) -> set[str]:
    return {text(r.get("message")) for r in records if r.get("kind") == "note"}


def _later(records: Sequence[Json], seconds: float, told: set[str]) -> list[Json]:
    """The training's records on the search's clock, without the notes that the search has told."""
    kept = [r for r in records if r.get("kind") != "note" or text(r.get("message")) not in told]
    return [{**r, "t": (number(r.get("t")) or 0.0) + seconds, "joined": True} for r in kept]


def _budget(files: RunFiles, inner: RunFiles) -> dict[str, Any]:
    """Both budgets added up; seconds alone, without a total given, where the units differ."""
    own, later = (section(each.result.get("budget")) for each in (files, inner))
    if not later:
        return dict(own)
    places = [section(each.get("where")) for each in (own, later)]
    where = {place: sum(number(each.get(place)) or 0.0 for each in places) for each in places for place in each}
    alike = own.get("unit") == later.get("unit")
    added = {name: _sum(own, later, name) for name in ("evaluations", "epochs", "seconds")}
    return {
        **own,
        **added,
        "unit": own.get("unit") if alike else "seconds",
        "amount": _sum(own, later, "amount") if alike else None,
        "spent": _sum(own, later, "spent" if alike else "seconds"),
        "where": where,
        "rival_seconds": later.get("rival_seconds"),
    }


def _sum(own: Json, later: Json, name: str) -> float:
    return (number(own.get(name)) or 0.0) + (number(later.get(name)) or 0.0)
