"""The resolved description of a run: what the user asked for, checked, with nothing left to guess."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from chronas.budget import Budget, Unit
from chronas.data.options import DataOptions
from chronas.errors import RunError, UnknownNameError

Verb = Literal["search", "fit", "train"]
GROUPS = ("space", "method", "supernet", "recipe")
USUAL_SPACE, USUAL_METHOD, USUAL_RECIPE = "superkernel", "nasib", "progressive"
"""What a run takes where neither the user nor `fit` decides."""
BASELINES = ("random", "plain")
_SHAPES: Mapping[str, type[Any] | tuple[type[Any], ...]] = {
    "data": dict, "budget": dict, "seed": int, "device": str, "precision": str, "space": str, "method": str,
    "recipe": str, "settings": dict, "search_share": (int, float), "baselines": list, "rival": bool, "notes": list,
    "limits": dict, "considered": list,
}  # fmt: skip


@dataclass(frozen=True)
class DataSpec(DataOptions):
    """Where the images come from, and how they are read (`DataOptions`), with what was found out filled in."""

    source: str


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run.

    space, method, recipe   registered names; `settings` holds the resolved values per group
    limits                  `max_params`, `max_madds`: what the architectures may cost at most
    search_share            part of a `fit` budget that the search gets
    baselines               networks trained like the found one, beside it: any of `BASELINES`; each of them, and
                            the found one, gets an equal part of what the search leaves
    rival                   train the hand-made residual network after the run, for as long as the search and the
                            training of the found network together
    considered              the networks that `fit` timed and weighed, each as in `chronas.sizing.Considered`
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
    limits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=())
    considered: tuple[Mapping[str, Any], ...] = ()

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
            words["considered"] = tuple(words.get("considered", ()))
            return cls(**words)
        except (KeyError, TypeError) as error:
            raise RunError(f"spec.json does not describe a run of this version: {error}.") from error


def read_spec(data: Mapping[str, Any], path: Path) -> RunSpec:
    """The spec of a run from `data`, the content of `path`, its shape checked: a person may have edited the file.

    Raises RunError.
    """
    words = {key: value for key, value in data.items() if key not in ("fingerprint", "streamed")}
    wrong = _wrong_shapes(words)
    spec = None if wrong else RunSpec.from_json(words)
    if spec is not None and spec.budget.unit not in get_args(Unit):
        wrong.append("budget")
    if spec is None or wrong:
        raise RunError(f"{path} is damaged: {', '.join(wrong)} is nothing that a run can have. "
                       "Restore it from a copy, or start a new run with another --out.")  # fmt: skip
    return spec


def _wrong_shapes(words: Mapping[str, Any]) -> list[str]:
    settings, source = words.get("settings"), words.get("data")
    wrong = [name for name, kinds in _SHAPES.items() if name in words and not isinstance(words[name], kinds)]
    if isinstance(settings, dict) and not all(isinstance(group, dict) for group in settings.values()):
        wrong.append("settings")
    if isinstance(source, dict) and not isinstance(source.get("source"), str):
        wrong.append("data")
    if words.get("verb") not in get_args(Verb):
        wrong.append("verb")
    return wrong


def check_groups(settings: Mapping[str, Any]) -> None:
    """Raise UnknownNameError for a settings group that does not exist, e.g. `metod.k`."""
    for group in settings:
        if group not in GROUPS:
            raise UnknownNameError("group of settings", group, GROUPS)
