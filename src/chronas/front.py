"""The front of a search with two objectives, for people: rows of numbers, and one architecture file per point."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chronas import nets
from chronas.architecture import Architecture
from chronas.methods.base import Method
from chronas.runs.files import FORMAT, disk_faults, dump, remove_leftovers, write_bytes
from chronas.spaces import Space
from chronas.task import Task

Row = dict[str, Any]
FOLDER = "front"
"""Folder of the files inside a run folder."""


def front_rows(method: Method, space: Space, task: Task) -> list[Row]:
    """Notation, choices, validation accuracy (percent), parameters, multiply-adds per image; cheapest first."""
    rows = []
    for point in method.front():
        architecture = Architecture(space, point.choices)
        cost = nets.cost(architecture, task)
        rows.append({"notation": architecture.notation, "choices": list(point.choices),
                     "val_accuracy": point.accuracy, "params": cost.params, "madds": cost.madds})  # fmt: skip
    return rows


def write_front(run: Path, space: Space, rows: Sequence[Row]) -> None:
    """Bring the folder "front" of `run` up to date: 01.json is the cheapest. Each file trains like a best.json.

    Raises EnvironmentFault where the disk is full. Without rows there is no folder.
    """
    if not rows:
        return
    folder = run / FOLDER
    with disk_faults(folder):
        folder.mkdir(exist_ok=True)
    remove_leftovers(folder, "*.json")
    wanted = {f"{number:02d}.json": _content(space, row) for number, row in enumerate(rows, 1)}
    with disk_faults(folder):
        for path in folder.glob("*.json"):
            if path.name not in wanted:
                path.unlink()
        old = {path.name: path.read_bytes() for path in folder.glob("*.json")}
    for name, content in wanted.items():
        # A front seldom changes, and forcing every file to the disk at every report would take the search's time.
        if old.get(name) != content:
            write_bytes(folder / name, content)


def _content(space: Space, row: Row) -> bytes:
    architecture = Architecture(space, tuple(row["choices"]))
    metrics = {name: row[name] for name in ("val_accuracy", "params", "madds")}
    data = {"format": FORMAT, "architecture": architecture.to_json(), "notation": row["notation"],
            "choices": row["choices"], "metrics": metrics}  # fmt: skip
    return (dump(data, indent=1) + "\n").encode()
