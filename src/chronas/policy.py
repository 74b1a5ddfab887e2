"""How `fit` and `search` decide what the user did not say: space, method, split of the time.

docs/how-fit-decides.md tells the same for users, with the measurements behind the numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget
from chronas.data.images import ImageData
from chronas.errors import UnknownNameError, UsageError
from chronas.methods import METHODS
from chronas.seeding import stream
from chronas.spaces import SPACES
from chronas.spaces.moves import enumerate_all
from chronas.spaces.resnet import ResNetSpace
from chronas.spec import DataSpec, RunSpec, Verb
from chronas.training.hardware import Hardware
from chronas.training.probe import step_seconds
from chronas.training.recipes import RECIPES
from chronas.work import Choices

if TYPE_CHECKING:
    from chronas.api import Options

PROBES = ("full-16-1-1-2-basic", "half-32-1-1-2-basic", "half-64-1-1-2-basic", "full-32-1-1-2-single")
"""Networks whose step is timed: from them follows what every other network of the space costs here."""
EPOCHS_IN_TWO_MINUTES = 8.0
"""Passes over 50,000 images that a network should get in two minutes; grows as the square root of time."""
WINDOW = 1.5
"""Candidates cost between 1/WINDOW and WINDOW times what the target number of passes allows."""


@dataclass(frozen=True)
class Split:
    """What the search gets: its share of the time and how many candidates race."""

    share: float
    candidates: int


def split(seconds: float) -> Split:
    """Seconds of search in two minutes, hours in a day: 8 % at two minutes, 12 % at half an hour, 25 % at a day."""
    doublings = math.log2(max(1.0, seconds / 120))
    share = min(0.25, 0.08 + 0.0105 * doublings)
    return Split(share, int(min(27, max(3, round(3 + 1.5 * doublings)))))


def target_epochs(seconds: float, images: int) -> float:
    """How many passes over the training images the final network should get in `seconds` on this machine."""
    return EPOCHS_IN_TWO_MINUTES * math.sqrt(seconds / 120) * math.sqrt(50_000 / images)


def plan_fit(
    verb: Verb, words: DataSpec, budget: Budget, options: Options, data: ImageData, architecture: Architecture | None
) -> RunSpec:
    """The resolved spec of a run: the user's words first, the rules of this module for the rest."""
    settings: dict[str, dict[str, Any]] = {group: dict(v) for group, v in (options.settings or {}).items()}
    free = verb == "fit" and options.space is None and options.method is None and not settings.get("space")
    notes: tuple[str, ...] = ()
    share = options.search_share
    if free:
        space, method = "resnet", "halving"
        seconds = budget.amount if budget.unit == "seconds" else 1800.0
        chosen = split(seconds)
        share = chosen.share if share is None else share
        if budget.unit == "seconds":
            hardware = Hardware.find(options.device, options.precision)  # type: ignore[arg-type]
            first = race(data, hardware, seconds * (1 - share), chosen.candidates, options.seed)
            settings["method"] = {"candidates": len(first), "first": first, **settings.get("method", {})}
            notes = (
                f"fit chose {len(first)} networks that fit the time and gives the search {100 * share:.0f} % of it.",
            )
    else:
        space, method = options.space or "superkernel", options.method or "nasib"
        share = 0.4 if share is None else share
    recipe = options.recipe or "fast"
    _check(space, method, recipe, share)
    settings["method"] = {**_preset(method, options.preset), **settings.get("method", {})}
    return RunSpec(
        verb=verb, data=words, budget=budget, seed=options.seed, device=options.device, precision=options.precision,
        space=space, method=method, recipe=recipe, settings=settings, search_share=share,
        baselines=options.baselines, rival=options.rival, notes=notes,
        architecture=None if architecture is None else architecture.to_json(),
    )  # fmt: skip


def _check(space: str, method: str, recipe: str, share: float) -> None:
    SPACES.entry(space)
    METHODS.entry(method)
    if recipe not in RECIPES:
        raise UnknownNameError("recipe", recipe, RECIPES)
    if "supernet" in METHODS.entry(method).needs and space not in nets.SUPERNETS:
        known = ", ".join(nets.SUPERNETS.names())
        raise UsageError(f"{method!r} needs a supernet, and {space!r} has none. Spaces with one: {known}.")
    if not 0 < share < 1:
        raise UsageError(f"search_share must lie between 0 and 1, but got {share}.")


def _preset(method: str, preset: str | None) -> Mapping[str, Any]:
    if preset is None or preset == "default":
        return {}
    presets = METHODS.load(method).presets
    if preset not in presets:
        raise UnknownNameError(f"preset of {method}", preset, [*presets, "default"])
    return dict(presets[preset])


def race(data: ImageData, hardware: Hardware, seconds: float, candidates: int, seed: int) -> tuple[str, ...]:
    """Notations of the networks that compete: those that get about the target number of passes in `seconds`.

    Half of them have the cost closest to the target, the rest is drawn from the window around it.
    """
    space = make_space("resnet")
    assert isinstance(space, ResNetSpace)
    batch = max(2, min(128, len(data.train) // 16))
    epoch = step_model(space, data, hardware, batch)
    wanted = seconds / target_epochs(seconds, len(data.train))
    costs = {choices: epoch(choices) * len(data.train) / batch for choices in enumerate_all(space)}
    near = sorted(costs, key=lambda choices: abs(math.log(costs[choices] / wanted)))
    window = [choices for choices in near if 1 / WINDOW < costs[choices] / wanted < WINDOW]
    sure = near[: -(-candidates // 2)]
    others = [choices for choices in window if choices not in sure]
    rng = stream(seed, "race")
    drawn = [others[int(i)] for i in rng.permutation(len(others))[: candidates - len(sure)]]
    return tuple(space.notation(choices) for choices in [*sure, *drawn])


def step_model(space: ResNetSpace, data: ImageData, hardware: Hardware, batch: int) -> Any:
    """A function from choices to seconds per step, from timing `PROBES`: linear in outputs and multiply-adds."""
    task = data.task
    rows, times = [], []
    for notation in PROBES:
        choices = space.parse(notation)
        rows.append(_features(space, choices, data))
        times.append(step_seconds(Architecture(space, choices), task, hardware, batch))
    solution = _nonnegative(np.array(rows), np.array(times))
    return lambda choices: float(np.dot(_features(space, choices, data), solution))


def _features(space: ResNetSpace, choices: Choices, data: ImageData) -> tuple[float, float]:
    """Values written by convolutions, and multiply-adds, for one image."""
    plan = space.layout(choices, data.task)
    first = plan.stages[0]
    outputs = first.channels * first.height * first.width * 1.0
    for stage in plan.stages:
        depth = 2 if plan.kind == "basic" else 1
        outputs += stage.blocks * depth * stage.channels * stage.height * stage.width
    return outputs, float(nets.cost(Architecture(space, choices), data.task).madds)


def _nonnegative(rows: np.ndarray[Any, Any], times: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Relative least squares with coefficients that are not negative (a cost never is)."""
    scaled = rows / times[:, None]
    solution = np.linalg.lstsq(scaled, np.ones(len(times)), rcond=None)[0]
    for keep in (0, 1):
        if solution[1 - keep] < 0:
            alone = np.zeros(2)
            alone[keep] = scaled[:, keep].sum() / (scaled[:, keep] ** 2).sum()
            return alone
    return np.asarray(solution)
