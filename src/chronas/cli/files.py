"""Architecture files that a verb is given."""

from __future__ import annotations

from pathlib import Path

from chronas.architecture import Architecture
from chronas.errors import ArchitectureError
from chronas.runs.files import read_json


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
