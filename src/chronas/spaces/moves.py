"""Sampling and moving in any space, written once: sample, mutate, crossover, neighbours, size."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from chronas.spaces.base import Space
from chronas.work import Choices


def size(space: Space) -> int:
    """How many choices the space has (before merging those that give the same network)."""
    return math.prod(len(decision.options) for decision in space.decisions)


def sample(space: Space, rng: np.random.Generator) -> Choices:
    """One option per decision, uniformly and independently."""
    return tuple(int(rng.integers(len(decision.options))) for decision in space.decisions)


def mutate(space: Space, choices: Choices, rng: np.random.Generator) -> Choices:
    """Change exactly one decision to another option. Decisions with a single option are left alone."""
    movable = [i for i, decision in enumerate(space.decisions) if len(decision.options) > 1]
    where = movable[int(rng.integers(len(movable)))]
    other = int(rng.integers(len(space.decisions[where].options) - 1))
    other += other >= choices[where]
    return (*choices[:where], other, *choices[where + 1 :])


def crossover(space: Space, first: Choices, second: Choices, rng: np.random.Generator) -> Choices:
    """Each decision from one of the two parents, with equal chance."""
    mask = rng.integers(2, size=len(space.decisions))
    return tuple(b if m else a for a, b, m in zip(first, second, mask, strict=True))


def neighbours(space: Space, choices: Choices) -> Iterator[Choices]:
    """All choices that differ in exactly one decision."""
    for where, decision in enumerate(space.decisions):
        for other in range(len(decision.options)):
            if other != choices[where]:
                yield (*choices[:where], other, *choices[where + 1 :])


def enumerate_all(space: Space) -> Iterator[Choices]:
    """All choices, the last decision moving fastest."""
    for flat in range(size(space)):
        yield unrank(space, flat)


def unrank(space: Space, index: int) -> Choices:
    """The choices at place `index` of `enumerate_all`."""
    choices = []
    for decision in reversed(space.decisions):
        index, choice = divmod(index, len(decision.options))
        choices.append(choice)
    return tuple(reversed(choices))
