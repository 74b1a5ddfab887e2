"""How `fit` and `search` decide what the user did not say: space, method, split of the time.

docs/how-fit-decides.md tells the same for users, with the measurements behind the numbers.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chronas import nets
from chronas.architecture import Architecture
from chronas.budget import Budget
from chronas.data.images import ImageData
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.sizing import race, target_epochs
from chronas.spaces import SPACES
from chronas.spaces.limits import Limits
from chronas.spec import USUAL_METHOD, USUAL_RECIPE, USUAL_SPACE, DataSpec, RunSpec, Verb
from chronas.training.hardware import Hardware
from chronas.training.recipes import RECIPES

if TYPE_CHECKING:
    from chronas.api import Options

NO_RACE = 0.01
"""The search's share where there is nothing to decide: timing has chosen the network."""
CLOSING = 0.03
"""About what judging and the report take."""
LEAST_RACE = 1.5
"""Passes that a candidate must get in the race: with less, the race would be decided by chance."""
LEAST_CANDIDATES = 3
"""With fewer there is no race: what timing has chosen is as good a guess."""
UNTIMED = 3600.0
"""A `fit` in epochs or evaluations searches for the part of it that so many seconds would give."""


def search_share(seconds: float) -> float:
    """The part of a `fit` that searches: 8 % of two minutes, 1 % more for every doubling, at most 25 %."""
    return min(0.25, 0.08 + 0.0105 * math.log2(max(1.0, seconds / 120)))


def race_size(seconds: float, images: int, trained: int = 1) -> int:
    """How many networks can race in the search's share, each for LEAST_RACE passes; 1 (no race) to 27.

    trained  networks that share the time after the search: the found one, and baselines
    """
    each = seconds / trained
    epoch = each / target_epochs(each, images)
    count = int(min(27, search_share(seconds) * seconds // (LEAST_RACE * epoch)))
    return count if count >= LEAST_CANDIDATES else 1


def plan_fit(
    verb: Verb, words: DataSpec, budget: Budget, options: Options, data: ImageData, architecture: Architecture | None
) -> RunSpec:
    """The resolved spec of a run: the user's words first, the rules of this module for the rest."""
    settings: dict[str, dict[str, Any]] = {group: dict(v) for group, v in (options.settings or {}).items()}
    seed = options.seed or 0
    free = verb == "fit" and options.space is None and options.method is None and not settings.get("space")
    notes: tuple[str, ...] = ()
    considered: tuple[dict[str, Any], ...] = ()
    share = options.search_share
    if share is not None and not 0 < share < 1:
        raise UsageError(f"search_share must lie between 0 and 1, but got {share}.")
    if free:
        space, method = "resnet", "halving"
        if budget.unit != "seconds":
            share = search_share(UNTIMED) if share is None else share
        else:
            trained = 1 + len(options.baselines)
            candidates = race_size(budget.amount, len(data.train), trained)
            if share is None:
                share = search_share(budget.amount) if candidates > 1 else NO_RACE
            hardware = Hardware.find(options.device, options.precision)  # type: ignore[arg-type]
            gone = 0.0 if options.started is None else time.monotonic() - options.started
            usable = (budget.amount - gone) * (1 - share) * (1 - CLOSING) / trained
            raced = race(data, hardware, usable, candidates, seed, Limits(**_limits(options)))
            settings["method"] = {"candidates": len(raced.first), "first": raced.first, **settings.get("method", {})}
            notes = (_explain(raced.first, share),)
            considered = tuple(map(dataclasses.asdict, raced.considered))
    else:
        space, method = options.space or USUAL_SPACE, options.method or USUAL_METHOD
        share = 0.4 if share is None else share
    if architecture is not None:
        settings.pop("space", None)  # the architecture holds those of its space
    recipe = options.recipe or USUAL_RECIPE
    _check(space, method, recipe)
    settings["method"] = {**_counted(method, budget), **_preset(method, options.preset), **settings.get("method", {})}
    return RunSpec(
        verb=verb, data=words, budget=budget, seed=seed, device=options.device, precision=options.precision,
        space=space, method=method, recipe=recipe, settings=settings, search_share=share,
        baselines=options.baselines, rival=options.rival, notes=notes,
        architecture=None if architecture is None else architecture.to_json(), limits=_limits(options),
        considered=considered,
    )  # fmt: skip


def _counted(method: str, budget: Budget) -> Mapping[str, Any]:
    """What a method takes in a budget of evaluations where the user does not say otherwise."""
    return METHODS.load(method).counted if budget.unit == "evaluations" else {}


def _check(space: str, method: str, recipe: str) -> None:
    SPACES.entry(space)
    METHODS.entry(method)
    if recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    if "supernet" in METHODS.entry(method).needs and space not in nets.SUPERNETS:
        known = ", ".join(nets.SUPERNETS.names())
        raise UsageError(f"{method!r} needs a supernet, and {space!r} has none. Spaces with one: {known}.")


def _limits(options: Options) -> dict[str, int]:
    wanted = {"max_params": options.max_params, "max_madds": options.max_madds}
    return {name: value for name, value in wanted.items() if value is not None}


def _preset(method: str, preset: str | None) -> Mapping[str, Any]:
    if preset is None or preset == "default":
        return {}
    presets = METHODS.load(method).presets
    if preset not in presets:
        raise UnknownNameError(f"preset of {method}", preset, [*presets, "default"])
    return dict(presets[preset])


def _explain(first: tuple[str, ...], share: float) -> str:
    if len(first) == 1:
        return f"There is no time for a race: fit trains {first[0]}, the network whose size fits the time."
    return f"fit lets {len(first)} networks race that fit the time, and gives the search {100 * share:.0f} % of it."
