"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TINY = ("--set", "space.layers=2", "--set", "space.width=4", "--set", "space.m=3", "--device", "cpu")


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str


Chronas = Callable[..., Ended]
