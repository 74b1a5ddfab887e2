"""How `fit` decides: which space and method fit the data and the time, and how the time is split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chronas.architecture import Architecture
from chronas.budget import Budget
from chronas.data.images import ImageData
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.spaces import SPACES
from chronas.spec import DataSpec, RunSpec, Verb
from chronas.training.recipes import RECIPES

if TYPE_CHECKING:
    from chronas.api import Options


def plan_fit(
    verb: Verb, words: DataSpec, budget: Budget, options: Options, data: ImageData, architecture: Architecture | None
) -> RunSpec:
    """The resolved spec of a run: the user's words first, the rule of this module for the rest."""
    space = options.space or "superkernel"
    method = options.method or "nasib"
    recipe = options.recipe or "fast"
    SPACES.entry(space)
    METHODS.entry(method)
    if recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    settings: dict[str, dict[str, Any]] = {k: dict(v) for k, v in (options.settings or {}).items()}
    settings["method"] = {**_preset(method, options.preset), **settings.get("method", {})}
    share = 0.4 if options.search_share is None else options.search_share
    if not 0 < share < 1:
        raise UsageError(f"search_share must lie between 0 and 1, but got {share}.")
    return RunSpec(
        verb=verb, data=words, budget=budget, seed=options.seed, device=options.device, precision=options.precision,
        space=space, method=method, recipe=recipe, settings=settings, search_share=share,
        baselines=options.baselines, rival=options.rival,
        architecture=None if architecture is None else architecture.to_json(),
    )  # fmt: skip


def _preset(method: str, preset: str | None) -> dict[str, Any]:
    if preset is None or preset == "default":
        return {}
    presets = METHODS.load(method).presets
    if preset not in presets:
        raise UnknownNameError(f"preset of {method}", preset, [*presets, "default"])
    return dict(presets[preset])
