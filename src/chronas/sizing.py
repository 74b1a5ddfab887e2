"""Which residual networks fit a time: the part of `fit`'s rule that times networks on the user's machine.

docs/how-fit-decides.md tells the same for users, with the measurements behind the numbers.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chronas import nets
from chronas.architecture import Architecture
from chronas.data.images import ImageData
from chronas.seeding import stream
from chronas.spaces.limits import Limits, within
from chronas.spaces.moves import enumerate_all
from chronas.spaces.resnet import ResNetSpace
from chronas.training.hardware import Hardware
from chronas.training.probe import step_seconds
from chronas.work import Choices

PROBES = ("full-16-1-1-2-basic", "half-32-1-1-2-basic", "half-64-1-1-2-basic", "full-32-1-1-2-single")
"""Networks whose step is timed: from them follows about what every other network of the space costs here."""
TIMED = 10
"""How many networks of about the right cost are then timed themselves."""
EPOCHS_IN_TWO_MINUTES = 5.0
"""Passes over 50,000 images at full size that a network should get in two minutes; grows as time to GROWTH."""
GROWTH = 0.5
WINDOW = 1.5
"""Candidates cost between 1/WINDOW and WINDOW times what the target number of passes allows."""
TOO_SLOW = 1.2
"""The first candidate costs at most so many times that."""
WORTH_TIMING = 2.5
"""What is guessed to cost more than so many times that is not timed."""
TIMING_SHARE = 0.05
"""The part of the time after which no other network is timed; the rest is guessed."""
LARGE = 64
"""From this side on images are seen at half resolution where that fits better; smaller ones lose by it."""


@dataclass(frozen=True)
class Considered:
    """One network that was weighed against the time.

    notation       in the space resnet
    seconds        of one pass over the training images at full size
    timed          whether its steps were timed; else their time was guessed from that of `PROBES`
    passes         that fit the time; `wanted`: about how many a network should get there, `least`: at least
    params, madds  its parameters, and multiply-adds per image
    taken          whether it is trained, or races; `why`: the reason, in words
    """

    notation: str
    seconds: float
    timed: bool
    passes: float
    wanted: float
    least: float
    params: int
    madds: int
    taken: bool
    why: str


@dataclass(frozen=True)
class Race:
    """`first`: notations of what was taken, the best guess in front; `considered`: these and all the others."""

    first: tuple[str, ...]
    considered: tuple[Considered, ...]


def target_epochs(seconds: float, images: int) -> float:
    """How many passes over the training images, at full size, a network should get in `seconds` here."""
    return float(EPOCHS_IN_TWO_MINUTES * (seconds / 120) ** GROWTH * math.sqrt(50_000 / images))


def race(
    data: ImageData, hardware: Hardware, seconds: float, candidates: int, seed: int, limits: Limits | None = None
) -> Race:
    """At most `candidates` networks within `limits` that get about the target passes in `seconds`.

    The shallow ones come first, those with the most multiply-adds that are fast enough in front: what counts is
    the cost timed here, and of two networks that take the same time the larger one learns more. Others follow,
    drawn from the window around the target.
    """
    began = time.monotonic()
    whole = ResNetSpace()
    space = within(whole, limits or Limits(), lambda choices: nets.cost(Architecture(whole, choices), data.task))
    batch = max(2, min(128, len(data.train) // 16))
    wanted = seconds / target_epochs(seconds, len(data.train)) / (len(data.train) / batch)
    model = step_model(data, hardware, batch)
    guessed = {choices: abs(math.log(model(choices) / wanted)) for choices in enumerate_all(space)}
    near = sorted(guessed, key=lambda choices: guessed[choices])
    drawn = _drawn(space, near, guessed, max(0, candidates - 1) // 2, seed)
    shallow = _shallow(space, near, {c: model(c) / wanted for c in near}, data)[: TIMED - min(len(drawn), TIMED // 2)]
    costs = {choices: model(choices) / wanted for choices in [*shallow, *drawn]}
    timed = set()
    for choices in costs:
        if time.monotonic() - began > TIMING_SHARE * seconds:
            break
        costs[choices] = step_seconds(Architecture(space, choices), data.task, hardware, batch) / wanted
        timed.add(choices)
    rest = [choices for choices in drawn if abs(math.log(costs[choices])) < math.log(WINDOW)]
    first = sorted(shallow, key=lambda c: _preference(costs[c], _madds(space, c, data)))
    taken = [*first[: max(1, candidates - len(rest))], *rest]
    others = sorted((choices for choices in costs if choices not in taken), key=lambda choices: costs[choices])
    target = target_epochs(seconds, len(data.train))
    considered = []
    for choices in [*taken, *others]:
        cost, why = nets.cost(Architecture(whole, choices), data.task), _why(choices, taken, rest, costs)
        considered.append(Considered(
            whole.notation(choices), costs[choices] * seconds / target, choices in timed, target / costs[choices],
            target, target / TOO_SLOW, cost.params, cost.madds, choices in taken, why,
        ))  # fmt: skip
    return Race(tuple(map(whole.notation, taken)), tuple(considered))


def _why(choices: Choices, taken: Sequence[Choices], rest: Sequence[Choices], costs: Mapping[Choices, float]) -> str:
    """Why a network was taken or not, in words for people. `rest`: the drawn ones; `costs`: 1 is the target."""
    if choices == taken[0]:
        return "the largest that is fast enough" if costs[choices] <= TOO_SLOW else "the fastest; none is fast enough"
    if choices in rest:
        return "drawn among those of about the right cost"
    if choices in taken:
        return "the next largest" if costs[choices] <= TOO_SLOW else "the next fastest"
    return "smaller" if costs[choices] <= TOO_SLOW else "too slow"


def _preference(cost: float, madds: float) -> tuple[bool, float]:
    """What sorts the shallow ones: fast enough and large; where none is fast enough, the fastest. `cost`: of 1."""
    return (True, cost) if cost > TOO_SLOW else (False, -madds)


def _drawn(space: ResNetSpace, near: list[Choices], off: dict[Choices, float], count: int, seed: int) -> list[Choices]:
    others = [c for c in near if off[c] < math.log(WINDOW) and not _plain(space, c)]
    order = stream(seed, "race").permutation(len(others))[:count]
    return [others[int(place)] for place in order]


def _plain(space: ResNetSpace, choices: Choices) -> bool:
    """One basic block in the first two stages, one or two in the last."""
    names = space.names(choices)
    blocks = (names["blocks 1"], names["blocks 2"], names["blocks 3"])
    return names["block"] == "basic" and blocks in (("1", "1", "1"), ("1", "1", "2"))


def _shallow(space: ResNetSpace, near: list[Choices], cost: dict[Choices, float], data: ImageData) -> list[Choices]:
    """The plain ones of about the right cost; of small images those at full resolution, where any is fast enough.

    Where even the largest plain one is far too small for the time, or limits allow none, any of about the right cost.
    """
    plain = [choices for choices in near if _plain(space, choices)] or near
    full = [choices for choices in plain if space.names(choices)["stem"] == "full"]
    small = min(data.task.height, data.task.width) < LARGE
    kept = full if small and any(cost[choices] < TOO_SLOW for choices in full) else plain
    if all(cost[choices] < 1 / WINDOW for choices in kept):
        kept = near
    return [choices for choices in kept if cost[choices] < WORTH_TIMING] or kept[:1]


def step_model(data: ImageData, hardware: Hardware, batch: int) -> Callable[[Choices], float]:
    """A function from choices to seconds per step, from timing `PROBES`: linear in outputs and multiply-adds."""
    space = ResNetSpace()
    rows, times = [], []
    for notation in PROBES:
        choices = space.parse(notation)
        rows.append(_features(space, choices, data))
        times.append(step_seconds(Architecture(space, choices), data.task, hardware, batch))
    solution = _nonnegative(np.array(rows), np.array(times))
    return lambda choices: float(np.dot(_features(space, choices, data), solution))


def _madds(space: ResNetSpace, choices: Choices, data: ImageData) -> float:
    return float(nets.cost(Architecture(space, choices), data.task).madds)


def _features(space: ResNetSpace, choices: Choices, data: ImageData) -> tuple[float, float]:
    """Values written by convolutions, and multiply-adds, for one image."""
    plan = space.layout(choices, data.task)
    first = plan.stages[0]
    outputs = first.channels * first.height * first.width * 1.0
    for stage in plan.stages:
        depth = 2 if plan.kind == "basic" else 1
        outputs += stage.blocks * depth * stage.channels * stage.height * stage.width
    return outputs, _madds(space, choices, data)


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
