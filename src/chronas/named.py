"""Architectures that people write down: a file, SPACE:NOTATION, or a name."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chronas.architecture import Architecture, make_space
from chronas.errors import ArchitectureError, RunError, UsageError
from chronas.runs.files import read_json
from chronas.runs.folder import RunFolder
from chronas.spaces import SPACES, Space
from chronas.spaces.resnet import RIVAL

NAMES = {"resnet-plain": f"resnet:{RIVAL}"}
"""Names of single architectures, and what they stand for."""
EXAMPLE = f"resnet:{RIVAL}"
HINT = f"A network can also be written as SPACE:NOTATION, for example {EXAMPLE}, or named: {', '.join(NAMES)}."
Settings = Mapping[str, Any]


def find_source(source: str | Path | Architecture, settings: Settings | None = None) -> Architecture | RunFolder:
    """What `source` names: an architecture by file, SPACE:NOTATION or name, or else a run.

    What exists on the disk is always a path, whatever its name looks like.

    Args:
        source: what a person wrote.
        settings: of the space, where `source` is a notation or a name.

    Returns:
        The architecture, or the run folder.

    Raises:
        UsageError: the notation or its space is wrong, or settings are given beside a file or a run.
        RunError: nothing is there.
        ArchitectureError: the file holds no legal architecture.
    """
    if isinstance(source, str) and is_written(source):
        return read_architecture(source, settings)
    if settings:
        raise UsageError(f"Settings of the space are for SPACE:NOTATION; {source} has its own.")
    if isinstance(source, Architecture):
        return source
    path = Path(source).expanduser()
    if path.is_file():
        return architecture_file(path)
    try:
        return RunFolder.open(path)
    except RunError as error:
        raise RunError(f"{error} {HINT}" if not os.path.exists(path) else str(error)) from error


def is_written(text: str) -> bool:
    """Whether `text` is a notation or a name rather than a path; C:/x and a/b:c are paths."""
    written = text in NAMES or re.match(r"[^:/\\]+:(?![/\\])", text) is not None
    return written and not os.path.exists(Path(text).expanduser())


def read_architecture(text: str, settings: Settings | None = None) -> Architecture:
    """The architecture that SPACE:NOTATION or one of `NAMES` stands for.

    Settings of the space are `settings`, else what the notation tells (how many layers), else the space's own.

    Raises:
        UsageError: the message has the rule of the space, and an example.
    """
    name, notation = _parted(text)
    space = make_space(name, {**SPACES.load(name).told(notation), **(settings or {})})
    try:
        return Architecture(space, space.parse(notation))
    except ArchitectureError as error:
        example = shlex.quote(f"{name}:{example_notation(space)}")
        raise UsageError(f"{text}: {error} Example: {example}") from error


def left_open(text: str, settings: Settings | None = None) -> dict[str, Any]:
    """The space's own settings, as far as neither the notation `text` nor `settings` tells them."""
    name, notation = _parted(text)
    known = {**SPACES.load(name).told(notation), **(settings or {})}
    return {key: value for key, value in dataclasses.asdict(make_space(name).settings).items() if key not in known}


def _parted(text: str) -> tuple[str, str]:
    name, _, notation = NAMES.get(text, text).partition(":")
    return name, notation


def example_notation(space: Space) -> str:
    """How an architecture of `space` is written: its plain one, else the first of its options that are legal."""
    from chronas.seeding import stream  # not at the top: listings import this module and nothing heavy
    from chronas.spaces.moves import sample

    return space.notation(space.plain() or sample(space, stream(0, "example")))


def architecture_file(path: Path) -> Architecture:
    """The architecture in a JSON file: an architecture, or a file that holds one (best.json, model.json).

    Raises RunError for a damaged file and ArchitectureError for an architecture that is not legal.
    """
    tree = read_json(path, what="architecture")
    inner = tree.get("architecture", tree)
    if not isinstance(inner, dict):
        raise ArchitectureError(f"{path} holds no architecture.")
    try:
        return Architecture.from_json(inner)
    except ArchitectureError as error:
        raise ArchitectureError(f"{path}: {error}") from error
