"""Limits on parameters and multiply-adds: a space in which what costs too much is not legal."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from chronas.errors import UsageError
from chronas.seeding import stream
from chronas.spaces.base import Space
from chronas.spaces.moves import sample
from chronas.work import Choices

SpaceT = TypeVar("SpaceT", bound=Space)

DRAWS = 10_000
"""Random architectures looked at before a limit is called too tight."""


class Counted(Protocol):
    """What a network costs."""

    @property
    def params(self) -> int: ...
    @property
    def madds(self) -> int: ...


@dataclass(frozen=True)
class Limits:
    """Most parameters and most multiply-adds per image; None: any number."""

    max_params: int | None = None
    max_madds: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("max_params", self.max_params), ("max_madds", self.max_madds)):
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, but got {value}.")

    def allow(self, cost: Counted) -> bool:
        """Whether a network of that cost is within the limits."""
        return (self.max_params is None or cost.params <= self.max_params) and (
            self.max_madds is None or cost.madds <= self.max_madds
        )

    def excess(self, cost: Counted) -> float:
        """The largest ratio of a cost to its limit; above 1 is too much."""
        return max(cost.params / (self.max_params or float("inf")), cost.madds / (self.max_madds or float("inf")))

    def __str__(self) -> str:
        parts = []
        if self.max_params is not None:
            parts.append(f"at most {self.max_params:,} parameters")
        if self.max_madds is not None:
            parts.append(f"at most {self.max_madds:,} multiply-adds")
        return " and ".join(parts) or "no limit"


def within(space: SpaceT, limits: Limits, cost: Callable[[Choices], Counted]) -> SpaceT:
    """`space` with what breaks `limits` made illegal, so that every method keeps them; `space` is left as it was.

    cost: parameters and multiply-adds of choices that are legal in `space`; asked once per choice and then remembered.
    Raises UsageError where no random architecture keeps the limits, naming the one that comes nearest.
    """
    if limits == Limits():
        return space
    counted = lru_cache(maxsize=200_000)(cost)
    kind: type[Any] = type(space)

    class Limited(kind):  # type: ignore[misc]
        """The space's own class with one rule more: layouts and builders find all else in its place."""

        rules = f"{space.rules} It must have {limits}.".strip()
        _unlimited = space

        def legal(self, choices: Choices) -> bool:
            return bool(super().legal(choices)) and limits.allow(counted(choices))

        def plain(self) -> Choices | None:
            """The plain network where it keeps the limits."""
            choices = space.plain()
            return choices if choices is not None and self.legal(choices) else None

    limited: SpaceT = copy.copy(space)
    limited.__class__ = Limited
    _check_possible(space, limits, counted)
    return limited


def without(space: Space) -> Space:
    """The space as it was before `within`; for builders the same, and it can be sent to other processes."""
    while (unlimited := getattr(space, "_unlimited", None)) is not None:
        space = unlimited
    return space


def _check_possible(space: Space, limits: Limits, cost: Callable[[Choices], Counted]) -> None:
    nearest: Counted | None = None
    for index in range(DRAWS):
        found = cost(sample(space, stream(0, "limits", index)))
        if limits.allow(found):
            return
        if nearest is None or limits.excess(found) < limits.excess(nearest):
            nearest = found
    assert nearest is not None
    raise UsageError(
        f"None of {DRAWS:,} random architectures of {space.name!r} has {limits}; the nearest has {nearest.params:,} "
        f"parameters and {nearest.madds:,} multiply-adds. Loosen the limits, or make the space smaller."
    )
