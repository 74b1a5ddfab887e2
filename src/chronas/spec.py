"""The resolved description of a run: what the user asked for, checked, with nothing left to guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from chronas.budget import Budget
from chronas.errors import RunError, UnknownNameError

Verb = Literal["search", "fit", "train"]
GROUPS = ("space", "method", "supernet", "recipe")


@dataclass(frozen=True)
class DataSpec:
    """Where the images come from and how they are split; the words of `chronas.data.load.load`."""

    source: str
    size: int | None = None
    val_share: float | None = None
    limit: int | None = None
    skip_bad: bool = False


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run.

    space, method, recipe   registered names; `settings` holds the resolved values per group
    search_share            part of a `fit` budget that the search gets
    baselines               networks trained like the found one, beside it: "random", "plain"
    baseline_share          what each of them, and the found one, gets of what the search leaves
    rival                   train the hand-made residual network for the same time, after the run
    """

    verb: Verb
    data: DataSpec
    budget: Budget
    seed: int
    device: str
    precision: str
    space: str
    method: str
    recipe: str
    settings: Mapping[str, Mapping[str, Any]]
    search_share: float
    baselines: tuple[str, ...] = ()
    rival: bool = False
    architecture: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The form of spec.json."""
        return {"format": 1, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSpec:
        """Read spec.json; raises RunError for one that this version cannot read."""
        words = {key: value for key, value in data.items() if key != "format"}
        try:
            words["data"] = DataSpec(**words["data"])
            words["budget"] = Budget(**words["budget"])
            words["baselines"] = tuple(words["baselines"])
            words["notes"] = tuple(words["notes"])
            return cls(**words)
        except (KeyError, TypeError) as error:
            raise RunError(f"spec.json does not describe a run of this version: {error}.") from error


def check_groups(settings: Mapping[str, Any]) -> None:
    """Raise UnknownNameError for a settings group that does not exist, e.g. `metod.k`."""
    for group in settings:
        if group not in GROUPS:
            raise UnknownNameError("group of settings", group, GROUPS)
