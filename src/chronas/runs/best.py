"""What a run has found so far, read from its folder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chronas.architecture import Architecture
from chronas.errors import RunError
from chronas.runs.folder import RunFolder
from chronas.work import Choices


def best_architecture(folder: RunFolder) -> Architecture:
    """The best architecture of a run, or the one it was given; raises RunError where there is none yet."""
    best = folder.read_best()
    if best is not None:
        return Architecture.from_json(best["architecture"])
    given = folder.spec.get("architecture")
    if given is None:
        raise RunError(f"{folder.path} has no architecture yet. Go on with: chronas resume {folder.path}")
    return Architecture.from_json(given)


def judged(folder: RunFolder, stage: str, choices: Choices) -> Mapping[str, Any]:
    """The metrics of the last evaluation of `choices` in a stage; empty where it was never evaluated by itself."""
    for record in reversed(folder.journal.records()):
        own = record["stage"] == stage and record["kind"] == "outcome" and not record["error"]
        if own and tuple(record["work"].get("choices", ())) == choices:
            return dict(record["metrics"])
    return {}
