"""Architecture files and run folders that a verb is given."""

from __future__ import annotations

from pathlib import Path

from chronas.architecture import Architecture
from chronas.errors import ArchitectureError, RunError
from chronas.runs.files import read_json
from chronas.runs.folder import RunFolder


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


def best_architecture(folder: RunFolder) -> Architecture:
    """The best architecture of a run; raises RunError where there is none yet."""
    best = folder.read_best()
    if best is not None:
        return Architecture.from_json(best["architecture"])
    given = folder.spec.get("architecture")
    if given is None:
        raise RunError(f"{folder.path} has no architecture yet. Go on with: chronas resume {folder.path}")
    return Architecture.from_json(given)
