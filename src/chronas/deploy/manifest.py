"""What model.json says: the architecture and what using its network needs, checked field by field."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chronas.architecture import Architecture
from chronas.data.levels import PixelRange
from chronas.data.options import FITS
from chronas.errors import ArchitectureError, UsageError
from chronas.runs.files import FORMAT
from chronas.task import Task


@dataclass(frozen=True)
class Manifest:
    """A bundle without its network; the fields are those of `Bundle`."""

    architecture: Architecture
    task: Task
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None
    metrics: Mapping[str, float]
    chronas_version: str
    fit: str = "crop"
    range: PixelRange | None = None
    finished: bool = True

    def check(self) -> None:
        """Raise UsageError unless class names and normalisation fit the task."""
        if len(self.classes) != self.task.classes:
            raise UsageError(f"It has {len(self.classes)} class names for {self.task.classes} classes.")
        if len(self.mean) != self.task.channels or len(self.std) != self.task.channels:
            raise UsageError(f"It normalises {len(self.mean)} and {len(self.std)} channels of {self.task.channels}.")
        if not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise UsageError(f"It normalises by mean {self.mean} and std {self.std}.")


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """The file form of `manifest`, without "tensors"."""
    return {
        "format": FORMAT,
        "chronas": manifest.chronas_version,
        "architecture": manifest.architecture.to_json(),
        "notation": manifest.architecture.notation,
        "task": dataclasses.asdict(manifest.task),
        "classes": list(manifest.classes),
        "normalisation": {"mean": list(manifest.mean), "std": list(manifest.std)},
        "resize": manifest.resize,
        "fit": manifest.fit,
        "range": None if manifest.range is None else dataclasses.asdict(manifest.range),
        "metrics": dict(manifest.metrics),
        "finished": manifest.finished,
    }


def read_manifest(body: Mapping[str, Any]) -> Manifest:
    """The inverse of `manifest_json`; other keys are not looked at.

    Raises ArchitectureError for an illegal architecture and UsageError for anything else that is wrong.
    """
    try:
        architecture = Architecture.from_json(_object(body, "architecture"))
    except UsageError as error:
        raise ArchitectureError(str(error)) from error
    normalisation = _object(body, "normalisation")
    resize = body.get("resize")
    if resize is not None and (type(resize) is not int or resize < 1):
        raise UsageError(f'"resize" must be a side in pixels or null, but is {resize!r}.')
    manifest = Manifest(
        architecture,
        _task(_object(body, "task")),
        tuple(_list(body, "classes", str)),
        tuple(map(float, _list(normalisation, "mean", int, float))),
        tuple(map(float, _list(normalisation, "std", int, float))),
        resize,
        _metrics(_object(body, "metrics")),
        _version(body.get("chronas")),
        _fit(body.get("fit", "crop")),
        _range(body.get("range")),
        _flag(body, "finished", True),
    )
    manifest.check()
    return manifest


def _object(body: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = body.get(key)
    if not isinstance(value, Mapping):
        raise UsageError(f'"{key}" must be an object.')
    return value


def _list(body: Mapping[str, Any], key: str, *kinds: type) -> list[Any]:
    value = body.get(key)
    if not isinstance(value, list) or any(type(item) not in kinds for item in value):
        raise UsageError(f'"{key}" must be a list of {" or ".join(kind.__name__ for kind in kinds)}.')
    return value


def _fit(value: object) -> str:
    if value not in FITS:
        raise UsageError(f'"fit" must be one of {", ".join(FITS)}, but is {value!r}.')
    return str(value)


def _range(entry: object) -> PixelRange | None:
    if entry is None:
        return None
    words = entry if isinstance(entry, Mapping) else {}
    low, high, kind = words.get("low"), words.get("high"), words.get("kind")
    numbers = all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high))
    if not numbers or low >= high or kind not in ("uint8", "integer", "float"):  # type: ignore[operator]
        raise UsageError(f'"range" must hold the numbers low < high and their kind, but is {entry!r}.')
    return PixelRange(float(low), float(high), kind, bool(words.get("given")))  # type: ignore[arg-type]


def _task(entry: Mapping[str, Any]) -> Task:
    names = [field.name for field in dataclasses.fields(Task)]
    if any(type(entry.get(name)) is not int for name in names):
        raise UsageError(f'"task" needs whole numbers for {", ".join(names)}.')
    try:
        return Task(*(entry[name] for name in names))
    except ValueError as error:
        raise UsageError(str(error)) from error


def _metrics(entry: Mapping[str, Any]) -> dict[str, float]:
    for name, value in entry.items():
        if value is not None and type(value) not in (int, float):
            raise UsageError(f'The metric "{name}" must be a number, but is {value!r}.')
    return {name: math.nan if value is None else float(value) for name, value in entry.items()}


def _flag(body: Mapping[str, Any], key: str, absent: bool) -> bool:
    value = body.get(key, absent)
    if not isinstance(value, bool):
        raise UsageError(f'"{key}" must be true or false, but is {value!r}.')
    return value


def _version(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9.+_-]{1,40}", value):
        raise UsageError(f'"chronas" must be a version, but is {value!r}.')
    return value
