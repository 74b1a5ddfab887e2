"""The parts of a run that its spec names: the recipe and the method, with their settings."""

from __future__ import annotations

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.methods import METHODS
from chronas.methods.base import Method
from chronas.seeding import derive
from chronas.settings import resolve
from chronas.spaces import Space
from chronas.spaces.limits import Limits, within
from chronas.spec import RunSpec
from chronas.task import Task
from chronas.training.recipes import Recipe, recipe


def make_spec_space(spec: RunSpec, task: Task) -> Space:
    """The space of a spec with its settings and its limits on cost; raises UsageError."""
    space = make_space(spec.space, spec.settings.get("space", {}))
    return within(space, Limits(**spec.limits), lambda choices: nets.cost(Architecture(space, choices), task))


def make_recipe(spec: RunSpec) -> Recipe:
    """The recipe of a spec with its settings; raises UsageError."""
    changes = spec.settings.get("recipe", {})
    typed = resolve(Recipe, changes, prefix="recipe")
    return recipe(spec.recipe, {name: getattr(typed, name) for name in changes})


def make_method(spec: RunSpec, space: Space) -> Method:
    """The method of a spec with its settings; raises UsageError."""
    kind = METHODS.load(spec.method)
    settings = resolve(kind.Settings, spec.settings.get("method", {}), prefix="method")
    made: Method = kind(space, settings, derive(spec.seed, "method"))
    return made
