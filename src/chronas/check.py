"""What can be known to be wrong with a run before it begins."""

from __future__ import annotations

import math

from chronas.budget import Budget
from chronas.data.deadline import least_budget
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.parts import make_method, make_recipe, make_spec_space
from chronas.settings import resolve
from chronas.spec import BASELINES, RunSpec
from chronas.task import Task
from chronas.training.hardware import Hardware
from chronas.training.supernet import SupernetSettings


def check_time(budget: Budget, loading: float) -> None:
    """Raise UsageError where `budget` leaves no time for anything after `loading` (seconds)."""
    least = least_budget(loading)
    if budget.unit == "seconds" and budget.amount < least:
        raise UsageError(f"{budget} is too short: loading took {loading:.1f} s here. The least useful budget is about "
                         f"{math.ceil(least)} s.")  # fmt: skip


def check(spec: RunSpec, task: Task) -> None:
    """Raise what is known to be wrong before a run folder is made, so that a misspelt word leaves none behind.

    Raises UsageError, EnvironmentFault.
    """
    Hardware.find(spec.device, spec.precision)  # type: ignore[arg-type]
    make_recipe(spec)
    if spec.limits and "supernet" in METHODS.entry(spec.method).needs:
        raise UsageError(f"{spec.method!r} weighs options one by one and cannot keep a limit on the whole network. "
                         "Take a method that judges whole architectures, for example rea or nsga2.")  # fmt: skip
    space = make_spec_space(spec, task)
    make_method(spec, space)
    resolve(SupernetSettings, spec.settings.get("supernet", {}), prefix="supernet")
    for name in spec.baselines:
        if name not in BASELINES:
            raise UnknownNameError("baseline", name, BASELINES)
    if "plain" in spec.baselines and space.plain() is None:
        limited = " within these limits" if spec.limits else ""
        raise UsageError(f"{spec.space!r} has no plain network{limited} to compare with: leave out the baseline plain.")
    budget = spec.budget
    if budget.unit == "evaluations" and (spec.verb != "search" or "supernet" in METHODS.entry(spec.method).needs):
        raise UsageError(f"{budget}: only a search that trains each candidate by itself (random, halving) counts "
                         "evaluations. Give a time or epochs.")  # fmt: skip
