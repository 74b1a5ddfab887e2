"""How `fit` and `search` decide what the user did not say: space, method, split of the time.

docs/how-fit-decides.md tells the same for users, with the measurements behind the numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
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
"""Networks whose step is timed: from them follows about what every other network of the space costs here."""
TIMED = 10
"""How many networks of about the right cost are then timed themselves."""
EPOCHS_IN_TWO_MINUTES = 8.0
"""Passes over 50,000 images that a network should get in two minutes; grows as time to the power GROWTH."""
GROWTH = 0.3
"""Between the best at two minutes (7 to 8 passes) and at ten (13 passes): see docs/how-fit-decides.md."""
WINDOW = 1.5
"""Candidates cost between 1/WINDOW and WINDOW times what the target number of passes allows."""
NO_RACE = 0.01
"""The search's share where there is nothing to decide: timing has chosen the network."""
CLOSING = 0.03
"""About what judging and the report take."""
LEAST_RACE = 0.5
"""Passes that a candidate must get in the race: with less, the race would be decided by chance, and is left out."""


def search_share(seconds: float) -> float:
    """The part of a `fit` that searches: 8 % of two minutes, 1 % more for every doubling, at most 25 %."""
    return min(0.25, 0.08 + 0.0105 * math.log2(max(1.0, seconds / 120)))


def race_size(seconds: float, images: int) -> int:
    """How many networks can race in the search's share, each for LEAST_RACE passes; at most 27."""
    epoch = seconds / target_epochs(seconds, images)
    return int(min(27, max(1, search_share(seconds) * seconds // (LEAST_RACE * epoch))))


def target_epochs(seconds: float, images: int) -> float:
    """How many passes over the training images the final network should get in `seconds` on this machine."""
    return float(EPOCHS_IN_TWO_MINUTES * (seconds / 120) ** GROWTH * math.sqrt(50_000 / images))


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
        candidates = race_size(seconds, len(data.train))
        if share is None:
            share = search_share(seconds) if candidates > 1 else NO_RACE
        if budget.unit == "seconds":
            hardware = Hardware.find(options.device, options.precision)  # type: ignore[arg-type]
            gone = 0.0 if options.started is None else time.monotonic() - options.started
            usable = (seconds - gone) * (1 - share - CLOSING)
            first = race(data, hardware, usable, candidates, options.seed)
            settings["method"] = {"candidates": len(first), "first": first, **settings.get("method", {})}
            notes = (_explain(first, share),)
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


def _explain(first: tuple[str, ...], share: float) -> str:
    if len(first) == 1:
        return f"There is no time for a race: fit trains {first[0]}, the network whose size fits the time."
    return f"fit lets {len(first)} networks race that fit the time, and gives the search {100 * share:.0f} % of it."


def race(data: ImageData, hardware: Hardware, seconds: float, candidates: int, seed: int) -> tuple[str, ...]:
    """Notations of the networks that compete: those that get about the target number of passes in `seconds`.

    The shallow ones nearest to that cost come first (short trainings reward width over depth), then others drawn
    from the window around it; what counts is the cost timed here, not the model's.
    """
    space = make_space("resnet")
    assert isinstance(space, ResNetSpace)
    batch = max(2, min(128, len(data.train) // 16))
    steps = len(data.train) / batch
    wanted = seconds / target_epochs(seconds, len(data.train)) / steps
    model = step_model(space, data, hardware, batch)
    guessed = {choices: abs(math.log(model(choices) / wanted)) for choices in enumerate_all(space)}
    near = sorted(guessed, key=lambda choices: guessed[choices])
    shallow = [choices for choices in near if _shallow(space, choices)]
    others = [choices for choices in near if guessed[choices] < math.log(WINDOW) and not _shallow(space, choices)]
    rng = stream(seed, "race")
    drawn = [others[int(i)] for i in rng.permutation(len(others))[: max(0, candidates - 1) // 2]]
    timed = {
        choices: step_seconds(Architecture(space, choices), data.task, hardware, batch)
        for choices in [*shallow[: TIMED - min(len(drawn), TIMED // 2)], *drawn]
    }
    off = {choices: abs(math.log(cost / wanted)) for choices, cost in timed.items()}
    plain = sorted((c for c in timed if c not in drawn), key=lambda choices: off[choices])
    rest = [choices for choices in drawn if off[choices] < math.log(WINDOW)]
    return tuple(space.notation(choices) for choices in [*plain[: max(1, candidates - len(rest))], *rest])


def _shallow(space: ResNetSpace, choices: Choices) -> bool:
    """One basic block in the first two stages, one or two in the last."""
    names = space.names(choices)
    blocks = (names["blocks 1"], names["blocks 2"], names["blocks 3"])
    return names["block"] == "basic" and blocks in (("1", "1", "1"), ("1", "1", "2"))


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
