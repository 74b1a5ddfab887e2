"""Reads the files of a run folder forgivingly: what is absent or damaged becomes a note, never a crash."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chronas.errors import ChronasError
from chronas.runs.journal import Journal

Json = Mapping[str, Any]


@dataclass(frozen=True)
class RunFiles:
    """The parsed files; `faults` says which could not be read, and why."""

    spec: Json
    inspect: Json
    result: Json
    best: Json
    records: tuple[Json, ...]
    present: frozenset[str]
    faults: tuple[str, ...]


def read_run(run: Path) -> RunFiles:
    """Read spec, inspect, result, best and the logical journal of the folder `run`."""
    faults: list[str] = []
    found: dict[str, Json] = {}
    for name in ("spec.json", "inspect.json", "result.json", "best.json"):
        found[name] = _object(run / name, faults)
    records = _records(run / "journal.jsonl", faults)
    present = frozenset(name for name in (*found, "journal.jsonl") if (run / name).exists())
    files = (found["spec.json"], found["inspect.json"], found["result.json"], found["best.json"])
    return RunFiles(*files, records, present, tuple(faults))


def _object(path: Path, faults: list[str]) -> Json:
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        faults.append(f"{path.name} cannot be read, so its part of the report is missing: {error}")
        return {}
    if not isinstance(parsed, Mapping):
        faults.append(f"{path.name} holds no JSON object, so its part of the report is missing.")
        return {}
    return parsed


def _records(path: Path, faults: list[str]) -> tuple[Json, ...]:
    if not path.exists():
        return ()
    try:
        return tuple(Journal(path, write=False).records())
    except (ChronasError, OSError) as error:
        faults.append(f"journal.jsonl cannot be read, so the curves are missing: {error}")
        return ()


def number(value: object) -> float | None:
    """`value` as a finite float, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def section(value: object) -> Json:
    """`value` where it is a JSON object, an empty one otherwise."""
    return value if isinstance(value, Mapping) else {}


def items(value: object) -> Sequence[Any]:
    """`value` where it is a JSON list, an empty one otherwise."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def text(value: object) -> str:
    """`value` as a person would read it; "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | int):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def flatten(data: Json, prefix: str = "") -> list[tuple[str, str]]:
    """Nested objects as ("a.b.c", "value") pairs in their order."""
    rows: list[tuple[str, str]] = []
    for key, value in data.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flatten(value, f"{name}.")
        else:
            rows.append((name, "{}" if isinstance(value, Mapping) else text(value)))
    return rows
