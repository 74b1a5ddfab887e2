"""Sampling and moving in any space, written once: sample, mutate, crossover, neighbours, size.

Where a space forbids combinations, a move is drawn again until it is legal: uniform over what is legal. In a space
where everything is legal the first draw stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chronas.errors import ArchitectureError
from chronas.spaces.base import Space
from chronas.work import Choices

SAMPLE_TRIES = 20_000
"""A space of which less than this share is legal needs a sampler of its own."""
MOVE_TRIES = 64
"""A move that is refused this often is looked for among all neighbours instead."""


def size(space: Space) -> int:
    """How many combinations the space has: legal or not, and before merging those that give the same network."""
    return math.prod(len(decision.options) for decision in space.decisions)


def sample(space: Space, rng: np.random.Generator) -> Choices:
    """One option per decision, uniform over the legal combinations; raises ArchitectureError where none is found."""
    for _ in range(SAMPLE_TRIES):
        drawn = tuple(int(rng.integers(len(decision.options))) for decision in space.decisions)
        if space.legal(drawn):
            return drawn
    raise ArchitectureError(
        f"None of {SAMPLE_TRIES:,} random architectures of {space.name!r} is legal: {space.rules} "
        "Loosen the settings of the space."
    )


def mutate(space: Space, choices: Choices, rng: np.random.Generator) -> Choices:
    """Change exactly one decision to another option. Decisions with a single option are left alone.

    Where no legal architecture differs in one decision only, a few are changed, as few as chance finds; raises
    ArchitectureError where that leads nowhere.
    """
    for _ in range(MOVE_TRIES):
        moved = _change_one(space, choices, rng)
        if space.legal(moved):
            return moved
    around = list(neighbours(space, choices))
    if around:
        return around[int(rng.integers(len(around)))]
    for _ in range(SAMPLE_TRIES // MOVE_TRIES):
        moved = choices
        for _ in space.decisions:
            moved = _change_one(space, moved, rng)
            if moved != choices and space.legal(moved):
                return moved
    raise ArchitectureError(f"Found no legal change of {space.notation(choices)} in {space.name!r}: {space.rules}")


def _change_one(space: Space, choices: Choices, rng: np.random.Generator) -> Choices:
    movable = [i for i, decision in enumerate(space.decisions) if len(decision.options) > 1]
    where = movable[int(rng.integers(len(movable)))]
    other = int(rng.integers(len(space.decisions[where].options) - 1))
    other += other >= choices[where]
    return (*choices[:where], other, *choices[where + 1 :])


def crossover(space: Space, first: Choices, second: Choices, rng: np.random.Generator) -> Choices:
    """Each decision from one of the two parents, with equal chance; `first` where no legal mixture turns up."""
    for _ in range(MOVE_TRIES):
        mask = rng.integers(2, size=len(space.decisions))
        child = tuple(b if m else a for a, b, m in zip(first, second, mask, strict=True))
        if space.legal(child):
            return child
    return first


def neighbours(space: Space, choices: Choices) -> Iterator[Choices]:
    """All legal choices that differ in exactly one decision."""
    for where, decision in enumerate(space.decisions):
        for other in range(len(decision.options)):
            moved = (*choices[:where], other, *choices[where + 1 :])
            if other != choices[where] and space.legal(moved):
                yield moved


def enumerate_all(space: Space) -> Iterator[Choices]:
    """All legal choices, the last decision moving fastest."""
    for flat in range(size(space)):
        choices = unrank(space, flat)
        if space.legal(choices):
            yield choices


def unrank(space: Space, index: int) -> Choices:
    """The combination at place `index` of all `size(space)` of them, the last decision moving fastest; legal or not."""
    choices = []
    for decision in reversed(space.decisions):
        index, choice = divmod(index, len(decision.options))
        choices.append(choice)
    return tuple(reversed(choices))
